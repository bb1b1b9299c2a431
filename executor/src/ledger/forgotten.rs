//! The attempts that were acknowledged and forgotten, so that a late duplicate does not run one again.
//!
//! Owns two generations of ids, `forgotten` and `forgotten.old`: when the young one is an hour old, it becomes the old
//! one and the old one goes; or earlier, after half a million. So an id is remembered for one to two hours, restarts
//! included, for one line each.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_schema::{AttemptId, Timestamp};

use super::Error;
use super::lines::{self, Lines};

/// The age at which a generation is replaced.
const GENERATION: Duration = Duration::from_secs(3600);

/// So many make a generation old as well: memory is bounded, and by then an hour's late duplicates would have come.
const MOST: usize = 500_000;

pub(super) struct Forgotten {
    path: PathBuf,
    old_path: PathBuf,
    young: HashSet<AttemptId>,
    old: HashSet<AttemptId>,
    lines: Lines,
    since: Timestamp,
}

impl Forgotten {
    pub(super) fn open(data: &Path, now: Timestamp) -> Result<Self, Error> {
        let path = data.join("forgotten");
        let old_path = data.join("forgotten.old");
        let ids = |path: &Path| -> Result<HashSet<AttemptId>, Error> {
            Ok(lines::read(path)?.lines().filter_map(|line| line.parse().ok()).collect())
        };
        let (young, old) = (ids(&path)?, ids(&old_path)?);
        // The young generation's age is not known: it counts as new, which remembers longer.
        let lines = Lines::open(path.clone())?;
        Ok(Forgotten { path, old_path, young, old, lines, since: now })
    }

    pub(super) fn has(&self, id: AttemptId) -> bool {
        self.young.contains(&id) || self.old.contains(&id)
    }

    /// Remembers these: all of them, or, after an error, none for sure.
    pub(super) fn add(&mut self, ids: &[AttemptId], now: Timestamp) -> Result<(), Error> {
        if now.since(self.since) >= GENERATION || self.young.len() >= MOST {
            self.next_generation(now)?;
        }
        let fresh: Vec<AttemptId> = ids.iter().copied().filter(|id| !self.young.contains(id)).collect();
        if !fresh.is_empty() {
            self.lines.append(fresh.iter().map(AttemptId::to_string))?;
            self.young.extend(fresh);
        }
        Ok(())
    }

    fn next_generation(&mut self, now: Timestamp) -> Result<(), Error> {
        fs::rename(&self.path, &self.old_path).map_err(Error::io("rename", &self.path))?;
        self.lines = Lines::open(self.path.clone())?;
        self.old = std::mem::take(&mut self.young);
        self.since = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::{AttemptKey, NodeId, RunId, StepId};

    fn id(attempt: u32) -> AttemptId {
        AttemptKey { step: StepId { node: NodeId(1), visit: 0 }, item: 0, attempt }.of(RunId::from_bits(1))
    }

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    #[test]
    fn an_id_is_remembered_for_an_hour_at_least_and_two_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let mut forgotten = Forgotten::open(folder.path(), at(0)).unwrap();
        forgotten.add(&[id(1)], at(59)).unwrap();
        forgotten.add(&[id(2)], at(61)).unwrap();
        assert!(forgotten.has(id(1)) && forgotten.has(id(2)));
        let mut again = Forgotten::open(folder.path(), at(61)).unwrap();
        assert!(again.has(id(1)) && again.has(id(2)), "after a restart too");
        again.add(&[id(3)], at(122)).unwrap();
        assert!(!again.has(id(1)));
        assert!(again.has(id(2)) && again.has(id(3)));
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("forgotten"), format!("{}\n0000000000", id(1))).unwrap();
        let mut forgotten = Forgotten::open(folder.path(), at(0)).unwrap();
        forgotten.add(&[id(2)], at(0)).unwrap();
        let again = Forgotten::open(folder.path(), at(0)).unwrap();
        assert!(again.has(id(1)) && again.has(id(2)));
    }
}
