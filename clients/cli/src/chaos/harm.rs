//! Who was harmed, and when.
//!
//! Owns the book of what was done to the house. Promises that it excuses nobody for what was done to somebody else, or at
//! another time. Never does any harm.

use std::process::ExitStatus;
use std::time::Duration;

use gorch_schema::Timestamp;

use super::fault::{Fault, Whose};
use super::process::Fall;

/// What is over has consequences for so long: whoever was away comes back, and says what it lost.
const AFTER: Duration = Duration::from_secs(10);
/// Nothing is wrong for longer than this, with its consequences.
const LONGEST: Duration = Duration::from_secs(60);
/// Whoever serves serves by then: later its store is waited for. Its start is not.
const START: Duration = Duration::from_secs(30);
/// How a service says that it cannot start.
const NO_START: i32 = 1;

/// What was done to the house.
#[derive(Debug, Default)]
pub(super) struct Harm {
    /// By the time at which they began.
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    fault: Fault,
    from: Timestamp,
    /// Nothing: it goes on.
    to: Option<Timestamp>,
}

impl Harm {
    pub(super) fn begin(&mut self, fault: Fault, now: Timestamp) {
        self.spans.push(Span { fault, from: now, to: None });
    }

    pub(super) fn end(&mut self, fault: Fault, now: Timestamp) {
        if let Some(span) = self.spans.iter_mut().rev().find(|span| span.fault == fault && span.to.is_none()) {
            span.to = Some(now);
        }
    }

    pub(super) fn end_all(&mut self, now: Timestamp) {
        self.spans.iter_mut().filter(|span| span.to.is_none()).for_each(|span| span.to = Some(now));
    }

    /// Was such a thing done, or did it have consequences, between these?
    fn was(&self, (from, to): (Timestamp, Timestamp), such: impl Fn(Fault) -> bool) -> bool {
        let begun = self.spans.partition_point(|span| span.from <= to);
        let recent = self.spans[..begun].iter().rev().take_while(|span| span.from.after(LONGEST) >= from);
        let mut such = recent.filter(|span| such(span.fault));
        such.any(|span| span.to.is_none_or(|to| to.after(AFTER) >= from))
    }

    /// May what this executor did between these be lost?
    pub(super) fn may_lose(&self, executor: usize, between: (Timestamp, Timestamp)) -> bool {
        self.was(between, |fault| match fault {
            Fault::KillExecutor(one)
            | Fault::FreezeExecutor(one)
            | Fault::CutBeats { executor: one, .. }
            | Fault::CutWork(one)
            | Fault::Disk { whose: Whose::Executor(one), .. } => one == executor,
            Fault::KillOrchestrator(_)
            | Fault::FreezeOrchestrator(_)
            | Fault::CutStore(_)
            | Fault::Disk { whose: Whose::Orchestrator(_), .. }
            | Fault::BreakAll => false,
        })
    }

    /// Could somebody not write to his disk between these?
    pub(super) fn had_no_disk(&self, who: Whose, between: (Timestamp, Timestamp)) -> bool {
        self.was(between, |fault| matches!(fault, Fault::Disk { whose, .. } if whose == who))
    }

    /// Had somebody reason to end by himself? Nobody has but he who cannot start: his disk fails, or his store is away. A
    /// database may be away by itself.
    pub(super) fn may_fall(&self, who: Whose, fall: &Fall, has_database: bool) -> bool {
        let Fall { since, seen, status } = *fall;
        says_no_start(status)
            && (self.had_no_disk(who, (since, seen))
                || matches!(who, Whose::Orchestrator(_)) && has_database && seen.since(since) <= START)
    }
}

fn says_no_start(status: ExitStatus) -> bool {
    status.code() == Some(NO_START)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::super::fault::Trouble;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn only_whoever_was_harmed_at_that_time_may_lose_something() {
        let mut harm = Harm::default();
        harm.begin(Fault::KillOrchestrator(1), at(90));
        harm.begin(Fault::KillExecutor(1), at(100));
        harm.end(Fault::KillExecutor(1), at(101));
        harm.begin(Fault::BreakAll, at(102));
        assert!(harm.may_lose(1, (at(99), at(103))));
        assert!(harm.may_lose(1, (at(105), at(106))), "what it had is reported when it is back");
        assert!(!harm.may_lose(0, (at(99), at(103))), "another executor was harmed");
        assert!(!harm.may_lose(1, (at(98), at(99))), "it was harmed later");
        assert!(!harm.may_lose(1, (at(120), at(121))), "it was harmed long before");
        harm.begin(Fault::CutBeats { executor: 0, orchestrator: 1 }, at(200));
        assert!(harm.may_lose(0, (at(209), at(210))), "it goes on");
        harm.end_all(at(211));
        assert!(!harm.may_lose(0, (at(230), at(240))));
    }

    #[test]
    fn nobody_falls_by_himself_but_who_cannot_start() {
        let mut harm = Harm::default();
        let fall =
            |status: i32, seen: i64| Fall { since: at(10), seen: at(seen), status: ExitStatus::from_raw(status) };
        let (one, panic, segfault) = (1 << 8, 101 << 8, 11);
        let (orchestrator, executor) = (Whose::Orchestrator(0), Whose::Executor(0));
        assert!(harm.may_fall(orchestrator, &fall(one, 12), true), "its database may be away");
        assert!(!harm.may_fall(orchestrator, &fall(one, 12), false), "its file is not");
        assert!(!harm.may_fall(orchestrator, &fall(one, 90), true), "it served already");
        assert!(!harm.may_fall(executor, &fall(one, 12), true), "it has no database");
        for whose in [orchestrator, executor] {
            harm.begin(Fault::Disk { whose, trouble: Trouble::Full }, at(11));
        }
        assert!(harm.may_fall(executor, &fall(one, 12), false));
        for who in [orchestrator, executor] {
            assert!(!harm.may_fall(who, &fall(panic, 12), true), "a disk is no reason to panic");
            assert!(!harm.may_fall(who, &fall(segfault, 12), true));
        }
    }
}
