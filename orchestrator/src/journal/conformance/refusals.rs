//! What a journal refuses, and that a refusal leaves no trace.

use std::sync::Arc;

use gorch_schema::work::{Excerpt, Logs};
use gorch_schema::{AttemptKey, AttemptResult, NodeId, StepId};

use super::given::{accept, at, ended, goes_on, run, summary};
use crate::journal::{
    Append, AttemptLogs, Cached, Claim, Cursor, Error, FeedFilter, Filter, IdempotencyKey, Journal, KeyBody, KeyUse,
};

fn key(owner: &str, key: &str, body: u8) -> Option<IdempotencyKey> {
    Some(IdempotencyKey { owner: owner.into(), key: key.into(), digest: [body; 32] })
}

fn take(lock: &str) -> Claim {
    Claim::Take(lock.into())
}

fn give(lock: &str) -> Claim {
    Claim::Release(lock.into())
}

pub(crate) async fn a_stale_writer_is_told_where_the_run_stands(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    journal.append(goes_on(1, 1, 4)).await.unwrap();
    for (append, stands) in
        [(accept(1), 5), (goes_on(1, 1, 1), 5), (goes_on(1, 4, 1), 5), (goes_on(1, 6, 1), 5), (goes_on(2, 1, 1), 0)]
    {
        let (asked, writer) = (append.run, append.after);
        match journal.append(append).await {
            Err(Error::Stale { run, expected, found }) => {
                assert_eq!((run, expected, found), (asked, writer, stands));
            }
            other => panic!("after {writer}: {other:?}"),
        }
    }
    assert_eq!(journal.append(goes_on(1, 5, 1)).await.unwrap(), 6);
}

pub(crate) async fn a_refused_append_leaves_nothing_behind(journal: Arc<dyn Journal>) {
    journal.append(Append { claims: vec![take("disk")], ..accept(1) }).await.unwrap();
    let attempt = AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: 1 };
    let stdout = Excerpt { head: "lost".into(), ..Excerpt::default() };
    let logs = vec![AttemptLogs { attempt, logs: Logs { stdout, ..Logs::default() } }];
    let claims = vec![take("tape"), take("disk"), give("tape")];
    let refused = Append { claims, logs, key: key("ann", "k", 1), ..accept(2) };
    match journal.append(refused.clone()).await {
        Err(Error::Claimed { name, holder }) => assert_eq!((name.as_str(), holder), ("disk", run(1))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(journal.read(run(2), 0, 1).await, Err(Error::Unknown { .. })));
    assert!(matches!(journal.logs(run(2), attempt).await, Err(Error::Unknown { .. })));
    assert_eq!(journal.key("ann", "k").await.unwrap(), None);
    assert_eq!(journal.unfinished().await.unwrap(), [run(1)]);
    assert_eq!(journal.summaries(Filter::default(), None, 9).await.unwrap().runs.len(), 1);
    assert_eq!(*journal.tail().borrow(), Cursor(1));
    journal.append(Append { claims: vec![take("tape")], ..accept(3) }).await.unwrap();
    // An older run, refused, is what it was.
    let late = Append {
        logs: refused.logs,
        summary: Some(summary(3, gorch_schema::view::State::Failure)),
        ..goes_on(3, 7, 1)
    };
    assert!(matches!(journal.append(late).await, Err(Error::Stale { found: 1, .. })));
    assert_eq!(journal.summary(run(3)).await.unwrap().state, "running");
    assert_eq!(journal.logs(run(3), attempt).await.unwrap(), None);
}

pub(crate) async fn an_append_that_contradicts_itself_is_refused(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    for wrong in [
        Append { events: Vec::new(), ..goes_on(1, 1, 1) },
        Append { key: key("ann", "k", 1), ..goes_on(1, 1, 1) },
        Append { summary: accept(2).summary, ..goes_on(1, 1, 1) },
        Append { summary: None, ..accept(2) },
    ] {
        assert!(matches!(journal.append(wrong.clone()).await, Err(Error::Malformed { .. })), "{wrong:?}");
    }
    assert_eq!(journal.head(run(1)).await.unwrap().last, 1);
}

pub(crate) async fn a_key_makes_one_run_and_names_it_when_used_again(journal: Arc<dyn Journal>) {
    journal.append(Append { key: key("ann", "k", 7), ..accept(1) }).await.unwrap();
    for (body, expected) in [(7, KeyBody::Same), (8, KeyBody::Different)] {
        match journal.append(Append { key: key("ann", "k", body), ..accept(2) }).await {
            Err(Error::KeyUsed { run: made, body }) => assert_eq!((made, body), (run(1), expected)),
            other => panic!("{other:?}"),
        }
    }
    journal.append(Append { key: key("bob", "k", 7), ..accept(3) }).await.unwrap();
    journal.append(Append { key: key("ann", "l", 7), ..accept(4) }).await.unwrap();
    assert_eq!(journal.key("ann", "k").await.unwrap(), Some(KeyUse { run: run(1), digest: [7; 32] }));
    assert_eq!(journal.key("bob", "k").await.unwrap(), Some(KeyUse { run: run(3), digest: [7; 32] }));
    assert_eq!(journal.key("ann", "m").await.unwrap(), None);
}

pub(crate) async fn one_key_used_at_once_makes_one_run(journal: Arc<dyn Journal>) {
    let asked: Vec<_> = (0..40).map(|n| journal.append(Append { key: key("ann", "k", 7), ..accept(n) })).collect();
    let (mut made, mut told) = (Vec::new(), Vec::new());
    for (n, answer) in (0..).zip(asked) {
        match answer.await {
            Ok(_) => made.push(run(n)),
            Err(Error::KeyUsed { run, body: KeyBody::Same }) => told.push(run),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((made.len(), told.len()), (1, 39));
    assert!(told.iter().all(|run| *run == made[0]));
}

pub(crate) async fn a_lock_has_one_holder_until_it_is_given_back(journal: Arc<dyn Journal>) {
    let claims = |append, claims| Append { claims, ..append };
    journal.append(claims(accept(1), vec![take("disk"), take("disk")])).await.unwrap();
    journal.append(accept(2)).await.unwrap();
    let wants = |n, after| claims(goes_on(n, after, 1), vec![take("disk")]);
    assert!(matches!(journal.append(wants(2, 1)).await, Err(Error::Claimed { holder, .. }) if holder == run(1)));
    // Giving back what one does not hold changes nothing; holding on to what one has is no conflict.
    journal.append(claims(goes_on(2, 1, 1), vec![give("disk"), give("tape")])).await.unwrap();
    assert!(matches!(journal.append(wants(2, 2)).await, Err(Error::Claimed { .. })));
    journal.append(wants(1, 1)).await.unwrap();
    journal.append(claims(goes_on(1, 2, 1), vec![give("disk")])).await.unwrap();
    journal.append(wants(2, 2)).await.unwrap();
    assert!(matches!(journal.append(wants(1, 3)).await, Err(Error::Claimed { holder, .. }) if holder == run(2)));
}

pub(crate) async fn a_result_is_used_again_until_it_expires_or_its_run_is_forgotten(journal: Arc<dyn Journal>) {
    let result = |n: u32| AttemptResult::succeeded(serde_json::json!({ "n": n }));
    let kept = |n: u32, expires| Cached { key: "web/1".to_owned(), expires, result: result(n) };
    assert_eq!(journal.cached("web/1", at(0)).await.unwrap(), None);
    journal.append(Append { cache: vec![kept(1, Some(at(9)))], ..accept(1) }).await.unwrap();
    assert_eq!(journal.cached("web/1", at(8)).await.unwrap(), Some((run(1), result(1))));
    assert_eq!(journal.cached("web/1", at(9)).await.unwrap(), None, "it has expired");
    assert_eq!(journal.cached("ops/1", at(8)).await.unwrap(), None, "another namespace has another key");
    journal.append(Append { cache: vec![kept(2, None)], ..accept(2) }).await.unwrap();
    assert_eq!(journal.cached("web/1", at(99)).await.unwrap(), Some((run(2), result(2))), "the newest counts");
    journal.append(ended(2, 1)).await.unwrap();
    journal.forget(run(2), at(100)).await.unwrap();
    assert_eq!(journal.cached("web/1", at(8)).await.unwrap(), None);
}

pub(crate) async fn what_never_was_is_unknown(journal: Arc<dyn Journal>) {
    let attempt = AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: 1 };
    let never = run(7);
    assert!(matches!(journal.read(never, 0, 1).await, Err(Error::Unknown { run }) if run == never));
    assert!(matches!(journal.head(never).await, Err(Error::Unknown { .. })));
    assert!(matches!(journal.summary(never).await, Err(Error::Unknown { .. })));
    assert!(matches!(journal.logs(never, attempt).await, Err(Error::Unknown { .. })));
    assert!(matches!(journal.forget(never, at(1)).await, Err(Error::Unknown { .. })));
    assert!(journal.feed(FeedFilter::default(), Cursor(0), 1).await.unwrap().rows.is_empty());
}

pub(crate) async fn a_forgotten_run_is_gone_and_remembered_as_gone(journal: Arc<dyn Journal>) {
    let attempt = AttemptKey { step: StepId { node: NodeId(0), visit: 0 }, item: 0, attempt: 1 };
    let logs = vec![AttemptLogs { attempt, logs: Logs::default() }];
    journal.append(Append { logs, key: key("ann", "k", 1), claims: vec![take("disk")], ..accept(1) }).await.unwrap();
    journal.append(accept(2)).await.unwrap();
    assert!(matches!(journal.forget(run(1), at(5)).await, Err(Error::NotEnded { run: r }) if r == run(1)));
    journal.append(ended(1, 1)).await.unwrap();
    journal.forget(run(1), at(5)).await.unwrap();

    let gone = |error: Error| matches!(error, Error::Forgotten { run: r, at: when } if r == run(1) && when == at(5));
    assert!(gone(journal.read(run(1), 0, 1).await.unwrap_err()));
    assert!(gone(journal.head(run(1)).await.unwrap_err()));
    assert!(gone(journal.summary(run(1)).await.unwrap_err()));
    assert!(gone(journal.logs(run(1), attempt).await.unwrap_err()));
    assert!(gone(journal.append(accept(1)).await.unwrap_err()));
    assert!(gone(journal.append(goes_on(1, 2, 1)).await.unwrap_err()));
    assert!(gone(journal.forget(run(1), at(6)).await.unwrap_err()));
    let of_it = FeedFilter { run: Some(run(1)), ..FeedFilter::default() };
    assert!(gone(journal.feed(of_it, Cursor(0), 1).await.unwrap_err()));

    let feed = journal.feed(FeedFilter::default(), Cursor(0), 9).await.unwrap();
    assert_eq!(feed.rows.iter().map(|row| row.run).collect::<Vec<_>>(), [run(2)]);
    assert_eq!(journal.summaries(Filter::default(), None, 9).await.unwrap().runs.len(), 1);
    assert_eq!(journal.key("ann", "k").await.unwrap(), None);
    journal.append(Append { key: key("ann", "k", 2), claims: vec![take("disk")], ..accept(3) }).await.unwrap();
}

pub(crate) async fn an_artifact_is_needed_for_as_long_as_a_run_that_names_it_is_remembered(journal: Arc<dyn Journal>) {
    let [a, b, c] = [1, 2, 3].map(|byte| gorch_schema::Digest::from_bytes([byte; 32]));
    let unneeded = async || journal.unneeded(vec![a, b, c]).await.unwrap();
    assert_eq!(unneeded().await, [a, b, c]);
    journal.append(Append { artifacts: vec![a, a], ..accept(1) }).await.unwrap();
    journal.append(Append { artifacts: vec![a], ..accept(2) }).await.unwrap();
    journal.append(Append { artifacts: vec![b, a], ..goes_on(1, 1, 1) }).await.unwrap();
    // A refused append names nothing.
    assert!(journal.append(Append { artifacts: vec![c], ..goes_on(1, 1, 1) }).await.is_err());
    assert_eq!(unneeded().await, [c]);
    journal.append(ended(1, 2)).await.unwrap();
    assert_eq!(unneeded().await, [c]);
    journal.forget(run(1), at(9)).await.unwrap();
    assert_eq!(unneeded().await, [b, c]);
}

pub(crate) async fn forgetting_gives_no_place_and_no_number_out_again(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    journal.append(accept(2)).await.unwrap();
    journal.append(ended(2, 1)).await.unwrap();
    let listener = journal.feed(FeedFilter::default(), Cursor(0), 9).await.unwrap().next;
    let page = journal.summaries(Filter::default(), None, 1).await.unwrap();
    journal.forget(run(2), at(5)).await.unwrap();
    assert_eq!(journal.feed(FeedFilter::default(), listener, 9).await.unwrap().next, listener);
    journal.append(accept(3)).await.unwrap();
    let feed = journal.feed(FeedFilter::default(), listener, 9).await.unwrap();
    assert_eq!(feed.rows.iter().map(|row| (row.run, row.cursor)).collect::<Vec<_>>(), [(run(3), Cursor(4))]);
    let rest = journal.summaries(Filter::default(), page.next, 9).await.unwrap();
    assert_eq!(rest.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [run(1)]);
}
