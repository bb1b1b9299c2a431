//! Disks that fail.
//!
//! Owns the tool that lets what a process writes fail: `strace` answers those calls in the kernel's place, with the error
//! of a disk that is full or broken. Promises that such a call has written nothing, that only calls on the named files
//! fail, and that the process goes on as if nothing had been when it is over. Never attaches to what chaos did not start.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::bound;
use super::fault::Trouble;
use crate::error::Error;

/// What writes, and what makes it durable.
const CALLS: &str = "write,pwrite64,writev,pwritev,ftruncate,fallocate,fsync,fdatasync";
/// It attaches within milliseconds, or says why it cannot.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// A disk that fails, for one process.
#[derive(Debug)]
pub(super) struct Failing {
    tool: Child,
}

impl Failing {
    /// From now on what this process writes to these files fails. Nothing: the tool is not there, or may not; what it says
    /// is in `log`.
    pub(super) async fn begin(
        process: u32,
        files: &[PathBuf],
        trouble: Trouble,
        log: &Path,
    ) -> Result<Option<Failing>, Error> {
        let error = match trouble {
            Trouble::Full => "ENOSPC",
            Trouble::Broken => "EIO",
        };
        let said = File::options().create(true).append(true).open(log);
        let said = said.map_err(|source| Error::Write { path: log.to_owned(), source })?;
        let mut command = bound::command("strace");
        // All its threads, and those to come.
        command.args(["-f", "-o", "/dev/null", "-p", &process.to_string()]);
        command.args(files.iter().flat_map(|file| ["-P".as_ref(), file.as_os_str()]));
        command.args(["-e", &format!("trace={CALLS}"), "-e", &format!("inject={CALLS}:error={error}")]);
        let tool = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
        let Ok(tool) = tool else { return Ok(None) };
        let mut failing = Failing { tool };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !failing.is_over() {
            if tracer(process) == Some(failing.tool.id()) {
                return Ok(Some(failing));
            }
            sleep(PAUSE).await;
        }
        Ok(None)
    }

    fn is_over(&mut self) -> bool {
        !matches!(self.tool.try_wait(), Ok(None))
    }
}

impl Drop for Failing {
    /// The kernel lets go of whom it traced. Asked to do that itself, it waits for a process that waits for a child that it
    /// has stopped. Whoever is in the middle of a call gets an error all the same.
    fn drop(&mut self) {
        // It may be over by itself.
        let _ = self.tool.kill();
        let _ = self.tool.wait();
    }
}

/// Who traces a process; see proc_pid_status(5).
fn tracer(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A shell that writes to two files, over and over, and says in a third which of both took it.
    const WRITER: &str = "while :; do
        { echo x >>one; } 2>/dev/null && a=yes || a=no
        { echo x >>two; } 2>/dev/null && b=yes || b=no
        echo $a $b >>said; sleep 0.01
    done";

    async fn says(folder: &Path, last: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let said = fs::read_to_string(folder.join("said")).unwrap_or_default();
            if said.lines().next_back() == Some(last) {
                return;
            }
            assert!(Instant::now() < deadline, "it says `{last}`: {said}");
            sleep(PAUSE).await;
        }
    }

    #[tokio::test]
    async fn what_is_written_to_a_failing_disk_fails_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Command::new("sh").args(["-c", WRITER]).current_dir(folder.path()).spawn().unwrap();
        says(folder.path(), "yes yes").await;
        let files = [folder.path().join("one")];
        for trouble in [Trouble::Full, Trouble::Broken] {
            let failing = Failing::begin(writer.id(), &files, trouble, &folder.path().join("log")).await.unwrap();
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            let failing = failing.unwrap_or_else(|| panic!("this test needs strace, and leave to trace: {}", log()));
            says(folder.path(), "no yes").await;
            drop(failing);
            says(folder.path(), "yes yes").await;
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
}
