//! Processor time, as the kernel accounts for them.
//!
//! Owns the reading of /proc for other processes and of getrusage for this one.

use std::time::Duration;

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Its own processor time, user and system.
    pub(crate) own: Duration,
    /// That of its children which it has waited for.
    pub(crate) children: Duration,
}

/// Reads proc(5): fields 14 to 17 of `stat` in ticks of 10 ms.
pub(crate) fn of(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    let ticks = |at: usize| Duration::from_millis(10 * fields.get(at).copied().unwrap_or(0));
    Usage { own: ticks(11) + ticks(12), children: ticks(13) + ticks(14) }
}

/// Processor time of this process and of its children that it waited for.
pub(crate) fn here() -> Duration {
    let usage = of(std::process::id());
    usage.own + usage.children
}
