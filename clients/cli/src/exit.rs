//! Exit codes: what a script can rely on.
//!
//! Owns the numbers and their table in `--help`. Promises: a number never changes its meaning.

use std::process::ExitCode;

use gorch_schema::view::State;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Anything that has no number of its own.
    Error = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such run, node or file.
    NotFound = 3,
    /// The identity may not do this.
    NotAllowed = 4,
    /// The run that was waited for failed.
    RunFailed = 5,
    /// The run that was waited for was cancelled.
    Cancelled = 6,
    /// The run had not ended when the patience did.
    WaitTimedOut = 7,
    /// Nobody answers.
    Unreachable = 8,
    /// Ctrl-C.
    Interrupted = 130,
}

/// The table in `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done; the run that was waited for succeeded
  1    error
  2    the command line is wrong
  3    no such run or node
  4    the identity of the certificate may not do this
  5    the run that was waited for failed
  6    the run that was waited for was cancelled
  7    the run had not ended when --timeout did
  8    the orchestrator cannot be reached
  130  interrupted; a run goes on without its watcher";

impl Exit {
    /// How watching a run that ended in this state ends.
    pub(crate) fn of_run(state: Option<State>) -> Self {
        match state {
            Some(State::Success) => Exit::Ok,
            Some(State::Canceled) => Exit::Cancelled,
            Some(State::Failure | State::Timeout | State::NotRunnable) => Exit::RunFailed,
            Some(State::Initial | State::ToRun | State::Running) | None => Exit::Error,
        }
    }

    /// How a refusal with this HTTP status ends.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            404 | 410 => Exit::NotFound,
            401 | 403 => Exit::NotAllowed,
            _other => Exit::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_in_the_help() {
        let all = [
            Exit::Ok,
            Exit::Error,
            Exit::Usage,
            Exit::NotFound,
            Exit::NotAllowed,
            Exit::RunFailed,
            Exit::Cancelled,
            Exit::WaitTimedOut,
            Exit::Unreachable,
            Exit::Interrupted,
        ];
        for exit in all {
            assert!(HELP.contains(&format!("\n  {:<4} ", exit as u8)), "{exit:?}");
        }
    }

    #[test]
    fn a_watched_run_decides_the_exit_code() {
        assert_eq!(Exit::of_run(Some(State::Success)), Exit::Ok);
        assert_eq!(Exit::of_run(Some(State::Timeout)), Exit::RunFailed);
        assert_eq!(Exit::of_run(Some(State::Canceled)), Exit::Cancelled);
    }
}
