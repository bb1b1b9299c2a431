//! The first command that anybody types.

use std::process::Command;

use crate::support::{GORCH, gorch, run};

#[test]
fn the_demo_runs_the_job_shows_the_report_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(gorch().arg("demo").env("TMPDIR", folder.path()).current_dir("/")).with(0);
    for told in ["over mutual TLS", "node=report visit=0 state=success", "| unit tests | 13 passed |", "next:", " ui "]
    {
        assert!(said.out.contains(told), "{told} in:\n{}", said.out);
    }
    assert_eq!(said.err, "");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn on_a_terminal_the_run_is_a_picture_that_is_drawn_over() {
    let mut script = Command::new("script");
    script.args(["-qec", &format!("stty cols 100 rows 30; {GORCH} demo"), "/dev/null"]);
    let said = run(script.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("GORCH_LOG")).with(0).out;
    assert!(said.contains("\u{1b}[13A"), "thirteen lines are drawn over:\n{said}");
    let text = console::strip_ansi_codes(&said);
    for told in ["success", "━━━━━━━━━━━━━━━━━━━━ 12/12", "✔ │   └─unit-tests    shell", "| unit tests | 13 passed |"]
    {
        assert!(text.contains(told), "{told} in:\n{text}");
    }
    assert!(!text.contains("node=report"), "no lines beside the picture");
}
