//! What it costs to read a document: the whole matrix, and sparse edges.
//!
//! Bytes come in pieces of the size that a body has, as they do from a connection.

#![expect(clippy::unwrap_used, reason = "a preparation that fails fails its bench")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gorch_schema::document::{Engines, Limits, Reader, Submission};

/// Pieces of a body.
const PIECE: usize = 64 * 1024;

fn nodes(text: &mut String, n: usize) {
    text.push_str("],\"nodes\":[");
    for id in 0..n {
        let comma = if id > 0 { "," } else { "" };
        let _ =
            write!(text, "{comma}{{\"id\":{id},\"name\":\"n{id}\",\"engine\":\"shell\",\"artifact\":\"/bin/true\"}}");
    }
    text.push_str("]}");
}

/// Five successors for each node, as cells.
fn dense(n: usize) -> String {
    let mut cells = "0,".repeat(n * n).into_bytes();
    for from in 0..n {
        for to in from + 1..(from + 6).min(n) {
            cells[2 * (from * n + to)] = b'1';
        }
    }
    cells.pop();
    let mut text = format!("{{\"digraph\":[{}", String::from_utf8_lossy(&cells));
    nodes(&mut text, n);
    text
}

/// The same as edges.
fn sparse(n: usize) -> String {
    let mut text = "{\"edges\":[".to_owned();
    for from in 0..n {
        for to in from + 1..(from + 6).min(n) {
            let comma = if from + to > 1 { "," } else { "" };
            let _ = write!(text, "{comma}{{\"from\":{from},\"to\":{to}}}");
        }
    }
    nodes(&mut text, n);
    text
}

fn read(text: &str) -> Submission {
    let mut reader = Reader::new(&Limits::default());
    for piece in text.as_bytes().chunks(PIECE) {
        reader.push(piece).unwrap();
    }
    reader.finish(&Engines::default()).unwrap()
}

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    group.sample_size(10);
    for (name, text) in
        [("dense 1,000", dense(1_000)), ("dense 10,000", dense(10_000)), ("edges 10,000", sparse(10_000))]
    {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter_batched(|| (), |()| black_box(read(&text)), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, documents);
criterion_main!(benches);
