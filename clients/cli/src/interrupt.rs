//! Signals that end the command.
//!
//! Owns Ctrl-C, SIGTERM and SIGHUP. Never decides what they mean.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Waits for Ctrl-C and SIGTERM, and for the terminal to be gone unless whoever started us said that this is nothing to us.
#[derive(Debug)]
pub(crate) struct Interrupt {
    int: Signal,
    term: Signal,
    hup: Option<Signal>,
}

impl Interrupt {
    /// From now on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(Error::Signals);
        // `nohup` has it ignored, and so it stays.
        let hup = if is_ignored(HANGUP) { None } else { Some(listen(SignalKind::hangup())?) };
        Ok(Interrupt { int: listen(SignalKind::interrupt())?, term: listen(SignalKind::terminate())?, hup })
    }

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) {
        let hup = async {
            match &mut self.hup {
                Some(hup) => hup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
            _ = hup => {}
        }
    }
}

/// The number of SIGHUP.
const HANGUP: u32 = 1;

/// Does this process ignore the signal? See proc_pid_status(5).
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
