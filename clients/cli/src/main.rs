//! The `gorch` command.

mod args;
mod chaos;
mod command;
mod context;
mod door;
mod error;
mod example;
mod exit;
mod gateway;
mod house;
mod interrupt;
mod log;
mod resolve;
mod table;
mod text;
mod watch;

fn main() -> std::process::ExitCode {
    // An executor in this program holds jobs by way of it.
    if let Some(code) = gorch_executor::become_job_if_asked() {
        return code;
    }
    // Whatever chaos starts ends with it by way of this program.
    if let Some(code) = chaos::become_bound_if_asked() {
        return code;
    }
    command::main()
}
