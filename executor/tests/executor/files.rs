//! Files that a node gives its job: where they stand on each engine, who may use them, and that they go with the job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use gorch_schema::work::{Report, Work};
use gorch_schema::{Digest, Outcome, Settings};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::ansible;
use crate::confine::open_house;
use crate::host::{Remote, assert_cancelled};
use crate::house::{House, failure};

/// Keeps a content as if it had been fetched.
fn keep(house: &House, text: &[u8]) -> Digest {
    let digest = Digest::from_bytes(Sha256::digest(text).into());
    let path = house.path("data/artifacts").join(digest.to_string());
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    digest
}

fn with_files(house: &House, work: Work, files: &[(&str, &str)]) -> Work {
    let named = |(path, text): &(&str, &str)| ((*path).to_owned(), keep(house, text.as_bytes()).as_artifact().into());
    let files: Map<String, Value> = files.iter().map(named).collect();
    let files = serde_json::from_value(Value::Object(files)).unwrap();
    Work { settings: Settings { files, ..work.settings }, ..work }
}

fn stdout(report: &Report) -> &str {
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
    &report.logs.stdout.head
}

const TOOL: &str = "#!/bin/sh\necho tool $1 in $(basename \"$PWD\")\n";
const FILES: [(&str, &str); 3] =
    [("conf/app.ini", "x=1\n"), ("bin/tool", TOOL), ("lib.sh", "say() { echo said $1; }\n")];
/// Uses all of them and leaves something beside them.
const USES: &str = "cat conf/app.ini; bin/tool a; . ./lib.sh; say b; [ \"$PWD\" = \"$GORCH_FILES\" ] && echo here; \
                    echo mine >conf/new; stat -c '%a %U %n' bin bin/tool lib.sh; pwd >&2";

/// What that says in a folder of this name, where the files are this user's.
fn used(folder: &str, user: &str) -> String {
    format!("x=1\ntool a in {folder}\nsaid b\nhere\n755 {user} bin\n755 {user} bin/tool\n644 {user} lib.sh\n")
}

/// Whoever runs this.
fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_job_with_files_begins_in_a_folder_of_its_own_where_they_stand() {
    let house = House::new(&[]);
    let work = with_files(&house, house.script(0, USES), &FILES);
    let report = house.run(&work).await;
    assert_eq!(stdout(&report), used("files", &user()));
    assert!(!Path::new(report.logs.stderr.head.trim()).exists(), "it goes with its job");
    assert!(!house.path("conf").exists(), "nothing stands in the folder that jobs share");
    let without = house.run(&house.script(1, "pwd -P; echo \"$GORCH_FILES.\"")).await;
    let shared = house.folder.path().canonicalize().unwrap();
    assert_eq!(stdout(&without), format!("{}\n.\n", shared.display()));
}

#[tokio::test]
async fn what_a_job_does_to_its_files_no_other_job_sees() {
    let house = House::new(&[]);
    let script = "cat lib.sh; chmod 600 lib.sh; echo changed >lib.sh; rm bin/tool";
    for node in 0..3 {
        let report = house.run(&with_files(&house, house.script(node, script), &FILES)).await;
        assert_eq!(stdout(&report), "say() { echo said $1; }\n");
    }
}

#[tokio::test]
async fn a_held_job_may_use_its_files_whoever_runs_it() {
    let kinds: [&[&str]; 3] = [
        &["--run-as", "nobody", "--work-folder", "private"],
        &["--run-as", "nobody"],
        &["--sandbox", "try", "--work-folder", "private"],
    ];
    for flags in kinds {
        let mut house = open_house(flags);
        house.start();
        let report = house.run(&with_files(&house, house.script(0, USES), &FILES)).await;
        let user = if flags.contains(&"nobody") { "nobody".to_owned() } else { user() };
        assert_eq!(stdout(&report), used("work", &user), "{flags:?}");
        assert_eq!(report.result.confinement.unwrap().applied["work_folder"], "its own, removed after it");
        assert!(!Path::new(report.logs.stderr.head.trim()).exists(), "{flags:?}");
        let named = with_files(&house, house.program(1, "./bin/tool", &["c"]), &FILES);
        assert_eq!(stdout(&house.run(&named).await), "tool c in work\n");
    }
}

#[tokio::test]
async fn files_are_data_where_scripts_are_refused() {
    for flags in [["--scripts", "refuse"], ["--program", "/*/cat"]] {
        let house = House::new(&flags);
        let work = with_files(&house, house.program(0, "/bin/cat", &["conf/app.ini"]), &FILES);
        assert_eq!(stdout(&house.run(&work).await), "x=1\n");
        for (node, artifact) in [(1, "./bin/tool"), (2, "bin/tool")] {
            let work = with_files(&house, house.program(node, artifact, &[]), &FILES);
            let report = house.run(&work).await;
            let (code, message) = failure(&report);
            assert!(code == "refused" && message.starts_with("scripts that come with the work"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_path_that_is_one_of_the_files_means_that_one() {
    let house = House::new(&[]);
    fs::create_dir(house.path("bin")).unwrap();
    for name in ["tool", "other"] {
        fs::write(house.path("bin").join(name), "#!/bin/sh\necho the executors own\n").unwrap();
        fs::set_permissions(house.path("bin").join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = async |node, artifact: &str| {
        house.run(&with_files(&house, house.program(node, artifact, &["d"]), &FILES)).await
    };
    assert_eq!(stdout(&run(0, "./bin/tool").await), "tool d in files\n");
    assert_eq!(stdout(&run(1, "bin/tool").await), "tool d in files\n");
    assert_eq!(stdout(&run(2, "bin/other").await), "the executors own\n");
    assert_eq!(failure(&run(3, "./lib.sh").await).0, "spawn_failed", "it is no program");
}

#[tokio::test]
async fn a_job_that_waits_for_a_file_is_stopped_like_any_other() {
    let house = House::new(&[]);
    let mut work = with_files(&house, house.script(0, "echo begun"), &FILES);
    // Nobody has it, and nobody answers.
    let wanted = json!({"a": Digest::from_bytes([1; 32]).as_artifact()});
    work.settings.files = serde_json::from_value(wanted).unwrap();
    house.hand_in(&work).await;
    house.logged("artifact not fetched yet");
    house.stop(work.attempt, 1).await;
    let report = house.report(work.attempt).await;
    assert_cancelled(&report);
    assert_eq!(report.logs.stdout.head, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_a_host_begins_among_its_files() {
    let remote = Remote::new(&[]);
    let report = remote.run(&with_files(&remote, remote.sh(0, USES), &FILES)).await;
    assert_eq!(stdout(&report), used("files", &user()));
    remote.assert_nothing_left();
    let named = with_files(&remote, remote.command(1, "./bin/tool", &["e"]), &FILES);
    assert_eq!(stdout(&remote.run(&named).await), "tool e in files\n");

    let large = "0123456789".repeat(300_000);
    let files = [("large", large.as_str()), ("larger", &format!("{large}!")), ("it's $HOME/x", "y\n")];
    let sum = remote.sh(2, "cksum <large; cksum <larger; cat it*/x");
    let cksum = |text: &str| {
        let file = remote.path("summed");
        fs::write(&file, text).unwrap();
        let said = Command::new("cksum").stdin(fs::File::open(file).unwrap()).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    let expected = format!("{}{}y\n", cksum(&large), cksum(files[1].1));
    assert_eq!(stdout(&remote.run(&with_files(&remote, sum, &files)).await), expected);

    let output = with_files(&remote, remote.sh(3, "echo v=1 >$GORCH_OUTPUT; mkdir a; echo x >a/b; exit 255"), &FILES);
    let report = remote.run(&Work { outputs: vec!["v".to_owned()], ..output }).await;
    assert_eq!((failure(&report).0, &report.result.output["v"]), ("exit_nonzero", &json!("1")), "{report:?}");
    let without =
        remote.sh(4, "echo \"$GORCH_FILES.\"; case $PWD in */.gorch/*) echo in the folder of the attempt;; esac");
    assert_eq!(stdout(&remote.run(&without).await), ".\n");
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_on_a_host_reads_its_library_and_a_refused_one_does_not_run() {
    let remote = Remote::new(&[]);
    let script = "#!/bin/sh\nset -e\n. ./lib.sh\nsaid=$(say \"$who\")\n";
    let work = with_files(&remote, remote.tosca(0, script, &["who=you"], &["said"]), &FILES);
    let report = remote.run(&work).await;
    assert_eq!(report.result.output, json!({"said": "said you", "exit_code": 0}), "{report:?}");
    remote.assert_nothing_left();

    let remote = Remote::new(&["--scripts", "refuse"]);
    let data = with_files(&remote, remote.command(0, "cat", &["conf/app.ini"]), &FILES);
    assert_eq!(stdout(&remote.run(&data).await), "x=1\n");
    let named = with_files(&remote, remote.command(1, "bin/tool", &[]), &FILES);
    assert_eq!(failure(&remote.run(&named).await).0, "refused");
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_stopped_takes_its_files_along() {
    let remote = Remote::new(&["--grace", "1s"]);
    let work = with_files(&remote, remote.sh(0, "echo here; exec sleep 1000"), &FILES);
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    remote.stop(work.attempt, 1).await;
    assert_cancelled(&remote.report(work.attempt).await);
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_takes_no_files_says_why() {
    let remote = Remote::new(&[]);
    fs::write(remote.server.path("home/.gorch"), "in the way").unwrap();
    let large = "0123456789".repeat(300_000);
    let works = [
        remote.command(0, &format!("#!/bin/sh\n#{large}"), &[]),
        with_files(&remote, remote.command(1, "true", &[]), &[("large", &large), ("small", "x")]),
    ];
    for work in works {
        let report = remote.run(&work).await;
        let (code, message) = failure(&report);
        assert!(
            code == "spawn_failed" && message.starts_with("the host does not take the job's files: mkdir:"),
            "{code}: {message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_finds_roles_templates_and_files_beside_it() {
    let house = ansible::house(&[]);
    let files = [
        ("roles/greet/tasks/main.yml", "- template: {src: hello.j2, dest: \"{{ to }}\"}\n"),
        ("roles/greet/templates/hello.j2", "hello {{ who }} of {{ kind }}"),
        ("group_vars/all.yml", "kind: group\n"),
        ("files/plain", "plain text"),
        // What takes its name.
        ("playbook.yml", "- hosts: none\n"),
    ];
    let tasks = "- include_role: {name: greet}\n  vars: {who: you, to: HERE/greeting}\n\
                 - set_stats: {data: {plain: \"{{ lookup('file', 'plain') }}\", files: \"{{ lookup('env', 'GORCH_FILES') }}\"}}\n";
    let playbook = ansible::playbook(tasks).replace("HERE", house.folder.path().to_str().unwrap());
    let by_content = keep(&house, playbook.as_bytes()).as_artifact();
    for (node, artifact) in [(0, &playbook), (1, &by_content)] {
        let work = ansible::declares(&["plain", "files"], ansible::work(&house, node, &["a"], artifact));
        let report = house.run(&with_files(&house, work, &files)).await;
        assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:#?}");
        assert_eq!(report.result.output["plain"], "plain text");
        assert_eq!(fs::read_to_string(house.path("greeting")).unwrap(), "hello you of group");
        let folder = report.result.output["files"].as_str().unwrap().to_owned();
        assert!(folder.ends_with("/files") && !Path::new(&folder).exists(), "{folder}");
        fs::remove_file(house.path("greeting")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_of_the_executors_own_has_its_own_files() {
    let house = ansible::house(&[]);
    fs::write(house.path("site.yml"), ansible::playbook("- debug: {msg: hello}")).unwrap();
    let work = with_files(&house, ansible::work(&house, 0, &["a"], "site.yml"), &FILES);
    let report = house.run(&work).await;
    let (code, message) = failure(&report);
    assert!(code == "refused" && message.contains("`site.yml` is one of this executor"), "{message}");
}
