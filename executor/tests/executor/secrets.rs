//! Secrets reach jobs, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use gorch_schema::Secret;
use gorch_schema::session::{News, Order};
use gorch_schema::settings::Settings;
use gorch_schema::work::{Report, Work};
use reqwest::Method;

use crate::docker::{self, Docked};
use crate::host::Remote;
use crate::house::{House, failure, holds};
use crate::session::Session;

const VALUE: &str = "corr3ct \"horse\" b\u{e4}ttery";

/// Keeps a secret in the house's store.
fn keep(house: &House, name: &str, value: &str) {
    let path = house.path("secrets").join(name);
    for folder in [house.path("secrets").as_path(), path.parent().unwrap()] {
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    fs::write(&path, value).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A house with one secret, `secret://prod/db`.
fn house(flags: &[&str]) -> House {
    let mut house = House::empty(flags);
    fs::set_permissions(house.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    keep(&house, "prod/db", &format!("{VALUE}\n"));
    let secrets = house.path("secrets");
    house.add_flags(&["--secrets", secrets.to_str().unwrap()]);
    house.start();
    house
}

fn with(secrets: &[(&str, &str)], work: Work) -> Work {
    let secrets: BTreeMap<String, Secret> =
        secrets.iter().map(|(name, text)| ((*name).to_owned(), serde_json::from_str(text).unwrap())).collect();
    Work { settings: Settings { secrets, ..Settings::default() }, ..work }
}

const DB: (&str, &str) = ("DB", "\"secret://prod/db\"");

fn declares(outputs: &[&str], work: Work) -> Work {
    Work { outputs: outputs.iter().map(|name| (*name).to_owned()).collect(), ..work }
}

/// Is it anywhere below this folder, but in the store?
fn is_written(folder: &Path, value: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != "secrets" => found.extend(is_written(&path, value)),
            Ok(kind) if kind.is_file() => {
                let bytes = fs::read(&path).unwrap_or_default();
                if bytes.windows(value.len()).any(|part| part == value.as_bytes()) {
                    found.push(path.display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}

fn assert_nowhere(house: &House, report: &Report) {
    let shown = format!("{report:?}{}", serde_json::to_string(report).unwrap());
    for hidden in ["corr3ct", "ttery"] {
        assert!(!shown.contains(hidden), "{report:?}");
        assert_eq!(is_written(house.folder.path(), hidden), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_job_finds_a_secret_in_a_variable_and_nobody_else_ever_sees_it() {
    let house = house(&[]);
    let script = "[ ${#DB} = 24 ] && echo right
        echo \"v=$DB\"; printf '%s' \"$DB\" | head -c 9; printf '%s' \"$DB\" | tail -c +10; echo
        echo \"said $DB\" >&2; echo \"w=-$DB-\" >$GORCH_OUTPUT; echo \"$DB\" >$TMPDIR/own; exit 3";
    let report = house.run(&with(&[DB], declares(&["v", "w"], house.script(0, script)))).await;
    assert_eq!(report.logs.stdout.head, "right\nv=[secret]\n[secret]\n");
    assert_eq!(report.logs.stderr.head, "said [secret]\n");
    assert_eq!(failure(&report).1, "the exit code is 3, expected 0; the last line of stderr is `said [secret]`");
    assert_eq!((&report.result.output["v"], &report.result.output["w"]), (&"[secret]".into(), &"-[secret]-".into()));
    assert_nowhere(&house, &report);
}

#[tokio::test]
async fn a_follower_sees_the_rest_of_a_line_at_once_and_never_the_secret() {
    let house = house(&[]);
    // The secret comes in two writes; between them everything before it is there.
    let script = "echo before; printf '%s' \"$DB\" | head -c 9; mkfifo pipe; read go <pipe; printf '%s' \"$DB\" | tail -c +10; echo after";
    let work = with(&[DB], house.script(0, script));
    house.hand_in(&work).await;
    let path = format!("/v1/attempts/{}/logs?follow=true", work.attempt);
    let mut stream = house.request(Method::GET, &path).send().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("before\n") {
        seen.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
    }
    assert!(holds(|| house.path("pipe").exists()));
    fs::write(house.path("pipe"), "go\n").unwrap();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        seen.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert_eq!(seen, "before\n[secret]after\n");
    assert_nowhere(&house, &house.report(work.attempt).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_job_says_of_its_progress_is_taken_out() {
    let house = house(&[]);
    let script = "echo \"50 with $DB\" >>$GORCH_PROGRESS; until [ -e go ]; do sleep 0.01; done; \
                  printf '%s\\n%s' \"60 $DB\" \"now $DB\" >>$GORCH_PROGRESS";
    let work = with(&[DB], house.script(0, script));
    let mut session = Session::open(&house).await;
    session.give(&[Order::Run(Arc::new(work.clone()))]);
    loop {
        match session.next().await.unwrap() {
            News::Admitted(_) => {}
            News::Progress { changes, .. } => {
                assert_eq!(changes.progress.unwrap().to_string(), "50% with [secret]");
                break;
            }
            other @ (News::Ended { .. } | News::Forgotten(_) | News::Refused { .. }) => panic!("{other:?}"),
        }
    }
    fs::write(house.path("go"), "").unwrap();
    let report = house.report(work.attempt).await;
    assert_eq!(report.result.progress.as_ref().unwrap().to_string(), "60% now [secret]");
    assert_nowhere(&house, &report);
}

#[tokio::test]
async fn a_job_finds_a_secret_in_a_file_that_is_gone_when_it_ends() {
    let plain = house(&[]);
    let held = house(&["--sandbox", "try", "--run-as", "nobody", "--work-folder", "private"]);
    for house in [plain, held] {
        let file = ("KEY", "{\"file\": \"secret://prod/db\"}");
        let work = with(&[file], house.script(0, "wc -c <$KEY; cat $KEY; echo; stat -c %a $KEY; echo $KEY; id -un"));
        let report = house.run(&work).await;
        let lines: Vec<&str> = report.logs.stdout.head.lines().collect();
        assert_eq!(lines[..4], ["25", "[secret]", "", "400"], "{report:?}");
        assert!(!Path::new(lines[4]).exists());
        assert_nowhere(&house, &report);
    }
}

#[tokio::test]
async fn a_sandboxed_job_does_not_see_the_store() {
    let house = house(&["--sandbox", "require", "--work-folder", "private"]);
    let store = house.path("secrets");
    let work = house.script(0, &format!("ls {0}; cat {0}/prod/db; true", store.display()));
    assert_eq!(house.run(&work).await.logs.stdout.head, "");
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_a_failure_with_a_code_and_nothing_runs() {
    let house = house(&[]);
    let work = with(&[("X", "\"secret://prod/other\"")], house.script(0, "touch ran"));
    let report = house.run(&work).await;
    assert_eq!(failure(&report), ("secret_missing", "this executor has no secret `secret://prod/other`"));
    assert!(report.started.is_none() && !house.path("ran").exists());
    fs::set_permissions(house.path("secrets/prod/db"), fs::Permissions::from_mode(0o644)).unwrap();
    let report = house.run(&with(&[DB], house.script(1, "true"))).await;
    let said = "the file of the secret `secret://prod/db` is open to others (expected mode 0600, of a folder 0700)";
    assert_eq!(failure(&report), ("secret_missing", said));

    let two = House::empty(&["--secrets", "/tmp", "--secret-command", "/bin/true"]);
    let output = two.command().stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("both `secrets` and `secret_command` are given, expected one of them"), "{said}");
}

#[tokio::test]
async fn what_a_killed_executor_leaves_of_an_attempt_is_redacted_too() {
    let mut house = house(&[]);
    let script = "echo \"v=$DB\" >$GORCH_OUTPUT; echo \"$DB\"; echo here >here; exec sleep 1000";
    let work = with(&[DB], declares(&["v"], house.script(0, script)));
    house.hand_in(&work).await;
    house.file("here");
    house.kill();
    house.start();
    let report = house.report(work.attempt).await;
    assert_eq!(failure(&report).0, "executor_lost");
    assert_eq!(report.result.output["v"], "[secret]");
    assert_nowhere(&house, &report);

    // The same with a secret that is gone meanwhile: nothing is shown.
    let work = with(&[DB], declares(&["v"], house.script(1, &script.replace("here", "there"))));
    house.hand_in(&work).await;
    house.file("there");
    house.kill();
    fs::remove_file(house.path("secrets/prod/db")).unwrap();
    house.start();
    let report = house.report(work.attempt).await;
    assert_eq!(report.result.output["v"], "[left out: the secrets of this attempt cannot be read now]");
    assert_nowhere(&house, &report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_a_host_is_given_secrets_on_no_command_line_and_in_no_file_of_ours() {
    let store = tempfile::tempdir().unwrap();
    let file = store.path().join("prod/db");
    fs::create_dir(store.path().join("prod")).unwrap();
    fs::write(&file, format!("{VALUE}\nsecond line\n")).unwrap();
    for (path, mode) in [(store.path(), 0o700), (&file, 0o600)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(store.path().join("prod/one"), VALUE).unwrap();
    fs::set_permissions(store.path().join("prod/one"), fs::Permissions::from_mode(0o600)).unwrap();
    let remote = Remote::new(&["--secrets", store.path().to_str().unwrap()]);
    let script = "echo \"v=$DB\"; cat \"$KEY\"; wc -c <\"$KEY\"; echo here >&2; until [ -e $HOME/go ]; do sleep 0.02; done; echo \"$DB\" >$GORCH_OUTPUT.x; exit 3";
    let given = [("DB", "\"secret://prod/one\""), ("KEY", "{\"file\": \"secret://prod/db\"}")];
    let work = with(&given, declares(&["v"], remote.sh(0, script)));
    remote.hand_in(&work).await;
    assert!(holds(|| !is_written(remote.folder.path(), "here").is_empty()));
    // While it runs, too.
    assert_eq!(is_written(&remote.path("data"), "corr3ct"), Vec::<String>::new());
    assert_eq!(crate::house::processes(|_, line| line.contains("corr3ct")), [0; 0]);
    fs::write(remote.server.path("home/go"), "").unwrap();
    let report = remote.report(work.attempt).await;
    assert_eq!(report.logs.stdout.head, "v=[secret]\n[secret]\n37\n", "{report:?}");
    assert_eq!(report.result.output["v"], "[secret]");
    assert_nowhere(&remote, &report);
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_given_secrets_and_its_log_is_redacted() {
    let mut docked = Docked::empty(&[]);
    keep(&docked, "prod/db", &format!("{VALUE}\n"));
    let secrets = docked.path("secrets");
    docked.add_flags(&["--secrets", secrets.to_str().unwrap()]);
    docked.start();
    let said =
        "echo \"v=$DB\"; cat $KEY; echo \"$DB\" >&2; printf '%s' \"w=$DB\" >$GORCH_OUTPUT; ls -l $KEY | head -c 10";
    let given = [DB, ("KEY", "{\"file\": \"secret://prod/db\"}")];
    let report = docked.run(&with(&given, declares(&["v", "w"], docker::script(&docked, 0, said)))).await;
    assert_eq!(report.logs.stdout.head, "v=[secret]\n[secret]\n-r--r--r--", "{report:?}");
    assert_eq!(report.logs.stderr.head, "[secret]\n");
    assert_eq!((&report.result.output["v"], &report.result.output["w"]), (&"[secret]".into(), &"[secret]".into()));
    assert_nowhere(&docked, &report);

    // One that goes on while its executor is away: what it said meanwhile is redacted, too.
    let work = with(
        &[DB],
        docker::script(&docked, 1, "echo here; while ! [ -e $GORCH_WORK/go ]; do sleep 0.05; done; echo \"$DB\""),
    );
    docked.hand_in(&work).await;
    assert!(holds(|| !is_written(docked.folder.path(), "here\n").is_empty()));
    docked.kill();
    let place =
        fs::read_dir(docked.path("data/places")).unwrap().map(|entry| entry.unwrap().path().join("tmp/gorch/work"));
    place.filter(|work| work.exists()).for_each(|work| fs::write(work.join("go"), "").unwrap());
    docked.start();
    let report = docked.report(work.attempt).await;
    assert_eq!(report.logs.stdout.head, "here\n[secret]\n", "{report:?}");
    assert_nowhere(&docked, &report);
}
