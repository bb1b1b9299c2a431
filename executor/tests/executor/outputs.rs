//! What jobs hand on, and what of their streams is reported.

use gorch_schema::Outcome;
use gorch_schema::work::Work;
use serde_json::json;

use crate::house::{House, failure};

fn declaring(mut work: Work, outputs: &[&str]) -> Work {
    work.outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
    work
}

#[tokio::test]
async fn lines_of_declared_keys_are_outputs_and_the_last_wins() {
    let house = House::new(&[]);
    let script = "echo version=1; echo other=2; echo choice=left; echo 'version=a b=c'; echo result=7";
    let report = house.run(&declaring(house.script(0, script), &["version", "unset"])).await;
    let expected = json!({"exit_code": 0, "version": "a b=c", "choice": "left", "result": "7"});
    assert_eq!(report.result.output, expected);
    assert!(report.result.dropped.is_empty(), "a line of stdout is text unless it was declared");
}

#[tokio::test]
async fn the_output_file_wins_and_names_what_it_drops() {
    let house = House::new(&[]);
    let script = "echo a=printed; echo b=printed\n(echo a=given; echo c=3; echo exit_code=9) >> $GORCH_OUTPUT";
    let report = house.run(&declaring(house.script(0, script), &["a", "b"])).await;
    assert_eq!(report.result.output, json!({"exit_code": 0, "a": "given", "b": "printed"}));
    assert_eq!(report.result.dropped, ["c", "exit_code"]);
}

#[tokio::test]
async fn the_output_file_may_be_a_json_object() {
    let house = House::new(&[]);
    let script = r#"echo '{"list": [1, {"x": null}], "result": true}' > $GORCH_OUTPUT"#;
    let report = house.run(&declaring(house.script(0, script), &["list"])).await;
    assert_eq!(report.result.output, json!({"exit_code": 0, "list": [1, {"x": null}], "result": true}));
}

#[tokio::test]
async fn failures_have_outputs_too() {
    let house = House::new(&[]);
    let report =
        house.run(&declaring(house.script(0, "echo a=1; echo b=2 > $GORCH_OUTPUT; exit 4"), &["a", "b"])).await;
    assert_eq!(failure(&report).0, "exit_nonzero");
    assert_eq!(report.result.output, json!({"exit_code": 4, "a": "1", "b": "2"}));
}

#[tokio::test]
async fn an_output_file_that_cannot_be_read_spoils_a_success() {
    let house = House::new(&[]);
    let cases = [
        ("echo no pair > $GORCH_OUTPUT", "line 1 of $GORCH_OUTPUT is `no pair`, expected KEY=value"),
        ("echo '{\"a\": ' > $GORCH_OUTPUT", "$GORCH_OUTPUT begins with `{` but is not one JSON object"),
        ("head -c 1048577 /dev/zero > $GORCH_OUTPUT", "$GORCH_OUTPUT is larger than 1048576 bytes"),
        ("mkfifo $GORCH_OUTPUT", "$GORCH_OUTPUT cannot be read"),
    ];
    for (node, (script, expected)) in (0..).zip(cases) {
        let report = house.run(&declaring(house.script(node, &format!("echo a=1; {script}")), &["a"])).await;
        let (code, message) = failure(&report);
        assert_eq!(code, "bad_output", "{script}");
        assert!(message.starts_with(expected), "{script}: {message}");
        assert_eq!(report.result.output, json!({"exit_code": 0, "a": "1"}), "{script}");
    }
    let report = house.run(&house.script(9, "touch $GORCH_OUTPUT; rm $GORCH_OUTPUT")).await;
    assert_eq!(report.result.outcome, Outcome::Succeeded, "a removed file gives nothing, and is no failure");
}

#[tokio::test]
async fn a_report_carries_head_and_tail_and_counts_the_rest() {
    let house = House::new(&["--excerpt", "10"]);
    let report = house.run(&house.script(0, "printf 0123456789abcdef0123456789; printf short >&2")).await;
    let stdout = &report.logs.stdout;
    assert_eq!((stdout.head.as_str(), stdout.tail.as_str(), stdout.omitted), ("0123456789", "0123456789", 6));
    assert_eq!((report.logs.stderr.head.as_str(), report.logs.stderr.omitted), ("short", 0));
}

#[tokio::test]
async fn two_hundred_megabytes_of_output_take_no_memory() {
    let house = House::new(&[]);
    let warm = house.run(&house.program(0, "true", &[])).await;
    assert_eq!(warm.result.outcome, Outcome::Succeeded);
    let before = peak(house.pid());
    // One line without an end, then lines, then the output.
    let script = "head -c 100000000 /dev/zero | tr '\\0' v; echo; yes 'version of something quite long' | head -c 100000000; echo; echo version=9";
    let report = house.run(&declaring(house.script(1, script), &["version"])).await;
    assert_eq!(report.result.output, json!({"exit_code": 0, "version": "9"}));
    assert_eq!(report.logs.stdout.omitted, 200_000_012 - 2 * 65_536);
    let grown = peak(house.pid()) - before;
    assert!(grown < 20_000, "the executor grew by {grown} kB");
}

/// The most memory that a process ever had, in kB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
