//! Control groups of jobs (version 2), where the machine gives this executor some.
//!
//! Owns the folder of the executor's own group: the executor moves into a leaf of it, and each held job gets another.
//! Promises that a group is killed and removed with its job, and that nothing outside of the executor's own group is
//! touched. Where there is no such thing the reason is kept, for people.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_schema::AttemptId;
use gorch_schema::settings::Bytes;
use tokio::time::{Instant, sleep};

use super::Cpus;

/// What the name of a job's group begins with.
const JOB: &str = "gorch-";
/// Where the executor itself moves: a group with groups in it must have no processes.
const EXECUTOR: &str = "gorch.executor";
/// What jobs may be held by.
const WANTED: [&str; 3] = ["memory", "cpu", "pids"];
/// The period that shares of processors are counted in, in microseconds.
const PERIOD: i64 = 100_000;
/// How long a killed group may take to be empty.
const CONFIRM: Duration = Duration::from_secs(5);

/// What one job may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) memory: Option<Bytes>,
    pub(super) cpus: Option<Cpus>,
    pub(super) pids: Option<u32>,
}

/// The executor's group.
#[derive(Debug)]
pub(super) struct Groups {
    root: PathBuf,
    /// What the names of its jobs' groups begin with: executors may share a group.
    prefix: String,
    controllers: BTreeSet<String>,
}

impl Groups {
    /// Takes the group that this process is in for its own, if it may.
    pub(super) fn find(data: &Path) -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or("the kernel has none")?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let (mount, top) = mounts.lines().find_map(mounted).ok_or("they are not mounted")?;
        let below = own.strip_prefix(top.trim_end_matches('/')).ok_or("this executor's is not mounted")?;
        let mut root = Path::new(mount).join(below.trim_start_matches('/'));
        if root.ends_with(EXECUTOR) {
            root.pop();
        }
        let tag = fs::metadata(data).map_err(|error| error.to_string())?.ino();
        Groups::open(root, format!("{JOB}{tag:x}-"))
    }

    fn open(root: PathBuf, prefix: String) -> Result<Self, String> {
        let said = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        let list = |file: &str| {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect::<BTreeSet<String>>()
        };
        let leaf = root.join(EXECUTOR);
        fs::create_dir(&leaf)
            .or_else(|error| if leaf.is_dir() { Ok(()) } else { Err(error) })
            .map_err(said("it is not this executor's to divide"))?;
        fs::write(leaf.join("cgroup.procs"), std::process::id().to_string())
            .map_err(said("the executor cannot move into a group of its own"))?;
        for wanted in WANTED.iter().filter(|wanted| list("cgroup.controllers").contains(**wanted)) {
            // What cannot be had is seen below.
            let _ = fs::write(root.join("cgroup.subtree_control"), format!("+{wanted}"));
        }
        for entry in fs::read_dir(&root).map_err(said("it cannot be listed"))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // Those of an executor before this one; one with processes in it stays.
                let _ = fs::remove_dir(entry.path());
            }
        }
        let controllers = list("cgroup.subtree_control");
        Ok(Groups { controllers, root, prefix })
    }

    /// One that is there already.
    pub(super) fn found(&self, attempt: AttemptId) -> Option<Group> {
        let path = self.root.join(format!("{}{attempt}", self.prefix));
        path.is_dir().then_some(Group(path))
    }

    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.contains(controller)
    }

    /// A group for one job. Shares that no controller counts are left out.
    pub(super) fn make(&self, attempt: AttemptId, share: &Share) -> io::Result<Group> {
        let group = Group(self.root.join(format!("{}{attempt}", self.prefix)));
        fs::create_dir(group.path()).or_else(|error| if group.path().is_dir() { Ok(()) } else { Err(error) })?;
        let set = |controller: &str, file: &str, value: Option<String>| match value {
            Some(value) if self.has(controller) => fs::write(group.path().join(file), value),
            Some(_) | None => Ok(()),
        };
        set("memory", "memory.max", share.memory.map(|Bytes(bytes)| bytes.to_string()))?;
        let quota = |Cpus(billionths): Cpus| (billionths / (1_000_000_000 / PERIOD)).max(1_000);
        set("cpu", "cpu.max", share.cpus.map(|cpus| format!("{} {PERIOD}", quota(cpus))))?;
        set("pids", "pids.max", share.pids.map(|pids| pids.to_string()))?;
        // Swap would be memory by another name; not every kernel counts it.
        let _ = set("memory", "memory.swap.max", share.memory.map(|_| "0".to_owned()));
        Ok(group)
    }
}

/// Where a line of `mountinfo` mounts control groups of version 2, and from which group on.
fn mounted(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (top, mount) = (fields.next()?, fields.next()?);
    (after.split(' ').next() == Some("cgroup2")).then_some((mount, top))
}

/// One job's group; removed with this, if it is empty.
#[derive(Debug)]
pub(crate) struct Group(PathBuf);

impl Group {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Was something in it killed for its memory?
    pub(crate) fn is_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count != "0"))
    }

    /// Kills what is left in it. Gives what could not be seen to end, in words.
    pub(crate) async fn end(self) -> Vec<String> {
        let deadline = Instant::now() + CONFIRM;
        while !self.is_empty() {
            if Instant::now() > deadline {
                return vec![format!("the control group `{}`", self.0.display())];
            }
            // Kernels before 5.14 cannot; their jobs are found by their environment.
            let _ = fs::write(self.0.join("cgroup.kill"), "1");
            sleep(Duration::from_millis(5)).await;
        }
        Vec::new()
    }

    fn is_empty(&self) -> bool {
        let events = fs::read_to_string(self.0.join("cgroup.events")).unwrap_or_default();
        !events.lines().any(|line| line == "populated 1")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that is not empty is removed by the next start.
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_version_2_is_found_among_others() {
        let two = "35 24 0:30 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(mounted(two), Some(("/sys/fs/cgroup/unified", "/")));
        assert_eq!(mounted("36 24 0:31 / /sys/fs/cgroup/cpu rw shared:1 - cgroup cgroup rw,cpu"), None);
        let part = "35 24 0:30 /../.. /sys/fs/cgroup rw - cgroup2 cgroup rw";
        assert_eq!(mounted(part), Some(("/sys/fs/cgroup", "/../..")));
        assert_eq!(mounted("nonsense"), None);
    }
}
