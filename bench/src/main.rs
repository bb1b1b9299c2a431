//! What gorch costs, beside what the same machine costs bare, in the same run.

mod floors;
mod peers;
mod shapes;
mod table;
mod usage;
mod workload;

use std::process::ExitCode;

use clap::Parser;

/// Measures gorch against the floors of this machine and against its peers, interleaved, and prints ratios.
#[derive(Parser)]
struct Line {
    /// Repetitions of every measure; medians are shown
    #[arg(long, default_value_t = 3)]
    reps: usize,
    /// Shapes to run, by name (chain:N, fan:N, diamond:N, layered:NxLxD, wide:N)
    #[arg(long, value_delimiter = ',', default_value = "chain:500,fan:1000,layered:1000x20x3")]
    shapes: Vec<String>,
    /// Slots of the executor
    #[arg(long, default_value_t = 2)]
    slots: u32,
}

fn main() -> ExitCode {
    gorch_certs::install_provider();
    let line = Line::parse();
    let shapes: Result<Vec<shapes::Shape>, shapes::Unknown> = line.shapes.iter().map(|name| name.parse()).collect();
    let shapes = match shapes {
        Ok(shapes) => shapes,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(workload::measure(&shapes, line.reps, line.slots));
    ExitCode::SUCCESS
}
