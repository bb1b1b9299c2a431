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
    command::main()
}
