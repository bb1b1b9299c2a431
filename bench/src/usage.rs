//! What a process uses, as the kernel accounts for it.
//!
//! Owns the reading of proc(5). Promises: of a process that is gone everything is zero.

use std::fs;
use std::time::Duration;

/// Processor time that a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// Its own, user and system.
    pub(crate) own: Duration,
    /// That of its children which it has waited for.
    pub(crate) children: Duration,
}

/// Fields 14 to 17 of `stat`, in ticks of 10 ms.
pub(crate) fn cpu(pid: u32) -> Cpu {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    let ticks = |at: usize| Duration::from_millis(10 * fields.get(at).copied().unwrap_or(0));
    Cpu { own: ticks(11) + ticks(12), children: ticks(13) + ticks(14) }
}

/// Processor time of this process and of its children that it waited for.
pub(crate) fn here() -> Duration {
    let cpu = cpu(std::process::id());
    cpu.own + cpu.children
}

/// Processor time of a process, of its children that live, and of those that it has waited for.
pub(crate) fn family(pid: u32) -> Duration {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let of_parent = |child: &u32| of_status(&format!("/proc/{child}/status"), "PPid:") == u64::from(pid);
    let living: Duration = pids.filter(of_parent).map(|child| cpu(child).own).sum();
    let Cpu { own, children } = cpu(pid);
    own + children + living
}

/// Bytes of a process that are in memory right now.
pub(crate) fn resident(pid: u32) -> u64 {
    of_status(&format!("/proc/{pid}/status"), "VmRSS:") * 1024
}

/// The most bytes that were in memory since the process began, or since [`forget_peak`].
pub(crate) fn peak(pid: u32) -> u64 {
    of_status(&format!("/proc/{pid}/status"), "VmHWM:") * 1024
}

/// The peak is counted from now on.
pub(crate) fn forget_peak(pid: u32) {
    // Where this is not allowed the peak is that of the whole life, which is never better.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// What the threads of a process did so far: finer than [`cpu`], but without those that have ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Activity {
    /// Time on a processor.
    pub(crate) busy: Duration,
    /// How often one of them went to sleep by itself, and so was woken.
    pub(crate) wakeups: u64,
}

/// Of all threads that live.
pub(crate) fn activity(pid: u32) -> Activity {
    let mut sum = Activity::default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let path = task.path();
        let ran = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let nanos = ran.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
        sum.busy += Duration::from_nanos(nanos);
        sum.wakeups += of_status(&path.join("status").to_string_lossy(), "voluntary_ctxt_switches:");
    }
    sum
}

/// The number behind `name` in a file of the form of `status`.
fn of_status(path: &str, name: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let pid = std::process::id();
        assert!(resident(pid) > 0 && peak(pid) >= resident(pid) / 2);
        assert!(activity(pid).busy > Duration::ZERO);
    }
}
