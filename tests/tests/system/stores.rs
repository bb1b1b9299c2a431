//! Stores as a whole: looked through, backed up, brought back and moved, with runs that wait in the middle.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gorch_client::steps::LogQuery;
use gorch_client::{Message, Word};
use gorch_schema::RunId;
use gorch_schema::view::State;
use gorch_tests::Stand;
use gorch_tests::binaries::binary;
use gorch_tests::graphs::{document, script};
use gorch_tests::postgres::Cluster;
use gorch_tests::wait::until;
use serde_json::{Value, json};

fn store(args: &[&str]) -> Output {
    Command::new(binary("gorch")).arg("store").args(args).output().unwrap()
}

/// What it says when it does it.
fn done(args: &[&str]) -> String {
    let output = store(args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What it says when it does not.
fn refused(args: &[&str]) -> String {
    let output = store(args);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    said
}

fn named(folder: &Path) -> String {
    format!("sqlite:{}", folder.display())
}

/// A run that has ended, and one that waits for a word between two jobs.
async fn one_old_and_one_that_waits(stand: &Stand) -> (RunId, RunId) {
    let old = stand.submit(&document("old", vec![script(0, "speak", "echo hello")], &[])).await;
    stand.ended(old).await;
    let ask = json!({"id": 1, "name": "ask", "engine": "approval"});
    let nodes = vec![script(0, "first", "echo 0 >> done"), ask, script(2, "last", "echo 2 >> done")];
    let waits = document("waits", nodes, &[(0, 1, "succeeded"), (1, 2, "succeeded")]);
    let waits = stand.submit(&waits).await;
    until("it is asked", || async {
        let node = stand.client().node(waits, "ask").await.ok()?;
        (node.node.state == State::Running.number()).then_some(())
    })
    .await;
    (old, waits)
}

/// Brings a file to the orchestrator. Gives its SHA-256.
fn put(stand: &Stand, content: &str) -> String {
    let file = stand.path().join("content");
    fs::write(&file, content).unwrap();
    let (url, certs) = (stand.url(), stand.certs());
    let put = Command::new(binary("gorch"))
        .args(["artifacts", "put", &file.to_string_lossy(), "--url", &url, "--certs", &certs.to_string_lossy()])
        .output()
        .unwrap();
    assert!(put.status.success(), "{put:?}");
    String::from_utf8(put.stdout).unwrap().trim().trim_start_matches("sha256:").to_owned()
}

/// The file in which a folder keeps a content.
fn kept(data: &Path, digest: &str) -> PathBuf {
    data.join("artifacts").join(&digest[..2]).join(digest)
}

/// The line of `gorch store` that says how many files there are.
fn files(said: &str) -> Vec<&str> {
    said.lines().find(|line| line.starts_with("files ")).unwrap_or("none").split_whitespace().skip(1).collect()
}

/// All that can be read of a run that has ended: its view, its log, its events with their places.
async fn seen(stand: &Stand, old: RunId) -> Value {
    let client = stand.client();
    let state = client.state(old).await.unwrap();
    let log = client.logs(old, "speak", &LogQuery::default()).await.unwrap();
    let node = client.node(old, "speak").await.unwrap();
    let mut events = Vec::new();
    let mut stream = client.events(old, 0).await.unwrap();
    while let Some(message) = stream.next().await.unwrap() {
        if let Message::Event(view) = message {
            events.push(view);
        }
    }
    let mut all = Vec::new();
    let mut stream = client.all_events(Some("0".to_owned())).await.unwrap();
    while all.len() < events.len() {
        if let Some(Message::Event(view)) = stream.next().await.unwrap() {
            all.push((stream.last_id().unwrap().to_owned(), view));
        }
    }
    json!({"state": state, "log": log.stdout, "node": node.node, "events": events, "all": all})
}

/// It is told to go on, and every job has run once at its end.
async fn goes_on(stand: &Stand, waits: RunId) {
    until("it takes the word", || async { stand.client().approve(waits, "ask", &Word::default()).await.ok() }).await;
    assert_eq!(stand.ended(waits).await.state, State::Success.word());
    assert_eq!(fs::read_to_string(stand.work().join("done")).unwrap(), "0\n2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_goes_on_in_postgresql_where_its_store_was_moved() {
    let server = Cluster::start("");
    let mut stand = Stand::with_executor(1).await;
    let (old, waits) = one_old_and_one_that_waits(&stand).await;
    let digest = put(&stand, "a file that moves");
    let before = seen(&stand, old).await;
    let (data, address) = (stand.path().join("store"), server.database());
    let (here, back) = (named(&data), named(&stand.path().join("back")));

    // While somebody lives on it, it is not moved, and no other is put into its place.
    let said = refused(&["migrate", "--from", &here, "--to", &address]);
    assert!(said.contains("is in use by process"), "{said}");
    assert!(refused(&["check", "--store", &here]).contains("is in use by process"));
    stand.terminate_orchestrator();
    assert!(done(&["check", "--store", &here]).ends_with("nothing is wrong\n"));
    let said = done(&["migrate", "--from", &here, "--to", &address]);
    assert!(said.contains("moved to postgres://gorch@127.0.0.1"), "{said}");
    assert_eq!(files(&said), ["1", "17", "B"], "{said}");
    assert_eq!(files(&done(&["check", "--store", &address])), ["1"], "it is in the database before anybody opens that");
    let away = data.join("artifacts.moved").join(&digest[..2]).join(&digest);
    assert!(said.contains(&format!("artifacts in {}", data.join("artifacts.moved").display())), "{said}");

    // The old place is left by all.
    assert!(!data.join("gorch.db").exists() && data.join("gorch.db.moved").exists());
    let certs = stand.certs();
    let orchestrator = Command::new(binary("gorch-orchestrator"))
        .args(["--listen", "127.0.0.1:0", "--data", &data.to_string_lossy(), "--certs", &certs.to_string_lossy()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&orchestrator.stderr).into_owned();
    assert!(!orchestrator.status.success() && said.contains("were moved to another store"), "{said}");

    stand.set_orchestrator_flags(&["--store", &address]);
    stand.start_orchestrator().await;
    assert_eq!(seen(&stand, old).await, before);
    goes_on(&stand, waits).await;

    // A database may be looked at while it is in use; moved it is not.
    let checked = done(&["check", "--store", &address, "--data", &data.to_string_lossy()]);
    assert!(checked.ends_with("nothing is wrong\n"), "{checked}");
    let said = refused(&["migrate", "--from", &address, "--to", &back]);
    assert!(said.contains("is in use by https://"), "{said}");
    stand.terminate_orchestrator();
    let said = done(&["migrate", "--from", &address, "--to", &back]);
    assert_eq!(files(&said), ["1", "17", "B"], "{said}");
    assert!(away.exists(), "what was there is kept, like the store, whoever starts with this folder");
    assert_eq!(fs::read_to_string(kept(&stand.path().join("back"), &digest)).unwrap(), "a file that moves");
    let said = refused(&["check", "--store", &address]);
    assert!(said.contains("its runs were moved to another store"), "{said}");
    stand.set_orchestrator_flags(&["--store", &back]);
    stand.start_orchestrator().await;
    assert_eq!(seen(&stand, old).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_living_store_brings_back_runs_logs_events_and_artifacts() {
    let mut stand = Stand::with_executor(1).await;
    let (old, waits) = one_old_and_one_that_waits(&stand).await;
    let digest = put(&stand, "a file that travels");
    let before = seen(&stand, old).await;

    let file = stand.path().join("backup").display().to_string();
    let (here, data) = (named(&stand.path().join("store")), stand.path().join("again"));
    done(&["backup", &file, "--store", &here]);
    assert!(refused(&["backup", &file, "--store", &here]).contains("failed to make"), "no backup is overwritten");
    assert!(refused(&["restore", &file, "--store", &here]).contains("is in use by process"));
    stand.terminate_orchestrator();
    let said = refused(&["restore", &file, "--store", &here]);
    assert!(said.contains("what is there is never overwritten"), "{said}");

    // What is not as it was written is not used, and leaves nothing.
    let whole = fs::read(&file).unwrap();
    let again = named(&data);
    for (bytes, expected) in [
        (
            {
                let mut flipped = whole.clone();
                flipped[whole.len() / 2] ^= 1;
                flipped
            },
            "is damaged: its SHA-256 is",
        ),
        (whole[..whole.len() - 1].to_vec(), "was cut off"),
    ] {
        let wrong = stand.path().join("wrong");
        fs::write(&wrong, bytes).unwrap();
        let said = refused(&["restore", &wrong.to_string_lossy(), "--store", &again]);
        assert!(said.contains(expected) && !data.exists(), "{said}");
    }

    done(&["restore", &file, "--store", &again]);
    assert!(done(&["check", "--store", &again]).ends_with("nothing is wrong\n"));
    assert_eq!(fs::read_to_string(kept(&data, &digest)).unwrap(), "a file that travels");
    // What root brings back is the service's, which root is not.
    let owned = stand.path().join("owned");
    fs::create_dir(&owned).unwrap();
    if fs::metadata(&owned).unwrap().uid() == 0 {
        chown(&owned, Some(65_534), Some(65_534)).unwrap();
        symlink("/etc/hostname", owned.join("gorch.db.link")).unwrap();
        let whose = fs::metadata("/etc/hostname").unwrap().uid();
        done(&["restore", &file, "--store", &named(&owned)]);
        let below: Vec<PathBuf> =
            all_below(&owned).into_iter().filter(|path| !path.ends_with("gorch.db.link")).collect();
        assert!(below.contains(&owned.join("gorch.db")) && below.contains(&kept(&owned, &digest)), "{below:?}");
        for path in below {
            assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), 65_534, "{path:?}");
        }
        assert_eq!(fs::metadata("/etc/hostname").unwrap().uid(), whose, "no link is followed");
    }

    stand.set_orchestrator_flags(&["--store", &again]);
    stand.start_orchestrator().await;
    assert_eq!(seen(&stand, old).await, before);
    goes_on(&stand, waits).await;
}

fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            all.extend(all_below(&entry.path()));
        }
        all.push(entry.path());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgresql_brings_its_artifacts_back_into_another_and_into_a_file() {
    let server = Cluster::start("");
    let (address, again) = (server.database(), server.database());
    let mut stand = Stand::with(&["--store", &address]).await;
    stand.add_executor("e1", &["--slots", "1"]).await;
    let digest = put(&stand, "#!/bin/sh\nexit 0\n");
    // A folder of an orchestrator that has not come to the database yet.
    let other = stand.path().join("other");
    let late = put(&stand, "late");
    server.sql(&address, &format!("DELETE FROM contents WHERE digest = '{late}'"));
    fs::create_dir_all(kept(&other, &late).parent().unwrap()).unwrap();
    fs::write(kept(&other, &late), "late").unwrap();
    let node = |id, name: &str, artifact: &str| json!({"id": id, "name": name, "engine": "shell", "artifact": format!("sha256:{artifact}")});
    let ask = json!({"id": 0, "name": "ask", "engine": "approval"});
    let waits = document("waits", vec![ask, node(1, "say", &digest)], &[(0, 1, "succeeded")]);
    let waits = stand.submit(&waits).await;
    let file = stand.path().join("backup").display().to_string();
    let said = done(&["backup", &file, "--store", &address, "--data", &other.to_string_lossy()]);
    assert_eq!(files(&said), ["2", "21", "B"], "{said}");
    stand.terminate_orchestrator();

    let output = store(&["restore", &file, "--store", &again, "--data", &other.to_string_lossy()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("found `--data`, expected none"), "{said}");
    assert_eq!(files(&done(&["restore", &file, "--store", &again])), ["2", "21", "B"]);
    assert!(done(&["check", "--store", &again]).ends_with("nothing is wrong\n"));
    let data = stand.path().join("back");
    done(&["restore", &file, "--store", &named(&data)]);
    assert!(done(&["check", "--store", &named(&data)]).ends_with("nothing is wrong\n"));
    assert_eq!(fs::read_to_string(kept(&data, &late)).unwrap(), "late");

    stand.set_orchestrator_flags(&["--store", &again]);
    stand.start_orchestrator().await;
    until("it takes the word", || async { stand.client().approve(waits, "ask", &Word::default()).await.ok() }).await;
    assert_eq!(stand.ended(waits).await.state, State::Success.word(), "the executor had not fetched it before");
    stand.terminate_orchestrator();

    // What is not as it was is found out, and so is what is missing.
    server.sql(&again, "UPDATE pieces SET body = 'tale' WHERE body = 'late'");
    server.sql(&again, &format!("DELETE FROM contents WHERE digest = '{digest}'"));
    let said = refused(&["check", "--store", &again]);
    for expected in [
        format!("wrong: the artifact {late}: its SHA-256 is"),
        format!("wrong: run {waits}: the artifact {digest}: it is needed, and it is not there"),
    ] {
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
    let said = refused(&["migrate", "--from", &again, "--to", &named(&stand.path().join("wrong"))]);
    assert!(said.contains("the body's SHA-256 is"), "{said}");
    assert!(!stand.path().join("wrong/gorch.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_with_an_attempt_out_and_an_executor_that_drains_is_healthy() {
    let mut stand = Stand::with_executor(1).await;
    let held = stand.submit(&document("held", vec![script(0, "held", "touch began; sleep 300")], &[])).await;
    until("it has begun", || async { stand.work().join("began").exists().then_some(()) }).await;
    stand.client().drain("e1", None).await.unwrap();
    stand.terminate_orchestrator();
    let data = stand.path().join("store");
    let said = done(&["check", "--store", &named(&data)]);
    assert!(said.ends_with("nothing is wrong\n"), "{said}");

    // Registrations and wishes are looked at, too.
    let spoil = |sql: &str| rusqlite::Connection::open(data.join("gorch.db")).unwrap().execute_batch(sql).unwrap();
    spoil("UPDATE executors SET drain = '[1'");
    let said = refused(&["check", "--store", &named(&data)]);
    assert!(said.contains("wrong: the executor `e1`: what is wanted of it cannot be read: "), "{said}");
    spoil("UPDATE executors SET drain = NULL, registration = '{'");
    let said = refused(&["check", "--store", &named(&data)]);
    assert!(said.contains("wrong: the executor `e1`: its body cannot be read: "), "{said}");
    spoil("DELETE FROM executors");
    let said = refused(&["check", "--store", &named(&data)]);
    let expected = format!("wrong: run {held}: the run: an attempt is out on executor `e1`, which never registered");
    assert!(said.contains(&expected), "{said}");
}

/// All that a program says when it is given this store, however that is named.
fn said_of_a_wrong_store(program: &str, args: &[&str], given: &str) -> String {
    let mut command = Command::new(binary(program));
    let output = command.args(args).env("GORCH_STORE", given).output().unwrap();
    assert!(!output.status.success(), "{args:?}");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_password_of_a_store_that_is_named_wrongly_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, file, toml) = (path("data"), path("backup"), path("orchestrator.toml"));
    let needed = format!("data = '{data}'\ncerts = '{data}'\n");
    for wrong in [
        "postgres://ann:s3cret@db.example/x?sslmode=disable",
        "postgres://ann:s3cret@db:port/x",
        "postgres://ann@db.example/x?password=s3cret&nonsense=1",
        "postgress://ann:s3cret@db.example/x",
        "s3cret",
    ] {
        let services: [(&str, &[&str]); 2] = [("gorch-orchestrator", &[]), ("gorch", &["orchestrator"])];
        for (program, first) in services {
            let known = [first, &["--data", &data, "--certs", &data]].concat();
            let flag = [&known[..], &["--store", wrong]].concat();
            for (args, env) in [(&flag, "sqlite:x"), (&known, wrong)] {
                let said = said_of_a_wrong_store(program, args, env);
                assert!(said.contains("expected") && !said.contains("s3cret"), "{said}");
            }
            // Well formed, not a text, and never closed.
            for store in [format!("store = '{wrong}'"), format!("store = ['{wrong}']"), format!("store = '{wrong}")] {
                fs::write(&toml, format!("{needed}{store}\n")).unwrap();
                let mut command = Command::new(binary(program));
                let output = command.args(first).args(["--config", &toml]).env_remove("GORCH_STORE").output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(!output.status.success() && said.contains("expected"), "{said}");
                assert!(!said.contains("s3cret"), "{said}");
            }
        }
        let commands: [&[&str]; 5] = [
            &["store", "check", "--store", wrong],
            &["store", "backup", &file, "--store", wrong],
            &["store", "restore", &file, "--store", wrong],
            &["store", "migrate", "--from", wrong, "--to", "sqlite:x"],
            &["store", "migrate", "--from", "sqlite:x", "--to", wrong],
        ];
        for args in commands {
            let said = said_of_a_wrong_store("gorch", args, "sqlite:x");
            assert!(said.contains("expected") && !said.contains("s3cret"), "{said}");
        }
        let said = said_of_a_wrong_store("gorch", &["store", "check"], wrong);
        assert!(said.contains("expected") && !said.contains("s3cret"), "{said}");
        for help in ["--help", "-h"] {
            for args in [vec!["store", "check", help], vec!["store", "migrate", help], vec!["orchestrator", help]] {
                let output = Command::new(binary("gorch")).args(args).env("GORCH_STORE", wrong).output().unwrap();
                assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("s3cret"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_store_is_said_with_its_run_and_its_row() {
    let mut stand = Stand::with_executor(1).await;
    let (old, waits) = one_old_and_one_that_waits(&stand).await;
    stand.terminate_orchestrator();
    let data = stand.path().join("store");
    let file = rusqlite::Connection::open(data.join("gorch.db")).unwrap();
    file.execute_batch(
        "PRAGMA foreign_keys = OFF;
         UPDATE events SET body = '[\"nonsense\"]' WHERE position = (SELECT max(position) FROM events WHERE run = 1);
         DELETE FROM events WHERE position = (SELECT max(position) FROM events WHERE run = 2);
         INSERT INTO claims VALUES ('orphan', 77);",
    )
    .unwrap();
    drop(file);
    let artifact = data.join("artifacts/00").join("0".repeat(64));
    fs::create_dir_all(artifact.parent().unwrap()).unwrap();
    fs::write(&artifact, "something else").unwrap();
    let said = refused(&["check", "--store", &named(&data)]);
    for expected in [
        format!("wrong: run {old}: the events "),
        format!("wrong: run {waits}: the run: its rows end with event "),
        "wrong: the lock `orphan`: run number 77 is not there".to_owned(),
        format!("wrong: the artifact `{}`: its SHA-256 is", artifact.display()),
    ] {
        assert!(said.contains(&expected), "{expected}\n{said}");
    }
    // It is carried all the same, as it is: a backup judges nothing.
    done(&["backup", &stand.path().join("backup").to_string_lossy(), "--store", &named(&data)]);
}
