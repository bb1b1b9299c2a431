//! Events: numbered, ordered, whole, and seen as soon as they are durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use gorch_schema::view::RunSummary;
use gorch_schema::work::{Excerpt, Logs};
use gorch_schema::{AttemptKey, Event, NodeId, StepId};

use super::given::{accept, at, ended, goes_on, run};
use crate::journal::{Append, AttemptLogs, Cursor, Error, FeedFilter, Head, Journal, Row};

/// Every event of run n, read in rows of at most `limit`, checked to be numbered without gaps.
async fn all(journal: &dyn Journal, n: u32, limit: usize) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let rows = journal.read(run(n), events.len() as u64, limit).await.unwrap();
        assert!(rows.len() <= limit);
        if rows.is_empty() {
            return events;
        }
        for row in rows {
            assert_eq!(row.first, events.len() as u64 + 1);
            events.extend(row.events);
        }
    }
}

pub(crate) async fn a_new_run_reads_back_event_by_event(journal: Arc<dyn Journal>) {
    let (first, more, last) = (accept(1), goes_on(1, 1, 3), ended(1, 4));
    for append in [&first, &more, &last] {
        journal.append(append.clone()).await.unwrap();
    }
    let row = |append: &Append| Row { first: append.after + 1, at: append.at, events: append.events.clone() };
    assert_eq!(journal.read(run(1), 0, 10).await.unwrap(), [row(&first), row(&more), row(&last)]);
    assert_eq!(journal.head(run(1)).await.unwrap(), Head { last: 5, ended: Some(at(3)) });
}

pub(crate) async fn events_are_numbered_from_one_without_gaps_wherever_reading_starts(journal: Arc<dyn Journal>) {
    let mut last = journal.append(accept(1)).await.unwrap();
    assert_eq!(last, 1);
    for count in [1, 4, 2, 7, 1] {
        assert_eq!(journal.append(goes_on(1, last, count)).await.unwrap(), last + u64::from(count));
        last += u64::from(count);
    }
    let whole = all(&*journal, 1, 100).await;
    assert_eq!(whole.len() as u64, last);
    for limit in 1..4 {
        assert_eq!(all(&*journal, 1, limit).await, whole, "in rows of {limit}");
    }
    for after in 0..=last + 2 {
        let rows = journal.read(run(1), after, 100).await.unwrap();
        assert_eq!(rows.first().map(|row| row.first), (after < last).then_some(after + 1), "after {after}");
        let read: Vec<_> = rows.into_iter().flat_map(|row| row.events).collect();
        assert_eq!(read, whole[usize::try_from(after.min(last)).unwrap()..], "after {after}");
    }
    assert_eq!(journal.read(run(1), u64::MAX, 100).await.unwrap(), []);
}

pub(crate) async fn an_answered_append_is_visible_at_once(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    for last in 1..50 {
        let next = journal.append(goes_on(1, last, 1)).await.unwrap();
        assert_eq!(journal.head(run(1)).await.unwrap().last, next);
        assert_eq!(journal.read(run(1), last, 1).await.unwrap()[0].first, next);
    }
}

pub(crate) async fn of_two_writers_exactly_one_wins_each_number(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    let writer = |name: &'static str| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let (mut known, mut won) = (1, Vec::new());
            while known < 200 {
                let claimed = vec![Event::RunClaimed { owner: name.into() }];
                match journal.append(Append::new(run(1), known, at(1), claimed)).await {
                    Ok(last) => (known, _) = (last, won.push(last)),
                    Err(Error::Stale { expected, found, .. }) => {
                        assert!(expected == known && found > known);
                        known = found;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            won
        })
    };
    let (one, two) = tokio::join!(writer("one"), writer("two"));
    let mut owners = BTreeMap::new();
    for (name, won) in [("one", one.unwrap()), ("two", two.unwrap())] {
        for number in won {
            assert_eq!(owners.insert(number, name), None, "event {number} was won twice");
        }
    }
    let events = all(&*journal, 1, 16).await;
    for (number, owner) in owners {
        let said = Event::RunClaimed { owner: owner.into() };
        assert_eq!(events[usize::try_from(number).unwrap() - 1], said, "event {number}");
    }
}

pub(crate) async fn runs_written_at_once_all_stand_and_the_feed_has_each_without_gaps(journal: Arc<dyn Journal>) {
    let write = |n: u32| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            let mut last = journal.append(accept(n)).await.unwrap();
            for count in 1..6 {
                last = journal.append(goes_on(n, last, count)).await.unwrap();
            }
        })
    };
    for writer in (0..64).map(write).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (mut seen, mut place) = (BTreeMap::<_, u64>::new(), Cursor(0));
    loop {
        let feed = journal.feed(FeedFilter::default(), place, 10).await.unwrap();
        for found in &feed.rows {
            let last = seen.entry(found.run).or_default();
            assert_eq!(found.row.first, *last + 1);
            assert_eq!(found.cursor.0, place.0 + 1);
            *last = found.row.last();
            place.0 += found.row.events.len() as u64;
        }
        assert_eq!(feed.next, place);
        if feed.rows.is_empty() {
            break;
        }
    }
    assert_eq!((seen.len(), seen.values().all(|last| *last == 16)), (64, true));
    assert_eq!(*journal.tail().borrow(), place);
}

/// Three runs, their rows interleaved; run 2 is in a namespace.
async fn interleaved(journal: &dyn Journal) {
    for n in 1..=3 {
        let mut first = accept(n);
        if let (2, Some(summary)) = (n, &mut first.summary) {
            summary.namespace = "lab".into();
        }
        journal.append(first).await.unwrap();
    }
    for (n, after, count) in [(1, 1, 3), (2, 1, 2), (1, 4, 1), (3, 1, 5), (2, 3, 4)] {
        journal.append(goes_on(n, after, count)).await.unwrap();
    }
}

/// What a listener hears that stops and goes on after every `limit` rows: run, number and event.
async fn heard(journal: &dyn Journal, filter: &FeedFilter, mut after: Cursor, limit: usize) -> Vec<(u64, String)> {
    let mut heard = Vec::new();
    loop {
        let feed = journal.feed(filter.clone(), after, limit).await.unwrap();
        for found in &feed.rows {
            let events = found.row.events.iter().zip(found.row.first..).zip(found.cursor.0..);
            heard.extend(events.map(|((event, number), place)| (place, format!("{} {number} {event:?}", found.run))));
        }
        if feed.next == after {
            return heard;
        }
        after = feed.next;
    }
}

pub(crate) async fn the_feed_goes_on_exactly_where_it_stopped(journal: Arc<dyn Journal>) {
    interleaved(&*journal).await;
    let filter = FeedFilter::default();
    let whole = heard(&*journal, &filter, Cursor(0), 100).await;
    assert_eq!(whole.iter().map(|(place, _)| *place).collect::<Vec<_>>(), (1..=18).collect::<Vec<_>>());
    for after in 0..=18 {
        for limit in [1, 2, 100] {
            let rest = heard(&*journal, &filter, Cursor(after), limit).await;
            assert_eq!(rest, whole[usize::try_from(after).unwrap()..], "after {after}, {limit} at a time");
        }
    }
    assert_eq!(journal.feed(filter, Cursor(u64::MAX), 1).await.unwrap().rows, []);
}

pub(crate) async fn the_feed_shows_what_its_filter_asks_for(journal: Arc<dyn Journal>) {
    interleaved(&*journal).await;
    let whole = heard(&*journal, &FeedFilter::default(), Cursor(0), 100).await;
    let of = |n| whole.iter().filter(|(_, said)| said.starts_with(&run(n).to_string())).cloned().collect::<Vec<_>>();
    let lab = Some("lab".to_owned());
    for limit in [1, 3, 100] {
        for (n, after) in [(1, 0), (2, 0), (3, 0), (1, 5), (2, 7), (3, 17)] {
            let filter = FeedFilter { run: Some(run(n)), ..FeedFilter::default() };
            let mut expected = of(n);
            expected.retain(|(place, _)| *place > after);
            assert_eq!(heard(&*journal, &filter, Cursor(after), limit).await, expected, "run {n} after {after}");
        }
        let filter = FeedFilter { namespace: lab.clone(), ..FeedFilter::default() };
        assert_eq!(heard(&*journal, &filter, Cursor(0), limit).await, of(2));
        let filter = FeedFilter { run: Some(run(1)), namespace: lab.clone(), ..FeedFilter::default() };
        assert_eq!(heard(&*journal, &filter, Cursor(0), limit).await, []);
    }
    let filter = FeedFilter { run: Some(run(9)), ..FeedFilter::default() };
    assert!(matches!(journal.feed(filter, Cursor(0), 1).await, Err(Error::Unknown { .. })));
}

pub(crate) async fn the_feed_of_a_tree_shows_a_run_and_all_that_are_parts_of_it(journal: Arc<dyn Journal>) {
    for (n, parent) in [(1, None), (2, Some(1)), (3, Some(2)), (4, None)] {
        let new = accept(n);
        let summary = new.summary.clone().map(|summary| RunSummary { parent: parent.map(run), ..summary });
        journal.append(Append { summary, ..new }).await.unwrap();
    }
    for n in [4, 3, 1, 2] {
        journal.append(goes_on(n, 1, 2)).await.unwrap();
    }
    let whole = heard(&*journal, &FeedFilter::default(), Cursor(0), 100).await;
    for (top, parts) in [(1, vec![1, 2, 3]), (2, vec![2, 3]), (4, vec![4])] {
        let filter = FeedFilter { tree: Some(run(top)), ..FeedFilter::default() };
        let is_part = |said: &str| parts.iter().any(|part| said.starts_with(&run(*part).to_string()));
        let expected: Vec<_> = whole.iter().filter(|(_, said)| is_part(said)).cloned().collect();
        for limit in [1, 2, 100] {
            assert_eq!(heard(&*journal, &filter, Cursor(0), limit).await, expected, "below {top}");
        }
        let later: Vec<_> = expected.into_iter().filter(|(place, _)| *place > 6).collect();
        assert_eq!(heard(&*journal, &filter, Cursor(6), 100).await, later, "below {top} after 6");
    }
}

pub(crate) async fn followers_are_woken_by_what_is_durable(journal: Arc<dyn Journal>) {
    let (mut tail, mut mine, other) = (journal.tail(), journal.follow(run(1)), journal.follow(run(2)));
    journal.append(accept(1)).await.unwrap();
    mine.changed().await.unwrap();
    tail.changed().await.unwrap();
    assert_eq!((*mine.borrow_and_update(), *tail.borrow_and_update()), (1, Cursor(1)));
    journal.append(goes_on(1, 1, 4)).await.unwrap();
    mine.changed().await.unwrap();
    tail.changed().await.unwrap();
    assert_eq!((*mine.borrow_and_update(), *tail.borrow_and_update()), (5, Cursor(5)));
    assert!(journal.append(goes_on(1, 1, 1)).await.is_err());
    assert_eq!((mine.has_changed().unwrap(), other.has_changed().unwrap()), (false, false));
    journal.append(ended(1, 5)).await.unwrap();
    mine.changed().await.unwrap();
    journal.forget(run(1), at(9)).await.unwrap();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(30), mine.changed()).await;
    assert!(closed.is_ok_and(|change| change.is_err()), "a follower of a forgotten run would wait for ever");
}

pub(crate) async fn what_an_attempt_wrote_is_kept_and_replaced(journal: Arc<dyn Journal>) {
    let attempt = |attempt| AttemptKey { step: StepId { node: NodeId(3), visit: 1 }, item: 0, attempt };
    let wrote = |text: &str| Logs {
        stdout: Excerpt { head: text.into(), tail: "\u{fffd}\n".into(), omitted: 12 },
        stderr: Excerpt::default(),
    };
    let with = |append: Append, logs: &[(u32, &str)]| {
        let logs = logs.iter().map(|(n, text)| AttemptLogs { attempt: attempt(*n), logs: wrote(text) });
        Append { logs: logs.collect(), ..append }
    };
    journal.append(with(accept(1), &[(1, "one"), (2, "two")])).await.unwrap();
    journal.append(with(goes_on(1, 1, 1), &[(2, "two again")])).await.unwrap();
    assert_eq!(journal.logs(run(1), attempt(1)).await.unwrap(), Some(wrote("one")));
    assert_eq!(journal.logs(run(1), attempt(2)).await.unwrap(), Some(wrote("two again")));
    assert_eq!(journal.logs(run(1), attempt(3)).await.unwrap(), None);
}

pub(crate) async fn appends_that_are_handed_over_together_stand_or_fall_alone(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    for round in 0..20 {
        let (old, new) = (2 * u64::from(round) + 1, 2 + round);
        let malformed = Append { events: Vec::new(), ..goes_on(1, old, 1) };
        // The second goes on where the first stopped: they are written in the order of the call.
        let together =
            vec![goes_on(1, old, 1), goes_on(1, old + 1, 1), accept(new), accept(1), malformed, ended(new, 1)];
        let queued = journal.append(accept(100 + round));
        let answers = join_all(journal.append_all(together)).await;
        match &answers[..] {
            [Ok(first), Ok(second), Ok(1), Err(Error::Stale { .. }), Err(Error::Malformed { .. }), Ok(2)] => {
                assert_eq!((*first, *second), (old + 1, old + 2));
            }
            other => panic!("{other:?}"),
        }
        // What was queued before them was written before them.
        assert!(matches!(queued.now_or_never(), Some(Ok(1))));
    }
    assert!(journal.append_all(Vec::new()).is_empty());
}

/// Callers on many threads, some with several appends at a time: each is answered, and each run has all of its events.
pub(crate) async fn many_callers_at_once_are_all_answered(journal: Arc<dyn Journal>) {
    let callers = (0..8).map(|caller| {
        let journal = Arc::clone(&journal);
        tokio::spawn(async move {
            for round in 0..40 {
                let first = 1_000 * (caller + 1) + 3 * round;
                let answers = match (caller + round) % 3 {
                    0 => vec![journal.append(accept(first)).await],
                    _ => join_all(journal.append_all((first..first + 3).map(accept).collect())).await,
                };
                assert!(answers.iter().all(|answer| matches!(answer, Ok(1))), "{answers:?}");
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    let unfinished = journal.unfinished().await.unwrap();
    let feed = journal.feed(FeedFilter::default(), Cursor(0), 10_000).await.unwrap();
    let places: Vec<u64> = feed.rows.iter().map(|row| row.cursor.0).collect();
    assert_eq!(places, (1..=unfinished.len() as u64).collect::<Vec<_>>());
}
