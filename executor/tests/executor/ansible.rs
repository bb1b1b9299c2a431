//! Playbooks, run by the real `ansible-playbook`, on this machine and over a real ssh.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use gorch_schema::progress::Status;
use gorch_schema::session::{News, Order};
use gorch_schema::work::{AttemptState, Report, Work};
use gorch_schema::{Item, Outcome, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{House, failure, holds, processes};
use crate::session::Session;

const INSTALL: &str =
    "install it (python3 -m venv target/tools/ansible && target/tools/ansible/bin/pip install ansible-core)";

/// The program of this machine, or the one that `scripts/test` installs.
fn program() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/ansible/bin/ansible-playbook");
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut all = std::env::split_paths(&folders).map(|folder| folder.join("ansible-playbook"));
    all.find(|path| path.is_file()).or_else(|| ours.is_file().then_some(ours)).unwrap_or_else(|| {
        panic!("`ansible-playbook` was not found; {INSTALL}");
    })
}

pub(crate) fn house(flags: &[&str]) -> House {
    let mut house = House::empty(flags);
    house.add_flags(&["--ansible", program().to_str().unwrap()]);
    house.start();
    house
}

/// Hosts that are all this machine.
fn inventory(hosts: &[&str]) -> Value {
    let python = program().with_file_name("python3");
    let vars = json!({"ansible_connection": "local", "ansible_python_interpreter": python});
    let hosts: serde_json::Map<String, Value> = hosts.iter().map(|host| ((*host).to_owned(), Value::Null)).collect();
    json!({"all": {"hosts": hosts, "vars": vars}})
}

/// A playbook of these tasks, without looking at its hosts first.
pub(crate) fn playbook(tasks: &str) -> String {
    let tasks: String = tasks.lines().map(|line| format!("    {line}\n")).collect();
    format!("- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}")
}

/// `HERE` is the work folder.
pub(crate) fn work(house: &House, node: u32, hosts: &[&str], playbook: &str) -> Work {
    let playbook = &playbook.replace("HERE", house.folder.path().to_str().unwrap());
    let settings = Settings { inventory: inventory(hosts), limit: Some("all".to_owned()), ..Settings::default() };
    Work { engine: "ansible".to_owned(), settings, ..house.program(node, playbook, &[]) }
}

pub(crate) fn declares(outputs: &[&str], work: Work) -> Work {
    Work { outputs: outputs.iter().map(|name| (*name).to_owned()).collect(), ..work }
}

fn args(args: &[&str], work: Work) -> Work {
    Work { args: args.iter().map(|arg| (*arg).to_owned()).collect(), ..work }
}

fn item<'a>(report: &'a Report, name: &str) -> &'a Item {
    report.result.items.iter().find(|item| item.name == name).unwrap_or_else(|| panic!("{report:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_what_set_stats_says_and_every_host_is_an_item() {
    let house = house(&[]);
    let tasks = "- name: say\n  set_stats: {aggregate: false, data: {version: \"1.2\", build: [1, 2], secret: x}}\n\
                 - name: say of each\n  set_stats: {per_host: true, data: {here: \"{{ inventory_hostname }}\"}}\n\
                 - name: change\n  command: echo hello\n";
    let work = declares(&["version", "build", "here"], work(&house, 0, &["a", "b"], &playbook(tasks)));
    let report = house.run(&work).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:#?}");
    let expected = json!({"version": "1.2", "build": [1, 2], "here": {"a": "a", "b": "b"}, "exit_code": 0});
    assert_eq!(report.result.output, expected);
    assert_eq!(report.result.dropped, ["secret"]);
    let (first, counts) = (item(&report, "a"), [(Status::Ok, 3), (Status::Changed, 1)].into());
    assert_eq!((first.status, &*first.what, &first.counts), (Status::Changed, "change", &counts));
    assert_eq!(report.result.items.len(), 2);
    assert!(report.logs.stdout.head.contains("PLAY RECAP"), "ansible's own words are the log: {report:#?}");
    assert_eq!(report.unconfirmed, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn extra_vars_arrive_as_they_are_and_stand_on_no_command_line() {
    let house = house(&[]);
    let odd = "a b 'c' \"d\" \\ {not json} {{ lookup('pipe', 'touch HERE/pwned') }} é $(x) # @\t\u{1f426}";
    let tasks = "- set_stats: {data: {odd: \"{{ odd }}\", number: \"{{ number }}\", under: \"{{ under }}\"}}\n\
                 - shell: tr '\\0' ' ' < /proc/$PPID/cmdline; cat > HERE/seen; while ! [ -e HERE/go ]; do sleep 0.01; done\n  args: {stdin: up}\n";
    let work = declares(&["odd", "number", "under"], work(&house, 0, &["a"], &playbook(tasks)));
    let odd_arg = format!("odd={odd}");
    let work = Work { input: json!({"under": {"x": 1}, "number": 5}), ..args(&[&odd_arg, "number=007"], work) };
    house.hand_in(&work).await;
    house.file("seen");
    assert_eq!(processes(|_, line| line.contains("not json")), [0; 0]);
    std::fs::write(house.path("go"), "").unwrap();
    let report = house.report(work.attempt).await;
    assert_eq!(
        report.result.output,
        json!({"odd": odd, "number": "007", "under": {"x": 1}, "exit_code": 0}),
        "{report:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_playbooks_of_the_list_run() {
    let house = house(&["--playbook", "*/plays/*.yml"]);
    std::fs::create_dir(house.path("plays")).unwrap();
    std::fs::write(house.path("plays/one.yml"), playbook("- debug: {msg: hello}")).unwrap();
    std::fs::write(house.path("other.yml"), playbook("- debug: {msg: hello}")).unwrap();
    let run = async |node, artifact: &str| house.run(&work(&house, node, &["a"], artifact)).await;
    let mut steered = work(&house, 5, &["a"], "plays/one.yml");
    assert_eq!(
        failure(&house.run(&steered).await).1,
        "an `inventory` of its own is refused where this executor's `playbook` lists playbooks"
    );
    steered.attempt = house.id(6);
    steered.settings.inventory = Value::Null;
    steered.args = vec!["ansible_connection=local".to_owned()];
    assert_eq!(failure(&house.run(&steered).await).0, "refused");
    for (node, artifact) in [(1, "other.yml"), (2, "plays/../other.yml"), (3, &*playbook("- debug:"))] {
        let report = run(node, artifact).await;
        assert_eq!(failure(&report).0, "refused", "{artifact}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_finds_its_secrets_and_shows_them_to_nobody() {
    use std::os::unix::fs::PermissionsExt;
    let mut house = House::empty(&["--ansible", program().to_str().unwrap()]);
    let store = house.path("secrets");
    std::fs::create_dir_all(store.join("prod")).unwrap();
    std::fs::write(store.join("prod/db"), "corr3ct-horse").unwrap();
    for (path, mode) in [(store.clone(), 0o700), (store.join("prod/db"), 0o600)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    house.add_flags(&["--secrets", store.to_str().unwrap()]);
    house.start();
    let tasks = "- set_stats: {data: {v: \"{{ lookup('env', 'DB') }} {{ lookup('file', lookup('env', 'KEY')) }}\"}}\n\
                 - name: \"with {{ lookup('env', 'DB') }}\"\n  fail: {msg: \"{{ lookup('env', 'DB') }} is wrong\"}\n";
    let mut work = declares(&["v"], work(&house, 0, &["a"], &playbook(tasks)));
    work.settings.secrets.insert("DB".to_owned(), gorch_schema::Secret::Variable("secret://prod/db".parse().unwrap()));
    let file = gorch_schema::Secret::File { file: "secret://prod/db".parse().unwrap() };
    work.settings.secrets.insert("KEY".to_owned(), file);
    let report = house.run(&work).await;
    assert_eq!(report.result.output["v"], "[secret] [secret]");
    let shown = format!("{report:?}");
    assert!(!shown.contains("corr3ct") && shown.contains("[secret] is wrong"), "{report:#?}");
    let found = item(&report, "a");
    assert_eq!((&*found.what, found.message.as_deref()), ("with [secret]", Some("[secret] is wrong")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_changes_nothing_and_says_what_would() {
    let house = house(&[]);
    let tasks = format!("- name: write\n  copy: {{content: x, dest: {}}}\n", house.path("made").display());
    let mut work = work(&house, 0, &["a"], &playbook(&tasks));
    work.settings.check = true;
    let report = house.run(&work).await;
    assert_eq!(
        (report.result.outcome.word(), item(&report, "a").status),
        ("succeeded", Status::Changed),
        "{report:#?}"
    );
    assert!(!house.path("made").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_runs_on_its_limit_only() {
    let house = house(&[]);
    let tasks = playbook("- debug: {msg: hello}\n");
    let limited = |node, limit: &str| {
        let mut work = work(&house, node, &["a", "b", "c"], &tasks);
        work.settings.limit = Some(limit.to_owned());
        work
    };
    let report = house.run(&limited(0, "all:!b")).await;
    let names: Vec<&str> = report.result.items.iter().map(|item| &*item.name).collect();
    assert_eq!(names, ["a", "c"], "{report:#?}");
    for (node, limit) in [(1, ","), (2, ""), (3, "@/etc/passwd")] {
        assert_eq!(failure(&house.run(&limited(node, limit)).await).0, "refused", "{limit}");
    }
    let report = house.run(&limited(4, "nobody")).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "playbook_failed");
    assert!(message.contains("no hosts to target"), "{message}");
    let target = Work { settings: Settings::default(), target: Some("nobody".to_owned()), ..limited(5, "a") };
    let said = "`nobody` is no host and no group of this executor's hosts file (there is none)";
    assert_eq!(failure(&house.run(&target).await), ("refused", said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_host_is_named_with_its_task_and_what_it_said() {
    let house = house(&[]);
    let tasks = "- name: look\n  fail: {msg: no disk}\n  when: inventory_hostname == 'b'\n\
                 - block:\n  - {name: try, command: \"false\"}\n  rescue:\n  - {name: mend, debug: {msg: mended}}\n\
                 - {name: maybe, command: \"false\", ignore_errors: true}\n";
    let report = house.run(&work(&house, 0, &["a", "b"], &playbook(tasks))).await;
    assert_eq!(failure(&report), ("playbook_failed", "1 of 2 hosts failed: `b` in the task `look`: no disk"));
    let failed = item(&report, "b");
    assert_eq!((failed.status, failed.message.as_deref()), (Status::Failed, Some("no disk")));
    let counts =
        [(Status::Ok, 2), (Status::Changed, 1), (Status::Skipped, 1), (Status::Rescued, 1), (Status::Ignored, 1)]
            .into();
    assert_eq!((item(&report, "a").status, &item(&report, "a").counts), (Status::Ignored, &counts));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_host_is_named_and_is_another_failure() {
    let house = house(&[]);
    let mut work = work(&house, 0, &["a", "gone"], &playbook("- ping:\n"));
    work.settings.inventory["all"]["hosts"]["gone"] =
        json!({"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9});
    let report = house.run(&work).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "host_unreachable");
    assert!(message.starts_with("1 of 2 hosts cannot be reached: `gone`: "), "{message}");
    assert_eq!((item(&report, "a").status, item(&report, "gone").status), (Status::Ok, Status::Unreachable));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_log_hides_is_nowhere() {
    let house = house(&[]);
    let tasks = "- {name: quiet, no_log: true, shell: \"echo {{ word }}; echo {{ word }} >&2; exit 1\"}\n";
    let work = args(&["word=canary-7421"], work(&house, 0, &["a"], &playbook(tasks)));
    let report = house.run(&work).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "playbook_failed");
    assert!(message.contains("`quiet`") && message.contains("no_log"), "{message}");
    let text = serde_json::to_string(&report).unwrap();
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_is_a_file_of_the_work_folder_and_its_roles_are_found() {
    let house = house(&[]);
    std::fs::create_dir_all(house.path("plays/roles/greet/tasks")).unwrap();
    std::fs::write(house.path("plays/roles/greet/tasks/main.yml"), "- set_stats: {data: {hello: from a role}}\n")
        .unwrap();
    std::fs::write(house.path("plays/site.yml"), "- hosts: all\n  gather_facts: false\n  roles: [greet]\n").unwrap();
    std::fs::write(house.path("hosts.ini"), "[web]\na ansible_connection=local\n[db]\nb ansible_connection=local\n")
        .unwrap();
    let mut work = declares(&["hello"], work(&house, 0, &[], "plays/site.yml"));
    work.settings.inventory = "hosts.ini".into();
    work.settings.limit = Some("web".to_owned());
    let report = house.run(&work).await;
    assert_eq!(report.result.output, json!({"hello": "from a role", "exit_code": 0}), "{report:#?}");
    assert_eq!(report.result.items.len(), 1);

    let missing = Work { attempt: house.id(1), artifact: "no.yml".to_owned(), ..work.clone() };
    let report = house.run(&missing).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "playbook_failed");
    assert!(message.starts_with("the playbook `no.yml` was not found in the work folder"), "{message}");
    let broken = Work { attempt: house.id(2), artifact: "- hosts: all\n  tusks: []\n".to_owned(), ..work.clone() };
    let report = house.run(&broken).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "playbook_failed");
    assert!(message.starts_with("ansible-playbook gave up with code 4: ") && message.contains("tusks"), "{message}");
    let no_inventory = Settings { inventory: "nothing.ini".into(), ..work.settings.clone() };
    let report = house.run(&Work { attempt: house.id(3), settings: no_inventory, ..work }).await;
    assert_eq!(failure(&report).0, "playbook_failed");
}

/// A job that says `up` and then goes on until it is stopped.
fn endless(house: &House, node: u32) -> Work {
    let tasks = format!("- {{name: wait, shell: \"echo up > HERE/up{node}; exec sleep 1000\"}}\n");
    work(house, node, &["a"], &playbook(&tasks))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_or_timed_out_playbook_leaves_nothing() {
    let house = house(&["--grace", "2s"]);
    let cancelled = endless(&house, 0);
    let timed = Work { timeout: Some(Duration::from_secs(4)), ..endless(&house, 1) };
    for work in [&cancelled, &timed] {
        house.hand_in(work).await;
    }
    house.file("up0");
    assert!(house.stop(cancelled.attempt, 1).await.status().is_success());
    let report = house.report(cancelled.attempt).await;
    assert_eq!(report.result.outcome, Outcome::Cancelled);
    assert_eq!((item(&report, "a").status, &*item(&report, "a").what), (Status::Stopped, "wait"));
    assert_eq!(failure(&house.report(timed.attempt).await).0, "timeout");
    assert!(holds(|| house.processes().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playbook_whose_executor_is_killed_is_stopped_and_lost() {
    let mut house = house(&["--grace", "1s"]);
    let work = endless(&house, 0);
    house.hand_in(&work).await;
    house.file("up0");
    house.kill();
    house.start();
    assert_eq!(failure(&house.report(work.attempt).await).0, "executor_lost");
    assert!(holds(|| house.processes().is_empty()));
}

/// Hears of an attempt until its items satisfy a condition.
async fn until_items(session: &mut Session, mut is_so: impl FnMut(&Item) -> bool) -> Vec<Item> {
    loop {
        match session.next().await.expect("the session goes on") {
            News::Progress { changes, .. } if changes.items.iter().any(&mut is_so) => return changes.items,
            News::Progress { .. } | News::Admitted(_) => {}
            other @ (News::Ended { .. } | News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_every_host_stands_is_told_while_it_runs_and_again_to_a_session_that_follows() {
    let house = house(&[]);
    let tasks = "- {name: first, command: echo, when: inventory_hostname == 'b'}\n\
                 - {name: second, shell: \"while ! [ -e HERE/go ]; do sleep 0.01; done\"}\n";
    let work = work(&house, 0, &["a", "b"], &playbook(tasks));
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(work.clone()))]);
    let is_second = |item: &Item| item.what == "second" && item.name == "b" && item.status == Status::Running;
    let items = until_items(&mut session, is_second).await;
    assert!(items.len() <= 2, "{items:?}");
    let mut other = Session::open(&house).await;
    other.give(&[Order::Follow(work.attempt)]);
    let items = until_items(&mut other, is_second).await;
    let told: Vec<(&str, Status)> = items.iter().map(|item| (&*item.name, item.status)).collect();
    assert_eq!(told, [("a", Status::Running), ("b", Status::Running)]);
    let counts = [(Status::Ok, 1), (Status::Changed, 1)].into();
    assert_eq!(items[1].counts, counts);
    assert!(matches!(house.state(work.attempt).await, AttemptState::Running { .. }));
    std::fs::write(house.path("go"), "").unwrap();
    assert_eq!(session.ended().await, (work.attempt, Outcome::Succeeded));
    assert_eq!(other.ended().await, (work.attempt, Outcome::Succeeded));
}

/// A real ssh server on this machine.
struct Server {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "id"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(name)]).status();
            assert!(made.expect("`ssh-keygen` starts; install it (Debian: apt-get install openssh-client)").success());
        }
        std::fs::copy(at("id.pub"), at("authorized")).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nUsePAM no\nStrictModes no\nPidFile none\n\
             PasswordAuthentication no\nSubsystem sftp internal-sftp\n",
            at("host"),
            at("authorized")
        );
        std::fs::write(at("config"), config).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-p", &port.to_string(), "-f", &at("config")])
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn();
        let process = process.expect("`/usr/sbin/sshd` starts; install it (Debian: apt-get install openssh-server)");
        let is_up = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let server = Server { folder, process, port };
        assert!(holds(is_up), "sshd listens");
        server
    }

    /// How many came in.
    fn logins(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        log.matches("Accepted publickey").count()
    }

    /// A hosts file with this server under a name.
    fn hosts(&self, name: &str, key: &str) -> String {
        let at = |name: &str| self.folder.path().join(name);
        let host_key = std::fs::read_to_string(at(key).with_extension("pub")).unwrap();
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        format!(
            "[{name}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{user}\"\nkey = \"{}\"\nhost_key = \"{}\"\n\
             groups = [\"web\"]\nvars = {{ greeting = \"hello\", ansible_python_interpreter = \"{}\" }}\n",
            self.port,
            at("id").display(),
            host_key.split(' ').take(2).collect::<Vec<_>>().join(" ").trim(),
            program().with_file_name("python3").display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has the server's own and a wrong key for the second host.
fn house_with(server: &Server) -> House {
    let mut house = House::empty(&["--grace", "2s"]);
    let hosts = house.path("hosts.toml");
    let text =
        format!("{}{}", server.hosts("web1", "host"), server.hosts("impostor", "id").replace("\"web\"", "\"bad\""));
    std::fs::write(&hosts, text).unwrap();
    house.add_flags(&["--ansible", program().to_str().unwrap(), "--hosts", hosts.to_str().unwrap()]);
    house.start();
    house
}

fn remote(house: &House, node: u32, target: &str, tasks: &str) -> Work {
    Work { settings: Settings::default(), target: Some(target.to_owned()), ..work(house, node, &[], &playbook(tasks)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_or_a_group_of_the_hosts_file_is_reached_over_ssh_by_its_pinned_key() {
    let server = Server::start();
    let house = house_with(&server);
    let tasks = "- {name: one, command: echo}\n- {name: two, command: echo}\n\
                 - set_stats: {data: {said: \"{{ greeting }} {{ inventory_hostname }}\"}}\n";
    let report = house.run(&declares(&["said"], remote(&house, 0, "web", tasks))).await;
    assert_eq!(report.result.output, json!({"said": "hello web1", "exit_code": 0}), "{report:#?}");
    assert_eq!(report.unconfirmed, [""; 0]);
    assert!(holds(|| house.processes().is_empty()), "kept connections end with the attempt");
    assert_eq!(server.logins(), 1, "all tasks share a connection");

    let report = house.run(&remote(&house, 1, "impostor", tasks)).await;
    let (code, message) = failure(&report);
    assert_eq!(code, "host_unreachable", "{report:#?}");
    assert!(message.contains("Host key verification failed"), "{message}");
    let report = house.run(&remote(&house, 2, "nobody", tasks)).await;
    let said = "`nobody` is no host and no group of this executor's hosts file (known: impostor, web1, bad, web)";
    assert_eq!(failure(&report), ("refused", said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_playbook_runs_on_no_host_any_more_nor_does_one_whose_executor_was_killed() {
    let server = Server::start();
    let mut house = house_with(&server);
    // A command line that nobody else has.
    let seconds = format!("1000.{}{}", std::process::id(), server.port);
    let tasks = format!("- {{name: warm, command: echo}}\n- {{name: wait, command: sleep {seconds}}}\n");
    let work = remote(&house, 0, "web1", &tasks);
    house.hand_in(&work).await;
    let is_sleep = |line: &str| line.starts_with("sleep\0") && line.contains(&seconds);
    let running = || processes(|_, line| is_sleep(line));
    assert!(holds(|| !running().is_empty()));
    assert!(house.stop(work.attempt, 1).await.status().is_success());
    let report = house.report(work.attempt).await;
    assert_eq!((&report.result.outcome, &*report.unconfirmed), (&Outcome::Cancelled, &[][..]));
    assert!(holds(|| running().is_empty()), "it goes on there");
    assert!(holds(|| house.processes().is_empty()));

    let work = remote(&house, 1, "web1", &tasks);
    house.hand_in(&work).await;
    assert!(holds(|| !running().is_empty()));
    house.kill();
    house.start();
    assert_eq!(failure(&house.report(work.attempt).await).0, "executor_lost");
    assert!(holds(|| running().is_empty()), "it goes on there");
    assert!(holds(|| house.processes().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_registers_the_engine_where_the_program_is() {
    let with = house(&[]);
    let without = House::new(&["--ansible", "/nowhere/ansible-playbook"]);
    let report = without.run(&work(&without, 0, &["a"], &playbook("- ping:\n"))).await;
    assert_eq!(failure(&report).0, "refused");
    let report = with.run(&work(&with, 0, &["a"], &playbook("- ping:\n"))).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:#?}");
    let held: Vec<Value> = with.request(Method::GET, "/v1/attempts").send().await.unwrap().json().await.unwrap();
    assert_eq!(held.len(), 1);
}
