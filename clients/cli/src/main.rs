//! The `gorch` command.

mod args;
mod command;
mod context;
mod error;
mod exit;
mod gateway;
mod interrupt;
mod log;
mod resolve;
mod table;
mod text;
mod watch;

fn main() -> std::process::ExitCode {
    command::main()
}
