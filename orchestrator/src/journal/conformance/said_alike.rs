//! The plainest journal as the reference of the others: the same calls, the same answers, whatever the calls.

use gorch_schema::RunId;
use proptest::prelude::*;
use proptest::strategy::Just;

use super::aging::{Kin, accept_kin};
use super::given::{accept, at, ended, goes_on, run};
use crate::journal::memory::Memory;
use crate::journal::postgres::tests as postgres;
use crate::journal::sqlite::Sqlite;
use crate::journal::{Append, Claim, Clear, Cursor, FeedFilter, Filter, IdempotencyKey, Journal, Old};

/// One call. Runs, locks and keys are few, so that calls meet.
#[derive(Debug, Clone)]
enum Call {
    Append(Box<Append>),
    Read { run: u32, after: u64, limit: usize },
    Forget(u32),
    Ends { old: Old, before: u32, limit: usize },
    Clear(Clear),
    Key(u8),
    List { limit: usize },
    Feed { of: Option<u32>, after: u64, limit: usize },
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    let claim = (0..3u8, any::<bool>()).prop_map(|(lock, take)| {
        let lock = format!("lock {lock}");
        if take { Claim::Take(lock) } else { Claim::Release(lock) }
    });
    prop::collection::vec(claim, 0..3)
}

fn call() -> impl Strategy<Value = Call> {
    let key = prop::option::of((0..3u8, 0..2u8).prop_map(|(key, body)| IdempotencyKey {
        owner: "ann".into(),
        key: key.to_string(),
        digest: [body; 32],
    }));
    prop_oneof![
        4 => (0..6u32, key, claims()).prop_map(|(n, key, claims)| Call::Append(Box::new(Append { key, claims, ..accept(n) }))),
        6 => (0..6u32, 1..6u64, 1..4u32, claims())
            .prop_map(|(n, after, count, claims)| Call::Append(Box::new(Append { claims, ..goes_on(n, after, count) }))),
        2 => (0..6u32, 1..6u64).prop_map(|(n, after)| Call::Append(Box::new(ended(n, after)))),
        3 => related(),
        2 => (0..6u32).prop_map(Call::Forget),
        2 => (prop_oneof![Just(Old::Runs), Just(Old::Logs)], 0..10u32, 1..4usize)
            .prop_map(|(old, before, limit)| Call::Ends { old, before, limit }),
        1 => (0..6u32).prop_map(|n| Call::Clear(Clear::Logs(run(n)))),
        1 => Just(Call::Clear(Clear::Leftovers)),
        2 => (0..7u32, 0..12u64, 1..4usize).prop_map(|(run, after, limit)| Call::Read { run, after, limit }),
        1 => (0..3u8).prop_map(Call::Key),
        1 => (1..5usize).prop_map(|limit| Call::List { limit }),
        2 => (prop::option::of(0..6u32), 0..30u64, 1..5usize)
            .prop_map(|(of, after, limit)| Call::Feed { of, after, limit }),
        1 => Just(Call::List { limit: 100 }),
    ]
}

/// A run that refers to others. No run is a part of a later one.
fn related() -> impl Strategy<Value = Call> {
    let other = || prop::option::of(0..6u32);
    (0..6u32, other(), other(), other()).prop_map(|(n, parent, rerun_of, undo_of)| {
        let parent = parent.filter(|parent| *parent < n);
        Call::Append(Box::new(accept_kin(n, Kin { parent, rerun_of, undo_of })))
    })
}

/// The answer, in words that differ wherever answers differ.
async fn answer(journal: &dyn Journal, call: &Call) -> String {
    match call.clone() {
        Call::Append(append) => format!("{:?}", journal.append(*append).await),
        Call::Read { run: n, after, limit } => {
            format!("{:?} {:?}", journal.read(run(n), after, limit).await, journal.head(run(n)).await)
        }
        Call::Forget(n) => format!("{:?}", journal.forget(run(n), at(99)).await),
        Call::Ends { old, before, limit } => format!("{:?}", journal.ends(old, at(before), None, limit).await),
        // A file is cleared later than memory; that nothing else changes is what counts.
        Call::Clear(Clear::Leftovers) => format!("{:?}", journal.clear(Clear::Leftovers).await.is_ok()),
        Call::Clear(clear @ Clear::Traces(_)) => format!("{:?}", journal.clear(clear).await),
        Call::Clear(clear @ Clear::Logs(_)) => format!("{:?}", journal.clear(clear).await.map(|bite| bite.rows)),
        Call::Key(key) => format!("{:?}", journal.key("ann", &key.to_string()).await),
        Call::List { limit } => {
            let page = journal.summaries(Filter::default(), None, limit).await;
            format!("{page:?} {:?}", journal.unfinished().await)
        }
        Call::Feed { of, after, limit } => {
            let filter = FeedFilter { run: of.map(run), ..FeedFilter::default() };
            let feed = journal.feed(filter, Cursor(after), limit).await;
            format!("{feed:?} {:?}", *journal.tail().borrow())
        }
    }
}

/// Two journals hear the same.
async fn same(one: &dyn Journal, other: &dyn Journal, index: usize, call: &Call) {
    assert_eq!(answer(one, call).await, answer(other, call).await, "call {index}: {call:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn postgresql_answers_every_call_as_memory_does(calls in prop::collection::vec(call(), 1..80), close_at in 0..80usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let address = postgres::cluster().database();
            let (memory, mut journal) = (Memory::new(), postgres::journal(&address, "one").await);
            for (index, call) in calls.iter().enumerate() {
                if index == close_at {
                    drop(journal);
                    journal = postgres::journal(&address, "one").await;
                }
                same(&journal, &memory, index, call).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_every_call_as_memory_does(calls in prop::collection::vec(call(), 1..80), close_at in 0..80usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (memory, mut sqlite) = (Memory::new(), Sqlite::open(folder.path()).unwrap());
            for (index, call) in calls.iter().enumerate() {
                if index == close_at {
                    drop(sqlite);
                    sqlite = Sqlite::open(folder.path()).unwrap();
                }
                same(&sqlite, &memory, index, call).await;
            }
        });
    }

    #[test]
    fn whatever_happens_no_live_run_goes_and_none_that_it_needs(calls in prop::collection::vec(call(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let journal = Sqlite::open(folder.path()).unwrap();
            for call in &calls {
                let before = journal.summaries(Filter::default(), None, 100).await.unwrap().runs;
                let live = journal.unfinished().await.unwrap();
                answer(&journal, call).await;
                // What retention does: it forgets what it is told that may go.
                if matches!(call, Call::Ends { .. }) {
                    for old in journal.ends(Old::Runs, at(99), None, 2).await.unwrap().runs {
                        journal.forget(old, at(99)).await.unwrap();
                    }
                }
                let was_there = |run: RunId| before.iter().any(|was| was.id == run);
                for needed in before.iter().filter(|was| live.contains(&was.id)) {
                    // Itself, all that it names, and its parts.
                    let names = [Some(needed.id), needed.parent, needed.rerun_of, needed.undo_of];
                    let parts = before.iter().filter(|part| part.parent == Some(needed.id)).map(|part| part.id);
                    for kept in names.into_iter().flatten().chain(parts).filter(|run| was_there(*run)) {
                        assert!(journal.head(kept).await.is_ok(), "{kept} went in {call:?}, {} needs it", needed.id);
                    }
                }
            }
        });
    }
}
