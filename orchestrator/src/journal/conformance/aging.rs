//! What is old and may go, what must stay, and that it goes in bites.

use std::sync::Arc;

use gorch_schema::view::State;
use gorch_schema::work::{Excerpt, Logs};
use gorch_schema::{AttemptKey, NodeId, RunId, StepId};

use super::given::{accept, at, ended, goes_on, run, summary};
use crate::journal::{Append, AttemptLogs, Clear, Cursor, Ends, Error, Journal, Old};

/// A run that refers to others.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kin {
    pub(crate) parent: Option<u32>,
    pub(crate) rerun_of: Option<u32>,
    pub(crate) undo_of: Option<u32>,
}

/// Run n is accepted and refers to others.
pub(crate) fn accept_kin(n: u32, kin: Kin) -> Append {
    let [parent, rerun_of, undo_of] = [kin.parent, kin.rerun_of, kin.undo_of].map(|of| of.map(run));
    let summary = gorch_schema::view::RunSummary { parent, rerun_of, undo_of, ..summary(n, State::Running) };
    Append { summary: Some(summary), ..accept(n) }
}

fn part_of(n: u32) -> Kin {
    Kin { parent: Some(n), ..Kin::default() }
}

fn repeats(n: u32) -> Kin {
    Kin { rerun_of: Some(n), ..Kin::default() }
}

fn takes_back(n: u32) -> Kin {
    Kin { undo_of: Some(n), ..Kin::default() }
}

async fn accepted(journal: &dyn Journal, n: u32, kin: Kin) {
    journal.append(accept_kin(n, kin)).await.unwrap();
}

/// Run n ends at second n + 2.
async fn ends(journal: &dyn Journal, n: u32) {
    journal.append(ended(n, journal.head(run(n)).await.unwrap().last)).await.unwrap();
}

async fn old(journal: &dyn Journal, old: Old, before: u32) -> Vec<RunId> {
    journal.ends(old, at(before), None, 100).await.unwrap().runs
}

fn attempt(number: u32) -> AttemptKey {
    AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: number }
}

fn wrote(attempts: u32) -> Vec<AttemptLogs> {
    let stdout = Excerpt { head: "hello\n".into(), ..Excerpt::default() };
    let logs = Logs { stdout, ..Logs::default() };
    (1..=attempts).map(|number| AttemptLogs { attempt: attempt(number), logs: logs.clone() }).collect()
}

pub(crate) async fn old_runs_are_found_in_the_order_of_their_ends_page_by_page(journal: Arc<dyn Journal>) {
    for n in 1..=6 {
        accepted(&*journal, n, Kin::default()).await;
    }
    // Run n ends at second n + 2, whenever that is written; run 6 goes on.
    for n in [4, 2, 5, 1, 3] {
        ends(&*journal, n).await;
    }
    assert_eq!(old(&*journal, Old::Runs, 100).await, [1, 2, 3, 4, 5].map(run));
    assert_eq!(old(&*journal, Old::Runs, 5).await, [1, 2].map(run), "run 3 ended at second 5, not before it");
    let first = journal.ends(Old::Runs, at(100), None, 2).await.unwrap();
    assert_eq!(first.runs, [1, 2].map(run));
    // Between two pages one of the first is forgotten, and so is one of the next.
    journal.forget(run(2), at(50)).await.unwrap();
    journal.forget(run(3), at(50)).await.unwrap();
    let second = journal.ends(Old::Runs, at(100), first.next, 2).await.unwrap();
    assert_eq!(second, Ends { runs: vec![run(4), run(5)], next: None });
}

pub(crate) async fn a_run_that_a_live_one_needs_stays(journal: Arc<dyn Journal>) {
    accepted(&*journal, 1, Kin::default()).await;
    ends(&*journal, 1).await;
    for (n, kin) in [(2, repeats(1)), (3, takes_back(1)), (4, part_of(1))] {
        accepted(&*journal, n, kin).await;
        assert!(!old(&*journal, Old::Runs, 100).await.contains(&run(1)), "{kin:?}");
        match journal.forget(run(1), at(50)).await {
            Err(Error::ReferredTo { run: asked, by }) => assert_eq!((asked, by), (run(1), run(n)), "{kin:?}"),
            other => panic!("{kin:?}: {other:?}"),
        }
        assert_eq!(journal.head(run(1)).await.unwrap().last, 2, "a refusal leaves no trace");
        ends(&*journal, n).await;
    }
    // All have ended: the part goes with the run, the others are runs of their own.
    assert_eq!(old(&*journal, Old::Runs, 100).await, [1, 2, 3].map(run));
    assert_eq!(journal.forget(run(1), at(50)).await.unwrap(), [run(1), run(4)]);
    assert!(matches!(journal.head(run(4)).await, Err(Error::Forgotten { .. })));
    assert_eq!(old(&*journal, Old::Runs, 100).await, [2, 3].map(run));
}

pub(crate) async fn parts_stay_while_the_run_that_they_are_parts_of_is_needed(journal: Arc<dyn Journal>) {
    // 1 has the part 2, which has the part 3; 4 is by itself.
    for (n, kin) in [(1, Kin::default()), (2, part_of(1)), (3, part_of(2)), (4, Kin::default())] {
        accepted(&*journal, n, kin).await;
    }
    for n in [3, 2, 4] {
        ends(&*journal, n).await;
    }
    // The first has not ended.
    assert_eq!(old(&*journal, Old::Runs, 100).await, [run(4)]);
    for n in [2, 3] {
        assert!(matches!(journal.forget(run(n), at(50)).await, Err(Error::ReferredTo { by, .. }) if by == run(1)));
    }
    ends(&*journal, 1).await;
    assert_eq!(old(&*journal, Old::Runs, 100).await, [1, 4].map(run), "parts go with what they are parts of");
    assert_eq!(old(&*journal, Old::Runs, 5).await, [], "the part 3 is not older than second 5, so 1 is not");
    // 5 repeats the whole, and will want what its parts came to.
    accepted(&*journal, 5, repeats(1)).await;
    assert_eq!(old(&*journal, Old::Runs, 100).await, [run(4)]);
    for n in 1..=3 {
        assert!(matches!(journal.forget(run(n), at(50)).await, Err(Error::ReferredTo { by, .. }) if by == run(5)));
    }
    ends(&*journal, 5).await;
    // Somebody may delete a part of what has ended; its own parts go with it.
    assert_eq!(journal.forget(run(2), at(50)).await.unwrap(), [2, 3].map(run));
    assert_eq!(journal.forget(run(1), at(51)).await.unwrap(), [run(1)]);
}

pub(crate) async fn logs_of_old_runs_go_by_themselves(journal: Arc<dyn Journal>) {
    for n in 1..=4 {
        accepted(&*journal, n, Kin::default()).await;
    }
    for n in [1, 2, 4] {
        journal.append(Append { logs: wrote(2), ..goes_on(n, 1, 1) }).await.unwrap();
    }
    for n in 1..=3 {
        ends(&*journal, n).await;
    }
    accepted(&*journal, 5, repeats(2)).await;
    // 2 is needed, 3 wrote nothing, 4 has not ended.
    assert_eq!(old(&*journal, Old::Logs, 100).await, [run(1)]);
    assert_eq!(old(&*journal, Old::Logs, 3).await, []);
    assert!(matches!(journal.clear(Clear::Logs(run(2))).await, Err(Error::ReferredTo { by, .. }) if by == run(5)));
    assert!(matches!(journal.clear(Clear::Logs(run(4))).await, Err(Error::NotEnded { .. })));
    assert!(matches!(journal.clear(Clear::Logs(run(9))).await, Err(Error::Unknown { .. })));
    let cleared = journal.clear(Clear::Logs(run(1))).await.unwrap();
    assert_eq!((cleared.rows, cleared.has_more), (2, false));
    assert_eq!(journal.logs(run(1), attempt(1)).await.unwrap(), None);
    assert_eq!(journal.read(run(1), 0, 9).await.unwrap().len(), 3, "the run itself stays");
    assert!(journal.logs(run(2), attempt(2)).await.unwrap().is_some());
    assert_eq!(old(&*journal, Old::Logs, 100).await, []);
}

pub(crate) async fn what_is_left_of_forgotten_runs_goes_in_bites_out_of_sight(journal: Arc<dyn Journal>) {
    accepted(&*journal, 1, Kin::default()).await;
    accepted(&*journal, 2, Kin::default()).await;
    let rows = (1..=1_500).map(|after| goes_on(1, after, 1)).collect();
    for appended in journal.append_all(rows) {
        appended.await.unwrap();
    }
    journal.append(Append { logs: wrote(900), ..goes_on(1, 1_501, 1) }).await.unwrap();
    ends(&*journal, 1).await;
    let feed = async || {
        let feed = journal.feed(Default::default(), Cursor(0), 9).await.unwrap();
        feed.rows.iter().map(|row| row.run).collect::<Vec<_>>()
    };
    let tail = *journal.tail().borrow();
    journal.forget(run(1), at(50)).await.unwrap();
    let mut bites = 0;
    loop {
        assert_eq!(feed().await, [run(2)], "after {bites} bites");
        assert!(matches!(journal.logs(run(1), attempt(1)).await, Err(Error::Forgotten { .. })));
        assert_eq!(journal.size().await.unwrap().runs, 1);
        let bite = journal.clear(Clear::Leftovers).await.unwrap();
        assert!(bite.rows <= 128, "{bite:?}");
        bites += 1;
        if !bite.has_more {
            break;
        }
    }
    assert_eq!(journal.clear(Clear::Leftovers).await.unwrap(), Default::default(), "once is enough");
    journal.append(goes_on(2, 1, 1)).await.unwrap();
    assert_eq!(*journal.tail().borrow(), Cursor(tail.0 + 1), "no place is given out again");
}

pub(crate) async fn that_a_run_existed_is_forgotten_some_day(journal: Arc<dyn Journal>) {
    for n in 1..=4 {
        accepted(&*journal, n, Kin::default()).await;
        ends(&*journal, n).await;
    }
    for n in 1..=3 {
        journal.forget(run(n), at(10 * n)).await.unwrap();
    }
    assert_eq!(journal.clear(Clear::Traces(at(20))).await.unwrap().rows, 1);
    assert!(matches!(journal.head(run(1)).await, Err(Error::Unknown { .. })));
    assert!(matches!(journal.head(run(2)).await, Err(Error::Forgotten { .. })));
    assert!(matches!(journal.head(run(3)).await, Err(Error::Forgotten { .. })));
    assert!(journal.head(run(4)).await.is_ok());
}

pub(crate) async fn its_size_is_known(journal: Arc<dyn Journal>) {
    for n in 1..=3 {
        accepted(&*journal, n, Kin::default()).await;
    }
    ends(&*journal, 2).await;
    let size = journal.size().await.unwrap();
    assert_eq!((size.runs, size.ended), (3, 1));
    assert!(size.bytes <= size.file);
    journal.forget(run(2), at(9)).await.unwrap();
    let size = journal.size().await.unwrap();
    assert_eq!((size.runs, size.ended), (2, 0));
}
