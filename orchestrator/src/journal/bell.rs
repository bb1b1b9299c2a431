//! Who wants to know that something new is durable.
//!
//! Owns the watch channels of a journal: one for all runs, one for each run that somebody follows. Promises: it rings
//! after the commit, never before; a run that nobody follows costs a look into a map. Never carries events: listeners
//! read them from the journal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gorch_schema::RunId;
use tokio::sync::watch;

use super::contract::Cursor;

/// The watch channels of one journal.
#[derive(Debug)]
pub(crate) struct Bell {
    all: watch::Sender<Cursor>,
    runs: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    senders: HashMap<RunId, watch::Sender<u64>>,
    /// Sweep out the unfollowed when there are this many: so following costs O(1) on average.
    sweep_at: usize,
}

impl Bell {
    /// A bell of a journal whose newest event is at `tail`.
    pub(crate) fn new(tail: Cursor) -> Self {
        Bell { all: watch::Sender::new(tail), runs: Mutex::default() }
    }

    pub(crate) fn tail(&self) -> watch::Receiver<Cursor> {
        self.all.subscribe()
    }

    pub(crate) fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        let mut runs = self.runs();
        if runs.senders.len() >= runs.sweep_at {
            runs.senders.retain(|_, sender| sender.receiver_count() > 0);
            runs.sweep_at = (2 * runs.senders.len()).max(64);
        }
        runs.senders.entry(run).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// These runs have these last events now, and the newest event of all is at `tail`.
    pub(crate) fn ring(&self, news: impl IntoIterator<Item = (RunId, u64)>, tail: Cursor) {
        {
            let mut runs = self.runs();
            for (run, last) in news {
                let Some(sender) = runs.senders.get(&run) else { continue };
                if sender.receiver_count() == 0 {
                    runs.senders.remove(&run);
                } else {
                    sender.send_if_modified(|known| raise(known, last));
                }
            }
        }
        self.all.send_if_modified(|known| raise(known, tail));
    }

    /// The runs that somebody follows, and what they were told last.
    pub(crate) fn followed(&self) -> Vec<(RunId, u64)> {
        let runs = self.runs();
        let followed = runs.senders.iter().filter(|(_, sender)| sender.receiver_count() > 0);
        followed.map(|(run, sender)| (*run, *sender.borrow())).collect()
    }

    /// The run is no more: its followers' channels close.
    pub(crate) fn close(&self, run: RunId) {
        self.runs().senders.remove(&run);
    }

    fn runs(&self) -> MutexGuard<'_, Followed> {
        // A map of senders is whole whatever its holder died of.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two may ring for the same news, and the later of them may know less: nobody is woken for what he knows.
fn raise<T: PartialOrd>(known: &mut T, to: T) -> bool {
    let is_news = *known < to;
    if is_news {
        *known = to;
    }
    is_news
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rung_twice_wakes_once_and_nothing_goes_back() {
        let bell = Bell::new(Cursor(0));
        let (mut mine, mut all) = (bell.follow(RunId::from_bits(1)), bell.tail());
        bell.ring([(RunId::from_bits(1), 7)], Cursor(9));
        assert_eq!((*mine.borrow_and_update(), *all.borrow_and_update()), (7, Cursor(9)));
        for (last, tail) in [(7, 9), (6, 8)] {
            bell.ring([(RunId::from_bits(1), last)], Cursor(tail));
            assert!(!mine.has_changed().unwrap() && !all.has_changed().unwrap(), "{last}");
            assert_eq!((*mine.borrow(), *all.borrow()), (7, Cursor(9)));
        }
    }

    #[test]
    fn those_who_left_are_swept_out() {
        let bell = Bell::new(Cursor(0));
        for n in 0..10_000 {
            drop(bell.follow(RunId::from_bits(n)));
        }
        assert!(bell.runs().senders.len() <= 64);
        let kept = bell.follow(RunId::from_bits(1));
        bell.ring([(RunId::from_bits(1), 7), (RunId::from_bits(2), 9)], Cursor(16));
        assert_eq!((*kept.borrow(), *bell.tail().borrow()), (7, Cursor(16)));
    }
}
