//! Processes of the machine, as the tests see them.
//!
//! Owns the look into /proc: who carries a mark in its environment, how much processor time a process has used.

use std::fs;
use std::time::Duration;

/// The processes whose environment holds `mark`, zombies left out.
pub fn marked(mark: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != std::process::id() as i32)
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.windows(mark.len()).any(|window| window == mark.as_bytes())
        })
        .collect()
}

/// Processor time that a process has used so far, user and system.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // Fields 14 and 15 of proc(5), counted from the state behind the name; in clock ticks, 100 a second on Linux.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}
