//! Commands that need no orchestrator.

use crate::support::{gorch, run};

#[test]
fn certificates_are_made_issued_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("certs");
    let dir = dir.to_str().expect("it is UTF-8");
    let made = run(gorch().args(["certs", "init", dir])).with(0).out;
    assert_eq!(made.matches("made  ").count(), 9, "{made}");
    let kept = run(gorch().args(["certs", "init", dir])).with(0).out;
    assert_eq!(kept.matches("kept  ").count(), 9, "{kept}");
    let named = run(gorch().args(["certs", "init", dir, "--name", "10.0.0.1"])).with(0).out;
    assert!(named.contains("orchestrator.pem does not hold `10.0.0.1`\n"), "{named}");
    assert!(named.contains(&format!("gorch certs renew {dir} --name 10.0.0.1\n")), "{named}");
    let renewed = run(gorch().args(["certs", "renew", dir, "--name", "10.0.0.1"])).with(0).out;
    assert_eq!(renewed.matches("renewed  ").count(), 3, "{renewed}");
    assert_eq!(renewed.matches(", 10.0.0.1\n").count(), 2, "{renewed}");
    let named = run(gorch().args(["certs", "init", dir, "--name", "10.0.0.1"])).with(0).out;
    assert!(!named.contains("does not hold"), "{named}");
    let issued = run(gorch().args(["certs", "issue", "executor", "e1", "--dir", dir])).with(0).out;
    assert!(issued.contains("gorch/executor/e1"), "{issued}");
    let shown = run(gorch().args(["certs", "show", dir])).with(0).out;
    assert!(shown.contains("executor-e1.pem") && !shown.contains("PROBLEM"), "{shown}");
    run(gorch().args(["certs", "issue", "user", "x", "--dir", dir, "--role", "king"])).with(1);
}

#[test]
fn a_wrong_file_and_a_folder_are_named() {
    let said = run(gorch().args(["graph", "/nonexistent.json"])).with(3);
    assert_eq!(said.err, "error: failed to read `/nonexistent.json`: No such file or directory (os error 2)\n");
    run(gorch().args(["graph", "/"])).with(1);
}

#[test]
fn every_command_has_its_help() {
    let help = run(gorch().arg("--help")).with(0).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        let help = run(gorch().args([command, "--help"])).with(0).out;
        assert!(help.contains("Usage: gorch"), "{command}");
    }
}
