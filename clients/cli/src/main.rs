//! The `gorch` command.

mod args;
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
    command::main()
}
