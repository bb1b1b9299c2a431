//! On what, with what and when it was measured.
//!
//! Owns the lines above the table.

use std::fs;
use std::process::Command;

use gorch_schema::Timestamp;

/// Machine, profile, revision, date and command, as Markdown.
pub(crate) fn described() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let gigabytes = memory.unwrap_or(0.0_f64) / (1024.0 * 1024.0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let revision = git.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("bench/run --profile {} {}", profile(), arguments.join(" "));
    let lines = [
        ("Machine", format!("{cores} cores, {}, {gigabytes:.0} GB", model.trim_start_matches(['\t', ' ', ':']))),
        ("Kernel", kernel.trim().to_owned()),
        ("Load at the start", load.to_owned()),
        ("Revision", revision),
        ("Date", now().to_string()),
        ("Command", format!("`{}`", command.trim_end())),
    ];
    lines.iter().map(|(name, value)| format!("- {name}: {value}\n")).collect()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Cargo puts each profile's programs into a folder of its name.
fn profile() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().and_then(|folder| folder.file_name());
    folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
