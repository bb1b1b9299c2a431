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
