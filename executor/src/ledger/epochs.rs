//! The highest fencing epoch of each run.
//!
//! Owns the file `epochs` (`RUN EPOCH` per line; a later line wins). Promises that an epoch once seen is never undercut,
//! restarts included. A run that holds no attempt here and was not heard of for a day is dropped.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use gorch_schema::{RunId, Timestamp, planted};

use super::lines::{self, Lines};
use super::{Error, Stale};

/// How long a run without attempts is remembered, at least.
const MEMORY: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Epochs {
    path: PathBuf,
    lines: Lines,
    runs: HashMap<RunId, Seen>,
    /// When the file was last written anew.
    tidied: Timestamp,
}

struct Seen {
    epoch: u64,
    last: Timestamp,
}

impl Epochs {
    pub(super) fn open(path: PathBuf, now: Timestamp) -> Result<Self, Error> {
        let mut runs = HashMap::new();
        for (run, epoch) in lines::read(&path)?.lines().filter_map(parse) {
            let seen = runs.entry(run).or_insert(Seen { epoch, last: now });
            seen.epoch = seen.epoch.max(epoch);
        }
        let lines = Lines::rewrite(path.clone(), in_lines(&runs))?;
        Ok(Epochs { path, lines, runs, tidied: now })
    }

    /// Refuses an older epoch than the highest; notes a newer one. `held` gives the runs that have attempts here.
    pub(super) fn fence(
        &mut self,
        run: RunId,
        epoch: u64,
        now: Timestamp,
        held: impl FnOnce() -> Result<HashSet<RunId>, Error>,
    ) -> Result<Result<(), Stale>, Error> {
        if let Some(seen) = self.runs.get_mut(&run) {
            seen.last = now;
            if epoch < seen.epoch && !planted("skip_the_fence") {
                return Ok(Err(Stale { highest: seen.epoch }));
            }
            if epoch == seen.epoch {
                return Ok(Ok(()));
            }
        }
        if now.since(self.tidied) >= MEMORY {
            self.tidy(now, &held()?)?;
        }
        self.lines.append([line(run, epoch)])?;
        self.runs.insert(run, Seen { epoch, last: now });
        Ok(Ok(()))
    }

    fn tidy(&mut self, now: Timestamp, held: &HashSet<RunId>) -> Result<(), Error> {
        self.runs.retain(|run, seen| held.contains(run) || now.since(seen.last) < MEMORY);
        self.lines = Lines::rewrite(self.path.clone(), in_lines(&self.runs))?;
        self.tidied = now;
        Ok(())
    }
}

fn in_lines(runs: &HashMap<RunId, Seen>) -> impl Iterator<Item = String> {
    runs.iter().map(|(run, seen)| line(*run, seen.epoch))
}

fn line(run: RunId, epoch: u64) -> String {
    format!("{run} {epoch}")
}

fn parse(line: &str) -> Option<(RunId, u64)> {
    let (run, epoch) = line.split_once(' ')?;
    Some((run.parse().ok()?, epoch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * 3_600_000)
    }

    fn fence(epochs: &mut Epochs, run: u128, epoch: u64, now: Timestamp) -> Result<(), Stale> {
        epochs.fence(RunId::from_bits(run), epoch, now, || Ok([RunId::from_bits(7)].into())).unwrap()
    }

    #[test]
    fn an_older_epoch_is_refused_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("epochs");
        let mut epochs = Epochs::open(path.clone(), at(0)).unwrap();
        assert_eq!(fence(&mut epochs, 1, 5, at(0)), Ok(()));
        assert_eq!(fence(&mut epochs, 1, 5, at(0)), Ok(()));
        assert_eq!(fence(&mut epochs, 1, 4, at(0)), Err(Stale { highest: 5 }));
        assert_eq!(fence(&mut epochs, 2, 1, at(0)), Ok(()), "each run has its own");
        let mut again = Epochs::open(path, at(1)).unwrap();
        assert_eq!(fence(&mut again, 1, 4, at(1)), Err(Stale { highest: 5 }));
        assert_eq!(fence(&mut again, 1, 6, at(1)), Ok(()));
    }

    #[test]
    fn a_run_unheard_of_for_a_day_is_dropped_unless_it_holds_attempts() {
        let folder = tempfile::tempdir().unwrap();
        let mut epochs = Epochs::open(folder.path().join("epochs"), at(0)).unwrap();
        for run in [1, 7] {
            fence(&mut epochs, run, 5, at(0)).unwrap();
        }
        fence(&mut epochs, 3, 1, at(25)).unwrap();
        assert_eq!(fence(&mut epochs, 1, 1, at(25)), Ok(()), "dropped");
        assert_eq!(fence(&mut epochs, 7, 1, at(25)), Err(Stale { highest: 5 }), "held");
    }
}
