//! What a template costs: from the start of the command to its end.
//!
//! Owns row 12. Promises that nothing is there before: each measure is a process of its own, and its document goes nowhere.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use gorch_tests::binaries::binary;

use crate::sample::Sample;
use crate::table::{Row, Unit};

/// Times that each is converted in a repetition.
const TIMES: usize = 20;

const HELLO: &str = "tosca_definitions_version: tosca_simple_yaml_1_3
topology_template:
  node_templates:
    host:
      type: tosca.nodes.Compute
    hello:
      type: tosca.nodes.SoftwareComponent
      requirements: [host: host]
      interfaces: {Standard: {operations: {create: hello.sh}}}
";

/// Row 12.
pub(crate) fn templates(reps: usize) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the scratch folder takes files");
        path
    };
    at("hello.sh", "echo hello\n");
    let hello = at("hello.yaml", HELLO);
    let large = at("large.yaml", &chain(1_000));
    let start = measured(&[Path::new("--version")], reps);
    let hello = measured(&[Path::new("convert"), &hello], reps);
    let large = measured(&[Path::new("convert"), &large], reps);
    let row = |title: &str, sample: &Sample| {
        Row::new("12", title.to_owned(), sample.least(), Unit::Millis)
            .note(format!("median {:.1} ms", sample.median() * 1e3))
    };
    vec![
        row("gorch --version: exec to its end", &start),
        row("gorch convert of two templates: exec to its end", &hello).at_most(0.020, 0.010),
        row("gorch convert of 1,001 templates: exec to its end", &large).at_most(0.100, 0.050),
    ]
}

/// Software on one host, each piece of which needs the one before.
fn chain(length: usize) -> String {
    let mut text = HELLO.to_owned();
    for number in 0..length - 1 {
        let before = if number == 0 { "hello".to_owned() } else { format!("n{}", number - 1) };
        writeln!(
            text,
            "    n{number}:\n      type: tosca.nodes.SoftwareComponent\n      requirements: [host: host, dependency: {before}]\n      \
             interfaces: {{Standard: {{operations: {{create: hello.sh}}}}}}"
        )
        .expect("a text takes all that is written to it");
    }
    text
}

fn measured(words: &[&Path], reps: usize) -> Sample {
    let gorch = binary("gorch");
    let mut sample = Sample::default();
    for _ in 0..reps * TIMES {
        let start = Instant::now();
        let ended = Command::new(&gorch).args(words).stdout(Stdio::null()).status();
        assert!(ended.is_ok_and(|status| status.success()), "gorch converts what the bench wrote");
        sample.push(start.elapsed().as_secs_f64());
    }
    sample
}
