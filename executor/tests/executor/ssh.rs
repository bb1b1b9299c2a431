//! Commands and scripts on a host, by a real server on this machine: what they get, what they give, how they end, and
//! that nothing of them is left over there.
//!
//! Here the host is this machine, and so its processes could be found by the variables in their environment. Jobs whose
//! end over there matters have an empty one: only who asks the host itself finds them.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gorch_schema::Outcome;
use gorch_schema::work::Work;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::host::{Remote, Server, assert_cancelled, marked};
use crate::house::{House, failure, holds, processes};

/// What shells make something of.
const TRICKY: [&str; 12] = [
    "",
    " two  spaces ",
    "it's \"quoted\"",
    "$HOME `id` $(touch pwned) ${x}",
    "line\nbreak\n",
    "tab\tand\\back\\\\slash\\n",
    "äöü ☃ 🦀 \u{81}\u{88}\u{7f}",
    "*?[a-z]~{1,2}!&|;<>()#",
    "-n",
    "'",
    "'\n'\n",
    "\u{1}\u{1b}\r%s%n",
];

#[tokio::test(flavor = "multi_thread")]
async fn arguments_arrive_as_they_are_and_are_never_taken_for_code() {
    let remote = Remote::new(&[]);
    let args: Vec<&str> = [r"%s\0"].into_iter().chain(TRICKY).collect();
    let report = remote.run(&remote.command(0, "/usr/bin/printf", &args)).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(report.logs.stdout.head, TRICKY.map(|text| format!("{text}\0")).concat());
    assert!(!remote.server.path("home/pwned").exists());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_given_input_and_environment_and_gives_outputs() {
    let remote = Remote::new(&[]);
    let said = "echo printed=one; (printf '{\"given\": '; cat; echo '}') > $GORCH_OUTPUT; echo undeclared=1; \
                printf '%s|' \"$COLOUR\" \"$GORCH_NODE\" \"$GORCH_ATTEMPT\" \"$EXECUTOR_SECRET\"; echo oops >&2; exit 3";
    let mut work = remote.sh(0, said);
    work.outputs = vec!["printed".to_owned(), "given".to_owned()];
    work.input = json!({"city": "Ulm\n'"});
    work.env.insert("COLOUR".to_owned(), TRICKY.concat());
    let report = remote.run(&work).await;
    let last = "the exit code is 3, expected 0; the last line of stderr is `oops`";
    assert_eq!(failure(&report), ("exit_nonzero", last), "{report:?}");
    let output = json!({"printed": "one", "given": {"city": "Ulm\n'"}, "exit_code": 3});
    assert_eq!(report.result.output, output);
    let said = format!("printed=one\nundeclared=1\n{}|node0|{}||", TRICKY.concat(), work.attempt);
    assert_eq!(report.logs.stdout.head, said);
    remote.assert_nothing_left();

    let large = Work { input: json!("x".repeat(3_000_000)), ..remote.command(1, "wc", &["-c"]) };
    assert_eq!(remote.run(&large).await.logs.stdout.head, "3000002\n");
    let silent = remote.run(&remote.command(2, "cat", &[])).await;
    assert_eq!((&silent.result.outcome, &silent.result.output), (&Outcome::Succeeded, &json!({"exit_code": 0})));
    let bad = remote.run(&remote.sh(3, "echo nonsense > $GORCH_OUTPUT")).await;
    assert_eq!(failure(&bad).0, "bad_output");
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_signals_are_the_jobs_even_where_ssh_has_the_same() {
    let remote = Remote::new(&[]);
    for (node, (script, code, exit)) in (0..).zip([
        ("exit 255", "exit_nonzero", 255),
        ("exit 254", "exit_nonzero", 254),
        ("kill -9 $$", "signal", 137),
        ("exec no-such-program", "exit_nonzero", 127),
    ]) {
        let report = remote.run(&remote.sh(node, script)).await;
        assert_eq!((failure(&report).0, &report.result.output["exit_code"]), (code, &json!(exit)), "{report:?}");
    }
    let report = remote.run(&remote.command(9, "no-such-program", &[])).await;
    let (code, message) = failure(&report);
    assert!(code == "exit_nonzero" && message.contains("127") && message.contains("not found"), "{message}");
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stand_on_no_command_line() {
    let remote = Remote::new(&[]);
    let mut work = remote.sh(0, "echo here; read x; exec sleep 1000");
    work.env.insert("SECRET".to_owned(), remote.mark(0));
    work.input = json!("x");
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    assert_eq!(marked(&remote.mark(0)), Vec::<i32>::new());
    let mark = remote.mark(0);
    assert!(!processes(|environment, _| environment.contains(&mark)).is_empty(), "it is in the environment");
    remote.stop(work.attempt, 1).await;
    assert_cancelled(&remote.report(work.attempt).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_everything_over_there_and_what_it_says_at_last_is_heard() {
    let remote = Remote::new(&["--grace", "10s"]);
    let mark = remote.mark(0);
    // A grandchild that its parent has left.
    let script = format!(
        "(env -i sleep {mark} &) ; trap 'echo told to go; exit 0' TERM; echo here; while :; do sleep 0.05; done"
    );
    let work = remote.sh(0, &script);
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    assert!(holds(|| marked(&format!("sleep\0{mark}")).len() == 1));
    assert!(remote.stop(work.attempt, 1).await.status().is_success());
    let report = remote.report(work.attempt).await;
    assert_cancelled(&report);
    assert_eq!(report.logs.stdout.head, "here\ntold to go\n");
    assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_listen_is_killed_after_the_grace_and_a_timeout_is_a_stop() {
    let remote = Remote::new(&["--grace", "1s"]);
    let mark = remote.mark(0);
    let deaf = remote.sh(0, &format!("trap '' TERM; echo here; exec env -i sleep {mark}"));
    remote.hand_in(&deaf).await;
    remote.wait_for_log(&deaf, "here").await;
    assert!(remote.stop(deaf.attempt, 1).await.status().is_success());
    assert_cancelled(&remote.report(deaf.attempt).await);
    assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());

    let (work, mark) = remote.endless(1);
    let report = remote.run(&Work { timeout: Some(Duration::from_millis(500)), ..work }).await;
    assert_eq!((failure(&report).0, &report.unconfirmed), ("timeout", &Vec::new()), "{report:?}");
    assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_in_the_background_ends_with_it() {
    let remote = Remote::new(&["--grace", "1s"]);
    let mark = remote.mark(0);
    let report = remote.run(&remote.sh(0, &format!("env -i sleep {mark} & echo done"))).await;
    assert_eq!((&report.result.outcome, report.logs.stdout.head.as_str()), (&Outcome::Succeeded, "done\n"));
    assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_of_the_executor_the_next_one_ends_what_runs_over_there() {
    let mut remote = Remote::new(&["--grace", "1s"]);
    let login = format!("IdentityFile={}", remote.server.path("login").display());
    // The same after a restart of the machine: the host had none.
    for (node, is_restarted) in [(0, false), (1, true)] {
        let (work, mark) = remote.endless(node);
        let mark = format!("sleep\0{mark}");
        remote.hand_in(&work).await;
        remote.wait_for_log(&work, "here").await;
        assert!(holds(|| marked(&mark).len() == 1));
        remote.kill();
        assert_eq!((marked(&mark).len(), marked(&login).len()), (1, 2), "command, master and session go on alone");
        if is_restarted {
            std::fs::write(remote.path("data/boot"), "another start of the machine\n").unwrap();
        }
        remote.start();
        let report = remote.report(work.attempt).await;
        let (code, message) = failure(&report);
        assert!(code == "executor_lost" && message.contains("on `web1` was found and stopped"), "{message}");
        assert_eq!((&report.unconfirmed, report.logs.stdout.head.as_str()), (&Vec::new(), "here\n"));
        assert_eq!(marked(&mark), Vec::<i32>::new());
        assert!(holds(|| marked(&login).len() == 1), "the old master is gone");
    }
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_away_after_a_kill_is_not_confirmed() {
    let mut remote = Remote::new(&["--grace", "1s"]);
    let (work, mark) = remote.endless(0);
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    remote.kill();
    remote.server.stop();
    remote.start();
    let report = remote.report(work.attempt).await;
    let (code, message) = failure(&report);
    assert!(code == "executor_lost" && message.contains("`web1` cannot be reached"), "{message}");
    assert_eq!(report.unconfirmed, ["what ran on `web1`"]);
    for pid in marked(&format!("sleep\0{mark}")) {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_off_is_told_and_the_command_is_ended_over_another_one() {
    let remote = Remote::new(&["--grace", "1s"]);
    let (work, mark) = remote.endless(0);
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    // The server's side of the connection: a command's process group is none of its own.
    let sessions = processes(|_, command| command.starts_with("sshd: ") && command.contains("notty"));
    let running = marked(&format!("sleep\0{mark}"));
    for session in sessions.into_iter().filter(|pid| is_ancestor(*pid, running[0])) {
        let _ = Command::new("kill").args(["-9", &session.to_string()]).status();
    }
    let report = remote.report(work.attempt).await;
    let (code, message) = failure(&report);
    assert!(code == "host_unreachable" && message.starts_with("the connection to `web1` broke off"), "{message}");
    assert_eq!(report.unconfirmed, Vec::<String>::new());
    assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());
    remote.assert_nothing_left();
    assert_eq!(remote.run(&remote.sh(1, "true")).await.result.outcome, Outcome::Succeeded, "and it goes on");
}

fn is_ancestor(of: i32, mut pid: i32) -> bool {
    while pid > 1 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        pid = parent.unwrap_or(0);
        if pid == of {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_key_another_login_and_nobody_at_all_have_their_codes() {
    let server = Server::new();
    let hosts = server.hosts("other", "login");
    let remote = Remote::with(&[], server, &hosts);
    let report = remote.run(&remote.sh(0, "true")).await;
    let (code, message) = failure(&report);
    assert!(code == "host_key" && message.contains("`web1` is not one of those in the hosts file"), "{message}");
    assert_eq!((report.started, remote.server.handshakes()), (None, 0));

    let server = Server::new();
    let hosts = server.hosts("host", "other");
    let mut remote = Remote::with(&[], server, &hosts);
    let report = remote.run(&remote.sh(0, "true")).await;
    let (code, message) = failure(&report);
    assert!(code == "host_login" && message.contains("Permission denied (publickey"), "{message}");

    remote.server.stop();
    let report = remote.run(&remote.sh(1, "true")).await;
    let (code, message) = failure(&report);
    assert!(code == "host_unreachable" && message.starts_with("`web1` cannot be reached: "), "{message}");
    assert!(message.contains("Connection refused"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_absent_or_unknown_is_refused_and_so_is_what_no_shell_can_have() {
    let remote = Remote::new(&[]);
    let said = "the node names no host as its `target` (this executor knows `web1`)";
    let report = remote.run(&Work { target: None, ..remote.sh(0, "true") }).await;
    assert_eq!(failure(&report), ("refused", said));
    let said = "the host `web2` is unknown to this executor (known: `web1`)";
    let report = remote.run(&Work { target: Some("web2".to_owned()), ..remote.sh(1, "true") }).await;
    assert_eq!(failure(&report), ("refused", said));
    let mut named = remote.sh(2, "true");
    named.env.insert("a;b".to_owned(), "1".to_owned());
    let said = "`a;b` is no name of a shell variable, and so none that a host can be given";
    assert_eq!(failure(&remote.run(&named).await), ("refused", said));
    for (node, argument) in (3..).zip(["x", "$(touch pwned)=1", "1a=2", "=x"]) {
        let report = remote.run(&remote.tosca(node, "#!/bin/sh\n", &[argument], &[])).await;
        let said = format!(
            "`{argument}` is no argument of a script (expected `NAME=value`, with the name of a shell variable)"
        );
        assert_eq!(failure(&report), ("refused", said.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_no_folder_for_us_begins_nothing_and_says_so() {
    let remote = Remote::new(&[]);
    std::fs::write(remote.server.path("home/.gorch"), "").unwrap();
    let report = remote.run(&remote.sh(0, "echo ran")).await;
    let (code, message) = failure(&report);
    assert!(
        code == "spawn_failed" && message.starts_with("the job cannot be begun on `web1`: the folder"),
        "{message}"
    );
    assert_eq!((report.logs.stdout.head.as_str(), &report.unconfirmed), ("", &Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_are_stopped_as_they_begin_leave_nothing() {
    let remote = Remote::new(&["--grace", "1s", "--slots", "8"]);
    let marks: Vec<(Work, String)> = (0..8).map(|node| remote.endless(node)).collect();
    for (work, _) in &marks {
        remote.hand_in(work).await;
    }
    for (work, _) in &marks {
        assert!(remote.stop(work.attempt, 1).await.status().is_success());
    }
    for (work, mark) in &marks {
        assert_cancelled(&remote.report(work.attempt).await);
        assert_eq!(marked(&format!("sleep\0{mark}")), Vec::<i32>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_commands_at_once_share_a_few_connections() {
    let remote = Remote::new(&["--slots", "200"]);
    let began = Instant::now();
    let works: Vec<Work> = (0..200).map(|node| remote.command(node, "echo", &[&node.to_string()])).collect();
    for work in &works {
        remote.hand_in(work).await;
    }
    for (node, work) in works.iter().enumerate() {
        let report = remote.report(work.attempt).await;
        assert_eq!(report.result.outcome, Outcome::Succeeded, "{report:?}");
        assert_eq!(report.logs.stdout.head, format!("{node}\n"));
    }
    println!("200 commands: {:?}, {} handshakes", began.elapsed(), remote.server.handshakes());
    assert!(remote.server.handshakes() <= 25, "{}", remote.server.handshakes());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_comes_with_the_work_is_run_there_and_removed() {
    let remote = Remote::new(&[]);
    let script = "#!/bin/sh\necho \"$# $1\" # it's\necho 'a=1'\n";
    let mut work = remote.command(0, script, &["x y", "z"]);
    work.outputs = vec!["a".to_owned()];
    let report = remote.run(&work).await;
    assert_eq!(report.logs.stdout.head, "2 x y\na=1\n", "{report:?}");
    assert_eq!(report.result.output, json!({"a": "1", "exit_code": 0}));
    // By its content, as if it had been fetched.
    let file = "#!/bin/sh\nb=$n\necho \"a=$0\" | sed s,/.*/,,\n";
    let digest: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(remote.path("data/artifacts").join(&digest), file).unwrap();
    let artifact = format!("sha256:{digest}");
    let work = Work { outputs: vec!["a".to_owned()], ..remote.command(1, &artifact, &[]) };
    assert_eq!(remote.run(&work).await.result.output, json!({"a": "artifact", "exit_code": 0}));
    let report = remote.run(&remote.tosca(2, &artifact, &["n=1"], &["a", "b"])).await;
    assert_eq!(report.result.output, json!({"a": "artifact", "b": "1", "exit_code": 0}), "{report:?}");
    remote.assert_nothing_left();

    let refusing = Remote::new(&["--scripts", "refuse"]);
    let digest = format!("sha256:{}", "0".repeat(64));
    for (node, artifact) in (0..).zip([script, &digest]) {
        for work in [refusing.command(node, artifact, &[]), refusing.tosca(10 + node, artifact, &[], &[])] {
            assert_eq!(failure(&refusing.run(&work).await).0, "refused", "{artifact}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tosca_script_has_its_arguments_as_variables_and_gives_its_variables_as_outputs() {
    let remote = Remote::new(&[]);
    let shells = [
        "#!/bin/sh",
        "#!/usr/bin/dash",
        "#!/bin/bash",
        "#!/usr/bin/env bash",
        "#!/bin/bash -eu",
        "#!/usr/bin/ksh",
        "#!/usr/bin/mksh",
        "",
    ];
    let tricky = TRICKY.concat();
    let arguments = [format!("given={tricky}"), "other=$(touch pwned)".to_owned()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    for (node, shell) in
        (0..).zip(shells).filter(|(_, shell)| !shell.ends_with("mksh") || Path::new("/usr/bin/mksh").exists())
    {
        let script = format!(
            "{shell}\nback=$given\nforged='x\nexit_code=9\nother=no'\nwins=variable; echo wins=printed\n\
             echo both=1; echo $over\nexit 0\nback=never\n"
        );
        let mut work = remote.tosca(node, &script, &arguments, &["back", "other", "forged", "wins", "unset", "over"]);
        work.env.insert("over".to_owned(), "env".to_owned());
        let report = remote.run(&work).await;
        let output = json!({
            "back": tricky, "other": "$(touch pwned)", "forged": "x\nexit_code=9\nother=no",
            "wins": "printed", "over": "env", "exit_code": 0
        });
        assert_eq!(report.result.output, output, "{shell}: {report:?}");
        assert_eq!(report.logs.stdout.head, "wins=printed\nboth=1\nenv\n", "{shell}");
    }
    assert!(!remote.server.path("home/pwned").exists());
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tosca_script_tells_its_variables_wherever_it_ends_and_other_interpreters_print_theirs() {
    let remote = Remote::new(&[]);
    std::fs::write(remote.path("step.sh"), "count=$((n + 1))\nfalse\necho \"count is $count\"\nexit 7\n").unwrap();
    let report = remote.run(&remote.tosca(0, "step.sh", &["n=41"], &["count", "n"])).await;
    assert_eq!(failure(&report).0, "exit_nonzero");
    assert_eq!(report.result.output, json!({"count": "42", "n": "41", "exit_code": 7}), "{report:?}");
    let report = remote.run(&remote.tosca(1, "#!/bin/sh -e\na=1\nfalse\na=2\n", &[], &["a"])).await;
    assert_eq!(report.result.output, json!({"a": "1", "exit_code": 1}), "{report:?}");
    let awk = "#!/usr/bin/awk -f\nBEGIN { print \"a=\" ENVIRON[\"n\"] }\n";
    let report = remote.run(&remote.tosca(2, awk, &["n=5"], &["a", "n"])).await;
    assert_eq!(report.result.output, json!({"a": "5", "exit_code": 0}), "{report:?}");
    let report = remote.run(&remote.tosca(3, "absent.sh", &[], &[])).await;
    let (code, message) = failure(&report);
    assert!(code == "spawn_failed" && message.contains("absent.sh` was not found (expected a script"), "{message}");
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_hosts_there_is_an_executor_without_ssh_and_masters_end_with_theirs() {
    let house = House::new(&[]);
    let work = Work { engine: "ssh".to_owned(), target: Some("web1".to_owned()), ..house.program(0, "true", &[]) };
    let report = house.run(&work).await;
    let (code, message) = failure(&report);
    assert!(code == "refused" && message.starts_with("engine `ssh` is unknown to this executor"), "{message}");

    let mut remote = Remote::new(&["--drain", "1s"]);
    assert_eq!(remote.run(&remote.sh(0, "true")).await.result.outcome, Outcome::Succeeded);
    let login = format!("IdentityFile={}", remote.server.path("login").display());
    assert_eq!(marked(&login).len(), 1);
    remote.signal("TERM");
    remote.ended();
    assert!(holds(|| marked(&login).is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_taken_from_the_work_folder_and_from_nowhere_else() {
    let remote = Remote::new(&[]);
    std::os::unix::fs::symlink("/etc/passwd", remote.path("link")).unwrap();
    for (node, artifact) in (0..).zip(["/etc/passwd", "../../etc/passwd", "link", "data/../../../etc/passwd"]) {
        let report = remote.run(&remote.tosca(node, artifact, &[], &[])).await;
        assert_eq!(failure(&report).0, "spawn_failed", "{artifact}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_any_name_change_nothing_but_the_job() {
    let remote = Remote::new(&[]);
    let names: Vec<String> = ('a'..='z').chain('A'..='Z').map(String::from).collect();
    let arguments: Vec<String> = names.iter().map(|name| format!("{name}=x{name}")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let script = "all=$a$d$g$s$t$u$z; echo \"v=$all\" >$GORCH_OUTPUT\nsleep 0\n";
    let report = remote.run(&remote.tosca(0, script, &arguments, &["v", "all"])).await;
    assert_eq!(
        report.result.output,
        json!({"v": "xaxdxgxsxtxuxz", "all": "xaxdxgxsxtxuxz", "exit_code": 0}),
        "{report:?}"
    );

    let mut work = remote.sh(1, "sleep 1000 & echo here; wait");
    work.env.extend(names.iter().map(|name| (name.clone(), String::new())));
    remote.hand_in(&work).await;
    remote.wait_for_log(&work, "here").await;
    remote.stop(work.attempt, 1).await;
    assert_cancelled(&remote.report(work.attempt).await);
    remote.assert_nothing_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_an_executor_that_is_killed_and_never_comes_back() {
    let mut remote = Remote::new(&[]);
    assert_eq!(remote.run(&remote.sh(0, "true")).await.result.outcome, Outcome::Succeeded);
    let login = format!("IdentityFile={}", remote.server.path("login").display());
    assert_eq!(marked(&login).len(), 1);
    remote.kill();
    assert!(holds(|| marked(&login).is_empty()));
}
