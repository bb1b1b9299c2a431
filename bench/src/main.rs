//! What gorch costs, beside what the same machine costs bare, in the same run.
//!
//! Owns the command line and the order of the rows.

mod accept;
mod content;
mod convert;
mod drive;
mod floors;
mod kept;
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
use kept::{Kept, Store};
use table::Row;

/// Measures gorch against the floors of this machine and against its peers, interleaved, and prints one table.
#[derive(Debug, Parser)]
struct Line {
    /// Rows to measure [default: all]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=15), value_name = "ROWS")]
    only: Vec<u8>,
    /// Repetitions of every measure
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    reps: u16,
    /// Slots of the executor
    #[arg(long, default_value_t = 2)]
    slots: u32,
    /// Where runs are kept, a table for each; postgres starts a server of its own
    #[arg(long, value_delimiter = ',', value_enum, value_name = "STORES", default_values = ["sqlite", "postgres"])]
    store: Vec<Store>,
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
    println!("{}", machine::described());
    for (at, store) in line.store.iter().enumerate() {
        eprintln!("{}:", store.title());
        let rows = runtime.block_on(measure(&line, *store, at == 0));
        println!("### {}\n\n{}", store.title(), table::markdown(&rows));
    }
    ExitCode::SUCCESS
}

/// The rows of one store; those that have none are in the first table.
async fn measure(line: &Line, store: Store, first: bool) -> Vec<Row> {
    let kept = &Kept::open(store);
    let (reps, slots) = (usize::from(line.reps), line.slots);
    let mut rows = Vec::new();
    for row in 1..=15 {
        if !line.only.is_empty() && !line.only.contains(&row) {
            continue;
        }
        eprintln!("row {row} ...");
        let measured = match row {
            1 => shell::wide(kept, reps, slots).await,
            2 => shell::chain(kept, reps, slots).await,
            3 => nil::rate(kept, reps).await,
            4 => accept::small(kept, reps).await,
            5 => accept::dense(kept, reps).await,
            6 => nil::growth(kept, reps, slots).await,
            7 => accept::many(kept, reps).await,
            8 => [rest::sleeping(kept, line.sleeping).await, rest::recovery(kept, reps).await].concat(),
            9 => rest::idle(kept, reps, slots).await,
            10 => look::state_and_view(kept, reps).await,
            11 => lists::lists(kept, reps).await,
            12 if first => convert::templates(reps),
            12 => Vec::new(),
            13 => many::small_runs(kept).await,
            14 => saturation::curve(kept, slots).await,
            _ => content::up_and_down(kept, reps).await,
        };
        // Of what is kept in PostgreSQL the rate alone is promised: its server takes its part of the same cores.
        let promised = !kept.in_postgres() || row == 3;
        rows.extend(measured.into_iter().map(|row| if promised { row } else { row.unjudged() }));
    }
    rows
}
