//! The binary `gorch-executor`.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = gorch_executor::become_job_if_asked() {
        return code;
    }
    gorch_executor::command::main(std::env::args_os())
}
