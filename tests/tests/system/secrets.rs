//! Fifty canaries: secrets that jobs use and print in every way, and that nothing of gorch ever writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aho_corasick::AhoCorasick;
use gorch_tests::binaries::binary;
use gorch_tests::wait::until;
use gorch_tests::{Stand, graphs};
use serde_json::{Value, json};

/// How many.
const CANARIES: usize = 50;

struct Canary {
    value: String,
    /// Given as a file.
    is_file: bool,
}

impl Canary {
    fn new(number: usize) -> Self {
        let random = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let random = random.trim().replace('-', if number.is_multiple_of(3) { "/" } else { "_" });
        let is_file = number.is_multiple_of(5);
        let value = match number % 4 {
            0 if is_file => format!("-----BEGIN {random}\n{random}END\n-----"),
            1 => format!("{random} \"q\" \\ %20"),
            2 => format!("\u{fc}{random}\u{1f426}"),
            _ => random,
        };
        Canary { value, is_file }
    }

    /// The pieces of it by which it would be known anywhere.
    fn marks(&self) -> Vec<String> {
        use base64::Engine;
        let plain: String = self.value.chars().skip_while(|c| !c.is_ascii_alphanumeric()).take(20).collect();
        let encoded = base64::prelude::BASE64_STANDARD.encode(&self.value);
        vec![plain, encoded[..24].to_owned(), encoded.trim_end_matches('=').to_owned()]
    }

    /// Does with it what programs do with secrets that they should not do.
    fn node(&self, number: usize) -> Value {
        let show = if self.is_file { "cat \"$CANARY\"" } else { "printf %s \"$CANARY\"" };
        let lines = match number % 7 {
            0 => format!("{show}; echo; {show} >&2; (echo 40; {show}) >>$GORCH_PROGRESS"),
            1 => format!("echo \"last words: $({show})\" >&2; exit 1"),
            2 => format!("printf 'v=%s\\n' \"$({show})\" >$GORCH_OUTPUT"),
            // In two writes of two programs.
            3 => format!("{show} | head -c 11; {show} | tail -c +12; echo"),
            4 => format!("{show} | base64 -w 0; echo; printf 'v=%s\\n' \"$({show} | base64 -w 0)\""),
            5 => format!("printf 'v=%s\\n' \"$({show} | tr '\\n' ' ')\"; env; set"),
            _ => format!("{show} >$TMPDIR/x; for i in 1 2 3; do {show}; done; {show} >$GORCH_OUTPUT; exit 1"),
        };
        let reference = format!("secret://canaries/c{number}");
        let secret = if self.is_file { json!({"file": reference}) } else { json!(reference) };
        let mut node = graphs::script(number, &format!("n{number}"), &lines);
        node["secrets"] = json!({"CANARY": secret});
        node["output"] = json!({"v": ""});
        node
    }
}

/// Every file below a folder, but those of the store.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && entry.file_name() != "secrets" => files(&entry.path(), into),
            Ok(kind) if kind.is_file() => into.push(entry.path()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_canaries_are_in_nothing_that_was_written_or_shown() {
    let mut stand = Stand::new().await;
    let store = stand.path().join("secrets");
    fs::create_dir_all(store.join("canaries")).unwrap();
    fs::set_permissions(&store, fs::Permissions::from_mode(0o700)).unwrap();
    let canaries: Vec<Canary> = (0..CANARIES).map(Canary::new).collect();
    for (number, canary) in canaries.iter().enumerate() {
        let file = store.join(format!("canaries/c{number}"));
        fs::write(&file, &canary.value).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    stand.add_executor("e1", &["--slots", "4", "--secrets", store.to_str().unwrap()]).await;

    let mut nodes: Vec<Value> = canaries.iter().enumerate().map(|(number, canary)| canary.node(number)).collect();
    // One that is running, and has said everything, when its executor is killed; and then the orchestrator.
    let held =
        "printf '%s\\n' \"$CANARY\"; printf 'v=%s\\n' \"$CANARY\" >$GORCH_OUTPUT; echo 1 >running; exec sleep 1000";
    let mut last = graphs::script(CANARIES, "last", held);
    last["secrets"] = json!({"CANARY": "secret://canaries/c1"});
    last["output"] = json!({"v": ""});
    nodes.push(last);
    let run = stand.submit(&graphs::document("canaries", nodes, &[])).await;
    let running = stand.work().join("running");
    until("the last node runs", async || running.exists().then_some(())).await;
    stand.kill_executor("e1");
    stand.start_executor("e1").await;
    stand.kill_orchestrator();
    stand.start_orchestrator().await;
    stand.ended(run).await;

    // All that people see.
    let mut shown = String::new();
    for number in 0..=CANARIES {
        let node = stand.client().node(run, &number.to_string()).await.unwrap();
        let outcome = node.node.outcome.as_deref();
        assert!(matches!(outcome, Some("succeeded" | "failed")), "{node:?}");
        shown.push_str(&format!("{node:?}{}", serde_json::to_string(&node).unwrap()));
    }
    let gorch = |args: &[&str]| {
        let certs = stand.certs();
        let output = Command::new(binary("gorch"))
            .args(args)
            .args(["--url", &stand.url(), "--certs"])
            .arg(certs)
            .output()
            .unwrap();
        [output.stdout, output.stderr].concat().iter().map(|byte| char::from(*byte)).collect::<String>()
    };
    let id = run.to_string();
    for args in [&["get", id.as_str()][..], &["get", &id, "-o", "json"], &["watch", &id]] {
        shown.push_str(&gorch(args));
    }
    for number in 0..=CANARIES {
        shown.push_str(&gorch(&["logs", &id, &number.to_string()]));
    }
    assert!(shown.matches("[secret]").count() > 2 * CANARIES, "they were there: {shown}");

    let mut written = Vec::new();
    files(stand.path(), &mut written);
    assert!(written.iter().any(|path| path.ends_with("gorch.db")), "{written:?}");
    let marks: Vec<String> = canaries.iter().flat_map(Canary::marks).collect();
    let search = AhoCorasick::new(&marks).unwrap();
    let found = search.find(&shown).map(|found| &shown[found.start().saturating_sub(200)..found.end()]);
    assert_eq!(found, None);
    for path in &written {
        let bytes = fs::read(path).unwrap_or_default();
        assert!(!search.is_match(&bytes), "a canary is in {}", path.display());
    }
}
