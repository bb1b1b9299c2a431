//! What jobs may do here, and what they are kept from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use gorch_schema::settings::{Bytes, Limits, Settings};
use gorch_schema::work::{Report, Work};

use crate::house::{House, failure, holds};

fn stdout(report: &Report) -> &str {
    &report.logs.stdout.head
}

fn applied(report: &Report) -> &BTreeMap<String, String> {
    &report.result.confinement.as_ref().unwrap_or_else(|| panic!("{report:?}")).applied
}

fn limited(limits: Limits, work: Work) -> Work {
    Work { settings: Settings { limits: Some(limits), ..Settings::default() }, ..work }
}

/// A house whose folders everybody may pass.
pub(crate) fn open_house(flags: &[&str]) -> House {
    let house = House::empty(flags);
    fs::set_permissions(house.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    house
}

#[tokio::test]
async fn a_job_runs_as_the_user_that_the_policy_names_and_has_a_folder_of_its_own() {
    let mut house = open_house(&["--run-as", "nobody", "--work-folder", "private"]);
    house.start();
    let work =
        house.script(0, "id -u; id -G; pwd; ls -A; echo a >$TMPDIR/a; echo b >b; echo v=1 >$GORCH_OUTPUT; echo $HOME");
    let report = house.run(&Work { outputs: vec!["v".to_owned()], ..work }).await;
    let lines: Vec<&str> = stdout(&report).lines().collect();
    let [uid, groups, folder, home] = lines.as_slice() else { panic!("{report:?}") };
    assert_eq!((*uid, *groups, folder), ("65534", "65534", home));
    assert_eq!(report.result.output["v"], "1");
    assert_eq!(applied(&report)["user"], "nobody (65534:65534)");
    assert!(!std::path::Path::new(folder).exists(), "it goes with its job");

    let data = house.path("data");
    let look = format!("ls {0} || ls {0}/places || cat {0}/attempts.log {0}/*/*", data.display());
    let report = house.run(&house.script(1, &look)).await;
    assert_eq!(stdout(&report), "", "nothing of the ledger, and of other jobs");
}

#[test]
fn a_user_that_is_none_or_cannot_reach_its_folders_is_refused_at_the_start() {
    let said = |house: &House| {
        let output = house.command().stderr(Stdio::piped()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let house = open_house(&["--run-as", "no-such-user"]);
    assert!(said(&house).contains("`run_as` names `no-such-user`, expected a user of this machine other than root"));
    let house = House::empty(&["--run-as", "nobody"]);
    fs::set_permissions(house.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let closed = house.folder.path().canonicalize().unwrap();
    let expected = format!("`{}` cannot be entered by `nobody`, who runs the jobs", closed.display());
    let found = said(&house);
    assert!(found.contains(&expected), "{found}");
}

#[test]
fn a_sandbox_in_which_jobs_write_where_our_keys_are_does_not_start() {
    let house = House::empty(&["--sandbox", "try"]);
    let output = house.command().stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("sandboxed jobs write into `") && said.contains("which holds the executor's own"), "{said}");
}

#[tokio::test]
async fn a_sandboxed_job_sees_the_system_and_its_own_and_nothing_else() {
    let mut house = House::empty(&["--sandbox", "require", "--work-folder", "private"]);
    let shown = house.path("shown");
    let given = house.path("given");
    for folder in [&shown, &given] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "here\n").unwrap();
    }
    house.add_flags(&["--readable", shown.to_str().unwrap(), "--writable", given.to_str().unwrap()]);
    house.start();
    let executor = house.pid();
    let script = format!(
        "cat {shown}/file {given}/file
         echo mine >{given}/new && echo mine >own && echo mine >$TMPDIR/x && echo v=1 >$GORCH_OUTPUT && echo written
         for path in {certs}/executor-e1.key {certs}/ca.pem {data}/places /root /home /var/log; do
             (cat $path || [ -d $path ] && ls $path) && echo \"saw $path\"
         done
         for path in {shown}/file {shown}/new /tmp/gorch-escape /etc/gorch-escape $HOME/gorch-escape; do
             (echo x >>$path) && echo \"wrote $path\"
         done
         kill -0 {executor} && echo killed
         cat /proc/{executor}/environ && echo 'read its environment'
         echo x >/dev/null && head -c1 /dev/urandom | wc -c",
        shown = shown.display(),
        given = given.display(),
        certs = house.path("certs").display(),
        data = house.path("data").display(),
    );
    let report = house.run(&Work { outputs: vec!["v".to_owned()], ..house.script(0, &script) }).await;
    assert_eq!(stdout(&report), "here\nhere\nwritten\n1\n", "{}", report.logs.stderr.head);
    assert_eq!(report.result.output["v"], "1");
    let files = &applied(&report)["files"];
    assert!(files.starts_with("landlock") && files.ends_with(&given.display().to_string()), "{files}");
}

#[tokio::test]
async fn a_sandboxed_job_inherits_nothing_but_its_streams() {
    let house = House::new(&["--sandbox", "try", "--work-folder", "private"]);
    let report = house.run(&house.script(0, "ls /proc/$$/fd; env | cut -d= -f1 | sort | tr '\\n' ' '")).await;
    let expected = "0\n1\n10\n2\nGORCH_ATTEMPT GORCH_EXECUTOR GORCH_NODE GORCH_OUTPUT GORCH_PROGRESS GORCH_RUN HOME LANG PATH PWD TMPDIR ";
    // 10 is the shell's own: the script.
    assert_eq!(stdout(&report), expected);
}

#[tokio::test]
async fn limits_of_the_policy_hold_and_a_graph_lowers_them_and_never_raises_them() {
    let house = House::new(&["--memory", "512m", "--open-files", "64", "--file-size", "64k", "--cpu-time", "1s"]);
    let report = house.run(&house.script(0, "ulimit -v; ulimit -n; ulimit -f; ulimit -t")).await;
    assert_eq!(stdout(&report), "524288\n64\n128\n1\n");
    assert_eq!(applied(&report)["memory"], "536870912 bytes of addresses for each process");

    let less = Limits { memory: Some(Bytes(256 << 20)), ..Limits::default() };
    let report = house.run(&limited(less, house.script(1, "ulimit -v"))).await;
    assert_eq!(stdout(&report), "262144\n");
    let more = Limits { memory: Some(Bytes(1 << 30)), ..Limits::default() };
    let report = house.run(&limited(more, house.script(2, "true"))).await;
    let expected = "`limits` ask for 1073741824 bytes of memory, expected at most 536870912 (this executor's `memory`)";
    assert_eq!(failure(&report), ("refused", expected));

    let report = house.run(&house.script(3, "while :; do :; done")).await;
    assert_eq!(failure(&report).0, "signal");
    let report = house.run(&house.script(4, "head -c 1000000 /dev/zero >file")).await;
    assert_ne!(report.result.outcome.word(), "succeeded");
    assert!(fs::metadata(house.path("file")).unwrap().len() <= 65536);
}

#[tokio::test]
async fn limits_of_a_node_hold_where_the_policy_has_none() {
    let house = House::new(&[]);
    let limits = Limits { memory: Some(Bytes(64 << 20)), ..Limits::default() };
    let hungry = house.script(0, "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo \"${#x}\"");
    let report = house.run(&limited(limits, hungry)).await;
    assert_ne!(report.result.outcome.word(), "succeeded");
    assert_eq!(stdout(&report), "");
    assert!(house.run(&house.script(1, "true")).await.result.confinement.is_none(), "nothing was asked for");
}

#[tokio::test]
async fn only_programs_of_the_list_run() {
    let house = House::new(&["--program", "/usr/bin/*", "--program", "/bin/echo"]);
    let run = async |node, artifact: &str| house.run(&house.program(node, artifact, &["hello"])).await;
    assert_eq!(stdout(&run(0, "/bin/echo").await), "hello\n");
    assert_eq!(stdout(&run(1, "/usr/bin/echo").await), "hello\n");
    fs::copy("/usr/bin/echo", house.path("echo")).unwrap();
    let path = house.path("echo").canonicalize().unwrap();
    let refused = format!(
        "the program `{}` is not allowed; this executor's `program` allows /usr/bin/*, /bin/echo",
        path.display()
    );
    assert_eq!(failure(&run(2, "./echo").await).0, "refused");
    let around = format!("/usr/bin/../..{}", path.display());
    assert_eq!(failure(&run(3, &around).await), ("refused", refused.as_str()));
    // A script would be any program.
    assert_eq!(failure(&run(4, "#!/bin/sh\necho hello").await).0, "refused");
}

#[tokio::test]
async fn engines_that_are_not_offered_are_refused() {
    let house = House::new(&["--engine", "http"]);
    let report = house.run(&house.script(0, "true")).await;
    let expected = "engine `shell` is unknown to this executor (known: http)";
    assert_eq!(failure(&report), ("refused", expected));
    let house = House::empty(&["--engine", "shel"]);
    let output = house.command().stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`engine` names `shel`, expected one of "), "{said}");
}

#[tokio::test]
async fn a_held_job_fails_to_start_in_the_same_words_as_any_other() {
    let (plain, held) = (House::new(&[]), House::new(&["--sandbox", "try", "--work-folder", "private"]));
    for (node, artifact) in
        ["/no/such/program", "#!/no/such/shell\n", "/etc/passwd", "no-such-program"].iter().enumerate()
    {
        let node = u32::try_from(node).unwrap();
        let of = async |house: &House| house.run(&house.program(node, artifact, &[])).await;
        let (one, other) = (of(&plain).await, of(&held).await);
        let cut = |text: &str| text.split("/places/").next().unwrap().to_owned();
        let house = |text: &str, house: &House| cut(text).replace(house.folder.path().to_str().unwrap(), "");
        let (one, other) = (failure(&one), failure(&other));
        assert_eq!((one.0, house(one.1, &plain)), (other.0, house(other.1, &held)));
    }
}

#[tokio::test]
async fn a_held_job_is_in_a_control_group_of_its_own_or_it_is_said_why_not() {
    let house = House::new(&["--sandbox", "try", "--work-folder", "private"]);
    let work = house.script(0, "cat /proc/self/cgroup");
    let report = house.run(&work).await;
    let confinement = report.result.confinement.as_ref().unwrap();
    let own = stdout(&report).lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    if confinement.applied.contains_key("control_group") {
        assert!(own.contains("/gorch-") && own.ends_with(&work.attempt.to_string()), "{own}");
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts.lines().find(|line| line.contains(" cgroup2 ")).unwrap().split(' ').nth(1).unwrap();
        assert!(!std::path::Path::new(&format!("{mount}{own}")).exists(), "it goes with its job");
    } else {
        assert!(!confinement.missing["control_group"].is_empty() && !own.contains("/gorch-"));
    }
}

#[tokio::test]
async fn a_held_job_that_is_stopped_leaves_nothing() {
    let mut house =
        open_house(&["--sandbox", "try", "--work-folder", "private", "--run-as", "nobody", "--grace", "100ms"]);
    house.start();
    let work =
        house.script(0, "setsid sh -c 'trap \"\" TERM; sleep 1000 & wait' & echo here >$TMPDIR/../here; sleep 1000");
    house.hand_in(&work).await;
    assert!(holds(|| house.processes().len() >= 3));
    house.stop(work.attempt, 1).await;
    let report = house.report(work.attempt).await;
    assert_eq!((report.result.outcome.word(), report.unconfirmed.len()), ("cancelled", 0));
    assert_eq!(house.processes(), Vec::<i32>::new());

    let work = house.script(1, "sleep 1000");
    house.hand_in(&work).await;
    assert!(holds(|| !house.processes().is_empty()));
    house.kill();
    house.start();
    assert_eq!(failure(&house.report(work.attempt).await).0, "executor_lost");
    assert_eq!(house.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn variables_of_a_job_do_nothing_to_what_holds_it() {
    let mut house = open_house(&["--run-as", "nobody", "--work-folder", "private"]);
    house.start();
    // The loader says on standard error what it cannot load: once for each program that it starts with this.
    let mut work = house.script(0, "id -u");
    work.env.insert("LD_PRELOAD".to_owned(), "/no/such/library.so".to_owned());
    let report = house.run(&work).await;
    assert_eq!(stdout(&report), "65534\n");
    let plain = House::new(&[]);
    let same = Work { attempt: plain.id(0), ..work };
    let expected = plain.run(&same).await.logs.stderr.head.lines().count();
    assert_eq!(report.logs.stderr.head.lines().count(), expected, "{report:?}");
    assert!(expected > 0);
}

#[tokio::test]
async fn variables_that_make_a_program_run_others_are_refused_where_programs_are_listed() {
    let house = House::new(&["--program", "/bin/echo"]);
    for (node, name) in (0..).zip(["LD_PRELOAD", "BASH_ENV", "PATH", "PYTHONPATH"]) {
        let mut work = house.program(node, "/bin/echo", &[]);
        work.env.insert(name.to_owned(), "x".to_owned());
        let report = house.run(&work).await;
        let said = format!(
            "the variable `{name}` is refused where this executor's `program` lists programs: it can make one run others"
        );
        assert_eq!(failure(&report), ("refused", said.as_str()));
    }
    let mut work = house.program(9, "/bin/echo", &["hello"]);
    work.env.insert("COLOUR".to_owned(), "x".to_owned());
    assert_eq!(stdout(&house.run(&work).await), "hello\n");
}

#[tokio::test]
async fn what_hid_from_a_killed_executor_in_its_control_group_is_ended_by_the_next() {
    let mut house = House::new(&["--sandbox", "try", "--work-folder", "private"]);
    let mark = format!("10{}", house.pid());
    // In a session of its own, and with nothing in its environment.
    let work = house.script(0, &format!("env -i setsid sleep {mark} & sleep 1000"));
    house.hand_in(&work).await;
    let living = || crate::house::processes(|_, line| line.contains(&mark) && line.starts_with("sleep"));
    assert!(holds(|| !living().is_empty()));
    house.kill();
    house.start();
    let report = house.report(work.attempt).await;
    assert_eq!(failure(&report).0, "executor_lost");
    // Without control groups it can only be found while its executor lives.
    let group =
        house.run(&house.script(1, "true")).await.result.confinement.unwrap().applied.contains_key("control_group");
    if group {
        assert!(holds(|| living().is_empty()));
    }
    for pid in living() {
        std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    }
}
