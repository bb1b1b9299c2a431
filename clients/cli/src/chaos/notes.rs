//! What the nodes wrote themselves.
//!
//! Owns the reading of it. Promises that what cannot be read is never taken for nothing: what began, how often, and whether
//! it ended, stands there or nowhere. Never asks anybody.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use gorch_schema::{AttemptId, AttemptKey, NodeId, RunId, StepId};

/// What became of one step, as its processes said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Step {
    begun: u32,
    ended: u32,
    /// The attempt that began last, and the one that ended last.
    last: (u32, u32),
}

/// All that was written.
#[derive(Debug, Default)]
pub(super) struct Notes {
    steps: BTreeMap<(RunId, StepId), Step>,
    /// Lines that no node can have written.
    pub(super) strange: Vec<String>,
}

impl Notes {
    pub(super) fn read(path: &Path) -> io::Result<Notes> {
        let mut notes = Notes::default();
        for line in std::fs::read_to_string(path)?.lines() {
            let read = line.split_once(' ').and_then(|(attempt, what)| Some((attempt.parse().ok()?, what)));
            let Some((AttemptId { run, key: AttemptKey { step, attempt, .. } }, what)) = read else {
                notes.strange.push(line.to_owned());
                continue;
            };
            let of = notes.steps.entry((run, step)).or_default();
            match what {
                "begin" => (of.begun, of.last.0) = (of.begun + 1, attempt),
                "end" => (of.ended, of.last.1) = (of.ended + 1, attempt),
                _ => notes.strange.push(line.to_owned()),
            }
        }
        Ok(notes)
    }

    /// Whose runs these are.
    pub(super) fn runs(&self) -> impl Iterator<Item = RunId> {
        self.steps.keys().map(|(run, _)| *run)
    }

    /// Each of them may begin once, since none says that it may begin again; and end once.
    pub(super) fn twice(&self) -> impl Iterator<Item = String> {
        let twice = self.steps.iter().filter(|(_, step)| step.begun > 1 || step.ended > 1);
        twice.map(|((run, step), _)| format!("{run}.{step}"))
    }

    /// What a run whose nodes have all succeeded has not done: the one beginning and the one end of each, of one attempt.
    pub(super) fn missing(&self, run: RunId, nodes: u32) -> Vec<String> {
        let step = |node: u32| {
            let key = StepId { node: NodeId(node), visit: 0 };
            self.steps.get(&(run, key)).copied().unwrap_or_default()
        };
        let all = (0..nodes).map(|node| (node, step(node)));
        let odd = all.filter(|(_, step)| (step.begun, step.ended) != (1, 1) || step.last.0 != step.last.1);
        odd.map(|(node, step)| format!("node {node} has begun {} times and ended {}", step.begun, step.ended)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0000000000000000000000000000000a";

    fn read(lines: &str) -> Notes {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.replace("RUN", RUN)).unwrap();
        Notes::read(file.path()).unwrap()
    }

    #[test]
    fn whoever_begins_twice_is_seen() {
        let notes = read("RUN.0.0.0.1 begin\nRUN.0.0.0.1 end\nRUN.1.0.0.1 begin\nRUN.1.0.0.2 begin\n");
        assert_eq!(notes.twice().collect::<Vec<_>>(), [format!("{RUN}.1.0")]);
        assert_eq!(notes.runs().count(), 2);
        assert!(notes.strange.is_empty());
    }

    #[test]
    fn whoever_has_not_done_what_he_is_said_to_have_done_is_seen() {
        let run = RUN.parse().unwrap();
        let whole = "RUN.0.0.0.1 begin\nRUN.0.0.0.1 end\n";
        assert!(read(whole).missing(run, 1).is_empty());
        // An attempt that never began may be followed by one that did.
        assert!(read("RUN.0.0.0.2 begin\nRUN.0.0.0.2 end\n").missing(run, 1).is_empty());
        assert_eq!(read("").missing(run, 2).len(), 2, "nothing was written");
        assert_eq!(read(whole).missing(run, 2), ["node 1 has begun 0 times and ended 0"]);
        assert_eq!(read("RUN.0.0.0.1 begin\n").missing(run, 1).len(), 1, "it has not ended");
        assert_eq!(read("RUN.0.0.0.1 end\n").missing(run, 1).len(), 1, "it has not begun");
        assert_eq!(read("RUN.0.0.0.1 begin\nRUN.0.0.0.2 end\n").missing(run, 1).len(), 1, "another ended");
    }

    #[test]
    fn what_cannot_be_read_is_not_nothing() {
        assert!(Notes::read(Path::new("/nowhere/notes")).is_err());
        assert_eq!(read("RUN.0.0.0.1 perhaps\nbegin\n\0\0\0 end\n").strange.len(), 3);
    }
}
