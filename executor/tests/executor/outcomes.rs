//! How jobs end, and what they find when they begin.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use gorch_schema::{Outcome, failure_code};
use serde_json::json;

use crate::house::{House, failure};

#[tokio::test]
async fn a_program_that_exits_with_zero_succeeds() {
    let house = House::new(&[]);
    let report = house.run(&house.program(0, "true", &[])).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded);
    assert_eq!(report.result.output, json!({"exit_code": 0}));
    assert!(report.started.unwrap() <= report.ended);
    assert!(report.unconfirmed.is_empty());
}

#[tokio::test]
async fn another_exit_code_fails_with_the_last_words() {
    let house = House::new(&[]);
    let report = house.run(&house.script(0, "echo first >&2; echo last words >&2; echo; exit 3")).await;
    assert_eq!(
        failure(&report),
        ("exit_nonzero", "the exit code is 3, expected 0; the last line of stderr is `last words`")
    );
    assert_eq!(report.result.output, json!({"exit_code": 3}));
    assert_eq!(report.logs.stderr.head, "first\nlast words\n");
}

#[tokio::test]
async fn a_signal_is_named() {
    let house = House::new(&[]);
    let report = house.run(&house.script(0, "kill -SEGV $$")).await;
    assert_eq!(failure(&report), ("signal", "the process was ended by SIGSEGV"));
    assert_eq!(report.result.output, json!({"exit_code": 139}));
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let house = House::new(&[]);
    let make = |name: &str, text: &str, mode: u32| {
        std::fs::write(house.path(name), text).unwrap();
        std::fs::set_permissions(house.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    make("plain", "#!/bin/sh\n", 0o644);
    make("strange", "#!/no/such/shell -e\n", 0o755);
    make("text", "just text\n", 0o755);
    let cases = [
        ("no-such-program", "was not found in the executor's PATH"),
        ("./no-such-program", "no-such-program` was not found"),
        ("./plain", "is not executable"),
        ("./strange", "bad interpreter: `/no/such/shell` was not found"),
        ("./text", "neither a program of this machine nor a script"),
        ("/tmp/", "is a folder"),
        ("#!/no/such/shell\n", "bad interpreter: `/no/such/shell` was not found"),
    ];
    for (node, (artifact, expected)) in (0..).zip(cases) {
        let report = house.run(&house.program(node, artifact, &[])).await;
        let (code, message) = failure(&report);
        assert_eq!(code, failure_code::SPAWN_FAILED, "{artifact}");
        assert!(message.contains(expected), "{artifact}: {message}");
        assert_eq!(report.started, None, "{artifact}");
    }
}

#[tokio::test]
async fn what_may_not_run_is_refused() {
    let house = House::new(&["--scripts", "refuse", "--docker-host", "unix:///no/socket", "--ansible", "/no/program"]);
    let mut strange = house.program(0, "true", &[]);
    strange.engine = "cobol".to_owned();
    let mut bad_name = house.program(1, "true", &[]);
    bad_name.env.insert("A=B".to_owned(), "1".to_owned());
    let cases = [
        (strange, "engine `cobol` is unknown to this executor (known: http, shell)"),
        (bad_name, "`A=B` is no name of an environment variable (expected one without `=` and NUL, not empty)"),
        (
            house.script(2, "true"),
            "scripts that come with the work are refused by this executor's configuration (expected a program that is there)",
        ),
    ];
    for (work, message) in cases {
        assert_eq!(failure(&house.run(&work).await), ("refused", message));
    }
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let house = House::new(&[]);
    let args = ["a b", "$HOME", "`id`", "*", "", "x'y\"z", "--", "ä\n"];
    let mut work = house.program(0, "printf", &["[%s]"]);
    work.args.extend(args.map(str::to_owned));
    let report = house.run(&work).await;
    assert_eq!(report.logs.stdout.head, args.map(|arg| format!("[{arg}]")).concat());
}

#[tokio::test]
async fn the_environment_is_clean_and_says_who_the_job_is() {
    let house = House::new(&[]);
    let mut work = house.program(0, "env", &["-0"]);
    work.env = [("MINE", "a b=c"), ("HOME", "/elsewhere"), ("GORCH_ATTEMPT", "forged"), ("GORCH_EXECUTOR", "forged")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let report = house.run(&work).await;
    let seen: BTreeMap<&str, &str> =
        report.logs.stdout.head.split_terminator('\0').map(|variable| variable.split_once('=').unwrap()).collect();
    let names: Vec<&str> = seen.keys().copied().collect();
    let expected = [
        "GORCH_ATTEMPT",
        "GORCH_EXECUTOR",
        "GORCH_NODE",
        "GORCH_OUTPUT",
        "GORCH_PROGRESS",
        "GORCH_RUN",
        "HOME",
        "LANG",
        "MINE",
        "PATH",
        "TMPDIR",
    ];
    assert_eq!(names, expected);
    assert_eq!(seen["GORCH_ATTEMPT"], work.attempt.to_string());
    assert_eq!(seen["GORCH_EXECUTOR"], format!("e1 {}", house.path("data").canonicalize().unwrap().display()));
    assert_eq!(seen["GORCH_RUN"], house.run.to_string());
    assert_eq!((seen["GORCH_NODE"], seen["MINE"], seen["HOME"]), ("node0", "a b=c", "/elsewhere"));
}

#[tokio::test]
async fn each_job_has_a_private_temporary_folder_that_goes_with_it() {
    let house = House::new(&[]);
    let report = house.run(&house.script(0, "touch $TMPDIR/x; echo $TMPDIR; stat -c %a $(dirname $TMPDIR); pwd")).await;
    let lines: Vec<&str> = report.logs.stdout.head.lines().collect();
    assert!(!std::path::Path::new(lines[0]).exists());
    assert_eq!(lines[1], "700");
    assert_eq!(lines[2], house.folder.path().canonicalize().unwrap().to_str().unwrap());
}

#[tokio::test]
async fn input_arrives_as_json_and_no_input_is_an_empty_stream() {
    let house = House::new(&[]);
    let mut work = house.program(0, "cat", &[]);
    work.input = json!({"a": [1, null, "ä"]});
    assert_eq!(house.run(&work).await.logs.stdout.head, "{\"a\":[1,null,\"ä\"]}");
    let report = house.run(&house.script(1, "cat; readlink /proc/self/fd/0")).await;
    assert_eq!(report.logs.stdout.head, "/dev/null\n");
}

#[tokio::test]
async fn jobs_gain_no_new_privileges_and_lead_a_group_of_their_own() {
    let house = House::new(&[]);
    let report = house.run(&house.script(0, "grep NoNewPrivs /proc/self/status; ps -o pgid= -p $$; echo $$")).await;
    let lines: Vec<&str> = report.logs.stdout.head.lines().map(str::trim).collect();
    assert_eq!(lines[0].split_whitespace().last(), Some("1"));
    assert_eq!(lines[1], lines[2]);
}

#[tokio::test]
async fn no_descriptor_of_the_executor_leaks_into_a_job() {
    let house = House::new(&[]);
    let report = house.run(&house.script(0, "for fd in /proc/$$/fd/*; do readlink $fd; done")).await;
    // What the test itself was given goes through all of us.
    let ours: Vec<_> = std::fs::read_dir("/proc/self/fd").unwrap().flatten().map(|entry| entry.path()).collect();
    let ours: Vec<_> = ours.iter().filter_map(|path| std::fs::read_link(path).ok()).collect();
    let folder = house.path("data/places/0").canonicalize().unwrap();
    let job = ["stdout", "stderr", "script"].map(|name| folder.join(name));
    for link in report.logs.stdout.head.lines().map(std::path::PathBuf::from) {
        assert!(job.contains(&link) || ours.contains(&link) || link.ends_with("null"), "{}", link.display());
    }
}
