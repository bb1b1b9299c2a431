//! The first command that anybody types.

use crate::support::{gorch, run};

#[test]
fn the_demo_runs_the_job_shows_the_report_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(gorch().arg("demo").env("TMPDIR", folder.path()).current_dir("/")).with(0);
    for told in
        ["over mutual TLS", "node=report visit=0 state=success", "| unit tests | 13 passed |", "next:", " proxy"]
    {
        assert!(said.out.contains(told), "{told} in:\n{}", said.out);
    }
    assert_eq!(said.err, "");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
