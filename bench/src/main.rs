//! What gorch costs, beside what the same machine costs bare, in the same run.
//!
//! Owns the command line and the order of the rows.

mod accept;
mod convert;
mod drive;
mod floors;
mod lists;
mod look;
mod machine;
mod many;
mod nil;
mod peers;
mod rest;
mod sample;
mod saturation;
mod shapes;
mod shell;
mod table;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use table::Row;

/// Measures gorch against the floors of this machine and against its peers, interleaved, and prints one table.
#[derive(Debug, Parser)]
struct Line {
    /// Rows to measure [default: all]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=14), value_name = "ROWS")]
    only: Vec<u8>,
    /// Repetitions of every measure
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    reps: u16,
    /// Slots of the executor
    #[arg(long, default_value_t = 2)]
    slots: u32,
    /// Where row 3 keeps its runs; postgres starts a server of its own
    #[arg(long, value_delimiter = ',', value_enum, value_name = "STORES", default_values = ["sqlite", "postgres"])]
    store: Vec<nil::Kept>,
    /// Sleeping runs of row 8
    #[arg(long, default_value_t = 100_000)]
    sleeping: usize,
}

fn main() -> ExitCode {
    gorch_certs::install_provider();
    let line = Line::parse();
    // One thread: the client must not take from the services what it does not need.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let about = machine::described();
    let rows = runtime.block_on(measure(&line));
    println!("{about}\n{}", table::markdown(&rows));
    ExitCode::SUCCESS
}

async fn measure(line: &Line) -> Vec<Row> {
    let (reps, slots) = (usize::from(line.reps), line.slots);
    let mut rows = Vec::new();
    for row in 1..=14 {
        if !line.only.is_empty() && !line.only.contains(&row) {
            continue;
        }
        eprintln!("row {row} ...");
        rows.extend(match row {
            1 => shell::wide(reps, slots).await,
            2 => shell::chain(reps, slots).await,
            3 => {
                let mut rows = Vec::new();
                for kept in &line.store {
                    rows.extend(nil::rate(reps, *kept).await);
                }
                rows
            }
            4 => accept::small(reps).await,
            5 => accept::dense(reps).await,
            6 => nil::growth(reps, slots).await,
            7 => accept::many(reps).await,
            8 => [rest::sleeping(line.sleeping).await, rest::recovery(reps).await].concat(),
            9 => rest::idle(reps, slots).await,
            10 => look::state_and_view(reps).await,
            11 => lists::lists(reps).await,
            12 => convert::templates(reps),
            13 => many::small_runs().await,
            _ => saturation::curve(slots).await,
        });
    }
    rows
}
