//! From the end of a process to success or failure.
//!
//! Owns the codes `exit_nonzero`, `signal` and `bad_output` and their sentences.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use gorch_schema::{Failure, failure_code};

use crate::chain::Chain;
use crate::output::BadOutput;

/// The exit code as shells count it: 128 and the signal, where a signal ended it.
pub(super) fn exit_code(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal))
}

/// The end of a container's process, of which only the code that shells would see is known.
pub(super) fn status(code: i64) -> ExitStatus {
    match i32::try_from(code) {
        Ok(code @ 129..=159) => ExitStatus::from_raw(code - 128),
        Ok(code @ 0..=255) => ExitStatus::from_raw(code << 8),
        Ok(_) | Err(_) => ExitStatus::from_raw(255 << 8),
    }
}

/// What the end means. `last_line` is asked only where it helps.
pub(super) fn of(
    status: io::Result<ExitStatus>,
    trouble: Option<&BadOutput>,
    last_line: impl FnOnce() -> Option<String>,
) -> Result<(), Failure> {
    let status = match status {
        Ok(status) => status,
        Err(error) => {
            let message = format!("the process ended, but its exit code cannot be known: {error}");
            return Err(Failure::new(failure_code::EXECUTOR_LOST, message));
        }
    };
    let said = || last_line().map_or(String::new(), |line| format!("; the last line of stderr is `{line}`"));
    match (status.code(), status.signal(), trouble) {
        (Some(0), _, None) => Ok(()),
        (Some(0), _, Some(trouble)) => Err(Failure::new(failure_code::BAD_OUTPUT, Chain(trouble).to_string())),
        (Some(code), _, _) => {
            Err(Failure::new(failure_code::EXIT_NONZERO, format!("the exit code is {code}, expected 0{}", said())))
        }
        (None, Some(signal), _) => {
            let message = format!("the process was ended by {}{}", name(signal), said());
            Err(Failure::new(failure_code::SIGNAL, message))
        }
        (None, None, _) => Err(Failure::new(failure_code::SIGNAL, "the process ended without an exit code")),
    }
}

/// `SIGKILL` and the like.
fn name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let known = usize::try_from(signal - 1).ok().and_then(|index| NAMES.get(index));
    known.map_or_else(|| format!("signal {signal}"), |name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(raw: i32) -> Failure {
        of(Ok(ExitStatus::from_raw(raw)), None, || Some("boom".to_owned())).unwrap_err()
    }

    #[test]
    fn codes_and_signals_are_named_with_the_last_words() {
        let nonzero = failure(3 << 8);
        assert_eq!(nonzero.code, "exit_nonzero");
        assert_eq!(nonzero.message, "the exit code is 3, expected 0; the last line of stderr is `boom`");
        let signal = failure(9);
        assert_eq!(signal.code, "signal");
        assert_eq!(signal.message, "the process was ended by SIGKILL; the last line of stderr is `boom`");
        assert!(failure(40).message.contains("signal 40"));
    }

    #[test]
    fn shells_and_we_count_signals_alike() {
        assert_eq!(exit_code(ExitStatus::from_raw(9)), Some(137));
        assert_eq!(exit_code(ExitStatus::from_raw(2 << 8)), Some(2));
        for code in [0, 1, 128, 129, 137, 159, 160, 255] {
            assert_eq!(exit_code(status(code)).map(i64::from), Some(code));
        }
    }

    #[test]
    fn bad_output_spoils_a_success_only() {
        let trouble = Some(&BadOutput::TooLarge);
        assert_eq!(of(Ok(ExitStatus::from_raw(0)), trouble, || None).unwrap_err().code, "bad_output");
        assert_eq!(of(Ok(ExitStatus::from_raw(1 << 8)), trouble, || None).unwrap_err().code, "exit_nonzero");
    }
}
