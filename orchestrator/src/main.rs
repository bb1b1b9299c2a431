//! The binary `gorch-orchestrator`.

fn main() -> std::process::ExitCode {
    gorch_orchestrator::command::main(std::env::args_os())
}
