//! Bytes of every kind, cut in every way.

use proptest::prelude::*;

use super::accepted;
use crate::document::{Engines, Limits, Reader, Refused, Submission, read, recover};

/// Reads a document cut after these numbers of bytes, again and again.
fn in_chunks(document: &[u8], cuts: &[usize]) -> Result<Submission, Refused> {
    let mut reader = Reader::new(&Limits::default());
    let (mut rest, mut cuts) = (document, cuts.iter().cycle());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.len().min(*cuts.next().unwrap_or(&1)));
        reader.push(chunk)?;
        rest = after;
    }
    reader.finish(&Engines::default())
}

fn whole(document: &[u8]) -> Result<Submission, Refused> {
    read(document, &Limits::default(), &Engines::default())
}

const DOCUMENT: &str = r#"{"name": "\u00e4\ud83d\ude00ß 漢字 😀\\\"", "digraph": [0, 1, 4,
 0,0,1, 0,0,0], "inputs": {"a": [1.5e3, -0.25, true, false, null, {"b": []}], "c": "\n"},
 "nodes": [{"id": 2}, {"id": 0, "args": ["x", ""]}, {"id": 1, "priority": 1}]}"#;

/// A document, right or slightly wrong: bytes of a right one replaced.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(br#"{}[]",:0123456789.eE+-\ ntfu"#.to_vec())];
    proptest::collection::vec((0..DOCUMENT.len(), byte), 0..4).prop_map(|changes| {
        let mut document = DOCUMENT.as_bytes().to_vec();
        for (at, byte) in changes {
            document[at] = byte;
        }
        document
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_result_does_not_depend_on_how_the_bytes_are_cut(
        document in nearly(), cuts in proptest::collection::vec(1_usize..60, 1..20)
    ) {
        prop_assert_eq!(in_chunks(&document, &cuts), whole(&document));
    }

    #[test]
    fn what_passes_is_json_and_what_is_no_json_does_not_pass(document in nearly()) {
        let is_json = serde_json::from_slice::<serde_json::Value>(&document).is_ok();
        let refused_as_json =
            whole(&document).is_err_and(|refused| refused.complaints.iter().any(|one| one.code == "bad_json"));
        let text = String::from_utf8_lossy(&document).into_owned();
        let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
        prop_assert_eq!(is_json && is_object, !refused_as_json, "{}", text);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(whole(&bytes).is_err());
    }

    #[test]
    fn json_without_sense_never_panics(text in "[{}\\[\\]\",:0-9.eE tfn\\\\-]{0,200}") {
        let _ = whole(text.as_bytes());
        let _ = whole(format!("{{\"digraph\": [{text}").as_bytes());
        let _ = whole(format!("{{\"nodes\": [{{\"input\": {text}}}]}}").as_bytes());
        let _ = recover(&text);
    }
}

#[test]
fn every_single_cut_and_every_single_byte_gives_the_same() {
    let expected = whole(DOCUMENT.as_bytes());
    assert!(expected.is_ok(), "{expected:?}");
    for cut in 1..DOCUMENT.len() {
        assert_eq!(in_chunks(DOCUMENT.as_bytes(), &[cut, DOCUMENT.len()]), expected, "cut at {cut}");
    }
    assert_eq!(in_chunks(DOCUMENT.as_bytes(), &[1]), expected);
}

#[test]
fn ten_megabytes_of_garbage_are_refused_at_their_first_chunk() {
    let garbage: Vec<u8> = (0..10_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut reader = Reader::new(&Limits::default());
    let refused = reader.push(&garbage[..4096]).unwrap_err();
    assert_eq!(refused.complaints[0].code, "bad_json");
    assert_eq!(reader.push(b"{}"), Err(refused.clone()), "and it stays refused");
    assert_eq!(reader.finish(&Engines::default()), Err(refused));
    let mut reader = Reader::new(&Limits::default());
    reader.push(b"{\"nodes\": [{\"name\": \"a\"").unwrap();
    assert!(reader.push(&garbage[..64]).is_err(), "garbage inside a value is found as soon");
}

#[test]
fn a_dense_matrix_is_read_whatever_stands_between_its_cells() {
    let nodes: Vec<String> = (0..2_000).map(|id| format!("{{\"id\":{id}}}")).collect();
    let nodes = nodes.join(",");
    let cell = |i: usize| if i / 2_000 < i % 2_000 && i.is_multiple_of(7) { 1 } else { 0 };
    let mut expected = None;
    for between in [",", ", ", " ,\n"] {
        let cells: Vec<String> = (0..4_000_000).map(|i| cell(i).to_string()).collect();
        let document = format!("{{\"digraph\": [{}], \"nodes\": [{nodes}]}}", cells.join(between));
        let workflow = in_chunks(document.as_bytes(), &[65_536, 1_000, 7]).unwrap().workflow;
        assert_eq!(workflow.edges.len(), (0..4_000_000).filter(|i| cell(*i) == 1).count());
        assert_eq!(*expected.get_or_insert_with(|| workflow.edges.clone()), workflow.edges);
    }
}

#[test]
fn a_chain_of_many_nodes_needs_no_stack() {
    let count = 200_000;
    let nodes = vec!["{}"; count].join(",");
    let edges: Vec<String> = (1..count).map(|to| format!("{{\"from\":{},\"to\":{to}}}", to - 1)).collect();
    let workflow = accepted(&format!("{{\"nodes\":[{nodes}],\"edges\":[{}]}}", edges.join(",")));
    let levels = crate::graph::plan_levels(&workflow);
    assert_eq!((levels.levels.len(), levels.critical_path.len()), (count, count));
}
