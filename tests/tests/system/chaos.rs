//! Everything goes wrong: what `gorch doctor chaos` does to a house of its own, on a file and on a database that fails, too.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use gorch_tests::binaries::binary;
use gorch_tests::postgres::{Cluster, Stop};
use gorch_tests::processes::marked;
use gorch_tests::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `gorch doctor chaos`, with this besides. It is hung up on like any other, also where whoever tests may not be (nohup).
fn chaos(flags: &[&str]) -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(binary("gorch"));
    command.args(["doctor", "chaos", "-o", "json"]).args(flags).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Nothing is lost, nothing is done twice, nothing is left over, through so many faults, these among them; and there was
/// something to lose.
fn is_right(output: &Output, faults: u64, among: &[&str]) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let ledger: Value = serde_json::from_str(&said).unwrap();
    let finished: u64 = ledger["finished"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(ledger["accepted"].as_u64(), Some(finished), "accepted is finished, once it is calm: {said}");
    // Eight clients ask until each has at least one.
    assert!(finished >= 8, "some work was done: {said}");
    let kinds = ledger["faults"].as_object().unwrap();
    assert_eq!(kinds.values().filter_map(Value::as_u64).sum::<u64>(), faults);
    // What it was given, and where it was.
    assert_eq!(ledger["disks"], "fail");
    assert!(ledger["folder"].as_str().is_some_and(|folder| !Path::new(folder).exists()), "it is gone: {said}");
    for kind in among {
        assert!(kinds.contains_key(*kind), "{kind}: disks fail by `strace`, which must be able to attach: {said}");
    }
}

#[test]
fn a_house_on_a_file_keeps_its_promises_while_everything_goes_wrong() {
    let somebodys = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", somebodys.path().display());
    let output = chaos(&["--faults", "150", "--seed", "7"]).env("GORCH_STORE", store).output().unwrap();
    let disks =
        ["orchestrator's disk full", "orchestrator's disk broken", "executor's disk full", "executor's disk broken"];
    is_right(&output, 150, &disks);
    assert_eq!(somebodys.path().read_dir().unwrap().count(), 0, "the caller's own store is not touched");
}

/// What nodes of the house in this folder have written, once one of them has begun; and where.
async fn its_nodes_run(scratch: &Path) -> PathBuf {
    let notes = || {
        let notes = scratch.read_dir().unwrap().flatten().next()?.path().join("notes");
        std::fs::read_to_string(&notes).ok().filter(|text| text.contains("begin")).map(|_| notes)
    };
    until("its nodes run", || std::future::ready(notes())).await
}

async fn its_processes_are_gone(folder: &str) {
    until("its processes are gone", || std::future::ready(marked(folder).is_empty().then_some(()))).await;
}

#[tokio::test]
async fn whoever_interrupts_it_leaves_no_process_and_no_folder_behind() {
    for signal in [Signal::INT, Signal::HUP] {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().to_str().unwrap();
        // All its processes know this folder by their environment.
        let mut running = chaos(&["--faults", "1000"]).env("TMPDIR", folder).spawn().unwrap();
        its_nodes_run(scratch.path()).await;
        kill_process(Pid::from_child(&running), signal).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(130));
        its_processes_are_gone(folder).await;
        assert_eq!(scratch.path().read_dir().unwrap().count(), 0, "its folder is gone");
    }
}

#[tokio::test]
async fn whoever_kills_it_kills_all_its_processes() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().to_str().unwrap();
    let mut running = chaos(&["--faults", "1000"]).env("TMPDIR", folder).spawn().unwrap();
    its_nodes_run(scratch.path()).await;
    // A disk that fails has a process of its own.
    until("a disk fails", || {
        let is_strace = |pid: i32| command_line(pid).starts_with("strace");
        std::future::ready(marked(folder).into_iter().any(is_strace).then_some(()))
    })
    .await;
    running.kill().unwrap();
    running.wait().unwrap();
    its_processes_are_gone(folder).await;
}

fn command_line(pid: i32) -> String {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

#[tokio::test]
async fn a_ledger_sees_what_was_not_done_and_who_fell_by_himself() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().to_str().unwrap();
    let mut running = chaos(&["--faults", "40", "--seed", "9"]).env("TMPDIR", folder).spawn().unwrap();
    let notes = its_nodes_run(scratch.path()).await;
    // As the kernel does where memory is short.
    until("an executor falls", || {
        let executor = marked(folder).into_iter().find(|pid| command_line(*pid).contains(" executor --data"));
        let fallen = executor.and_then(Pid::from_raw).map(|pid| kill_process(pid, Signal::KILL));
        std::future::ready(fallen.filter(Result::is_ok))
    })
    .await
    .unwrap();
    while running.try_wait().unwrap().is_none() {
        std::fs::write(&notes, "").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let ledger: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong: Vec<&str> = ledger["wrong"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for expected in ["succeeded, but node 0 has begun 0 times", "ended by itself"] {
        assert!(wrong.iter().any(|wrong| wrong.contains(expected)), "{expected}: {wrong:#?}");
    }
    assert!(Path::new(ledger["folder"].as_str().unwrap()).join("executor-0.log").exists(), "its logs are kept");
}

#[test]
fn two_orchestrators_on_a_database_keep_them_also_while_that_is_restarted_and_held_up() {
    let server = Cluster::start("");
    let database = server.database();
    let mut running = chaos(&["--faults", "160", "--seed", "8", "--store", &database]).spawn().unwrap();
    let began = Instant::now();
    // As long as it runs, the database has its own troubles in turn.
    let mut troubles = 0;
    while running.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(300), "it ends");
        match troubles % 3 {
            0 => drop(server.sql(&database, "SELECT pg_sleep(3)")),
            1 => {
                server.stop(if troubles % 2 == 0 { Stop::Fast } else { Stop::Immediate });
                server.start_again();
            }
            _ => {
                // Nobody can write while this transaction is open.
                let hold = "DO $$ BEGIN IF to_regclass('newest') IS NOT NULL THEN \
                            LOCK TABLE newest IN EXCLUSIVE MODE; PERFORM pg_sleep(2); END IF; END $$";
                server.sql(&database, hold);
            }
        }
        troubles += 1;
    }
    let among = ["orchestrator cut off from its store", "executor's disk full", "executor's disk broken"];
    is_right(&running.wait_with_output().unwrap(), 160, &among);
    assert!(troubles >= 3, "the database had each of its troubles: {troubles}");
}

#[test]
fn a_store_that_is_somebodys_is_not_touched() {
    let server = Cluster::start("");
    let database = server.database();
    server.sql(&database, "CREATE TABLE mine (x int)");
    let output = chaos(&["--store", &database]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("tables that are not gorch's"), "{said}");
    // It would be spoken to in the clear.
    let output = chaos(&["--store", "postgres://me:secret@192.0.2.1/mine"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("not on this machine") && !said.contains("secret"), "{said}");
    for past in ["postgres:///mine?host=/run/postgresql", "postgres://me@localhost/mine?hostaddr=192.0.2.1"] {
        let output = chaos(&["--store", past]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("a socket cannot be cut"), "{said}");
    }
    let output = chaos(&["--store", "sqlite:/tmp"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("expected postgres://USER@HOST[:PORT]/DATABASE"), "{said}");
}
