//! Two journals on one store: what a store that admits several writers must do besides.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gorch_schema::{Event, RunId};

use super::given::{accept, at, ended, goes_on, run};
use crate::journal::{
    Adopted, Append, Claim, Cursor, Error, FeedFilter, Home, IdempotencyKey, Journal, NewRevision, Revision,
};

type Both = Arc<dyn Journal>;

/// Nobody in a test lives longer than this without saying so.
const LONG: Duration = Duration::from_mins(1);

/// So soon somebody who says nothing is gone.
const SHORT: Duration = Duration::from_millis(600);

pub(crate) async fn of_two_journals_exactly_one_wins_each_number(one: Both, two: Both) {
    one.append(accept(1)).await.unwrap();
    let write = |journal: Both, name: &'static str| {
        tokio::spawn(async move {
            let (mut known, mut won) = (1, BTreeSet::new());
            while known < 200 {
                let claimed = vec![Event::RunClaimed { owner: name.into() }];
                match journal.append(Append::new(run(1), known, at(1), claimed)).await {
                    Ok(last) => {
                        known = last;
                        won.insert(last);
                    }
                    Err(Error::Stale { expected, found, .. }) => {
                        assert!(expected == known && found > known, "{expected} {found}");
                        known = found;
                    }
                    Err(other) => panic!("{}", crate::chain(&other)),
                }
            }
            won
        })
    };
    let (first, second) = tokio::join!(write(Arc::clone(&one), "one"), write(two, "two"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.is_disjoint(&second), "a number was won twice");
    let events: Vec<Event> = one.read(run(1), 0, 1_000).await.unwrap().into_iter().flat_map(|row| row.events).collect();
    for (name, won) in [("one", first), ("two", second)] {
        for number in won {
            let said = Event::RunClaimed { owner: name.into() };
            assert_eq!(events[usize::try_from(number).unwrap() - 1], said, "event {number}");
        }
    }
}

pub(crate) async fn a_late_writer_is_refused_and_told_where_the_run_stands(one: Both, two: Both) {
    one.append(accept(1)).await.unwrap();
    // The other takes the run over; what the first decides without knowing of it does not count.
    let claimed = vec![Event::RunClaimed { owner: "two".into() }];
    assert_eq!(two.append(Append::new(run(1), 1, at(1), claimed)).await.unwrap(), 2);
    match one.append(goes_on(1, 1, 3)).await {
        Err(Error::Stale { expected: 1, found: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(two.append(goes_on(1, 2, 1)).await.unwrap(), 3);
    assert_eq!(one.head(run(1)).await.unwrap().last, 3, "the late one left no trace");
    // Ended and forgotten by the other, the run is gone for both.
    two.append(ended(1, 3)).await.unwrap();
    two.forget(run(1), at(9)).await.unwrap();
    assert!(matches!(one.append(goes_on(1, 3, 1)).await, Err(Error::Forgotten { .. })));
}

pub(crate) async fn locks_and_keys_are_the_same_for_both(one: Both, two: Both) {
    let key = || Some(IdempotencyKey { owner: "ann".into(), key: "k".into(), digest: [1; 32] });
    let takes = |append: Append| Append { claims: vec![Claim::Take("disk".into())], ..append };
    // Asked at once, of both.
    let asked = (0..40).map(|n| {
        let journal = if n % 2 == 0 { &one } else { &two };
        journal.append(Append { key: key(), ..takes(accept(n)) })
    });
    let answers = join_all(asked).await;
    let made: Vec<usize> = (0..40).filter(|n| answers[*n].is_ok()).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let holder = run(u32::try_from(made[0]).unwrap());
    for answer in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(matches!(answer, Error::KeyUsed { run, .. } if *run == holder), "{answer:?}");
    }
    for journal in [&one, &two] {
        let refused = journal.append(takes(accept(100))).await;
        assert!(matches!(refused, Err(Error::Claimed { holder: by, .. }) if by == holder));
    }
    let gives = Append { claims: vec![Claim::Release("disk".into())], run: holder, ..goes_on(0, 1, 1) };
    two.append(gives).await.unwrap();
    one.append(takes(accept(100))).await.unwrap();
}

pub(crate) async fn numbers_are_given_out_by_both_in_one_order_without_gaps(one: Both, two: Both) {
    let write = |n: u32| {
        let journal = Arc::clone(if n.is_multiple_of(2) { &one } else { &two });
        tokio::spawn(async move {
            let mut last = journal.append(accept(n)).await.unwrap();
            for count in 1..6 {
                last = journal.append(goes_on(n, last, count)).await.unwrap();
            }
        })
    };
    for written in join_all((0..32).map(write)).await {
        written.unwrap();
    }
    let mut places = Vec::new();
    for journal in [&one, &two] {
        let feed = journal.feed(FeedFilter::default(), Cursor(0), 10_000).await.unwrap();
        places.push(feed.rows.iter().map(|row| (row.cursor.0, row.row.events.len() as u64)).collect::<Vec<_>>());
    }
    assert_eq!(places[0], places[1]);
    let mut next = 1;
    for (place, events) in &places[0] {
        assert_eq!(*place, next);
        next += events;
    }
    assert_eq!(next, 32 * 16 + 1);
}

pub(crate) async fn a_follower_hears_of_what_the_other_wrote(one: Both, two: Both) {
    let (mut mine, mut tail) = (one.follow(run(1)), one.tail());
    two.append(accept(1)).await.unwrap();
    let heard = async {
        mine.changed().await.unwrap();
        assert_eq!(*mine.borrow_and_update(), 1);
        while *tail.borrow_and_update() < Cursor(1) {
            tail.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard).await.expect("a follower hears of it");
    two.append(ended(1, 1)).await.unwrap();
    two.forget(run(1), at(9)).await.unwrap();
    let closed = async { while mine.changed().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(30), closed).await.expect("it is told that the run is gone");
}

/// Asks until something has become its own. It is the only one that asks.
async fn adopted_in_time(journal: &Both) -> Vec<RunId> {
    let asking = async {
        loop {
            let new = journal.adopt(SHORT, Adopted::New).await.unwrap();
            if !new.is_empty() {
                return new;
            }
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asking).await.expect("the other is gone")
}

pub(crate) async fn a_run_is_adopted_by_one_when_its_writer_is_gone_and_by_nobody_before(one: Both, two: Both) {
    assert_eq!(one.adopt(LONG, Adopted::New).await.unwrap(), []);
    for n in [1, 2, 3] {
        one.append(accept(n)).await.unwrap();
    }
    one.append(ended(2, 1)).await.unwrap();
    two.append(accept(4)).await.unwrap();
    for _ in 0..2 {
        let adopted = two.adopt(LONG, Adopted::New).await.unwrap();
        assert_eq!(adopted, [], "the first may live, and what the second wrote is its own");
    }
    // The first is not heard of any more.
    assert_eq!(adopted_in_time(&two).await, [run(1), run(3)]);
    assert_eq!(two.adopt(LONG, Adopted::New).await.unwrap(), [], "once");
    // It wakes up: nothing is its own, unless it writes where the run stands.
    assert_eq!(one.adopt(LONG, Adopted::New).await.unwrap(), []);
    one.append(goes_on(1, 1, 1)).await.unwrap();
    assert_eq!(two.adopt(LONG, Adopted::All).await.unwrap(), [run(3), run(4)]);
    assert_eq!(adopted_in_time(&one).await, [run(3), run(4)]);
}

pub(crate) async fn everybody_knows_whose_a_run_is(one: Both, two: Both) {
    let at_one = || Home::At { url: "https://one".to_owned() };
    one.adopt(LONG, Adopted::New).await.unwrap();
    one.append(accept(1)).await.unwrap();
    assert_eq!((one.home(run(1)).await.unwrap(), two.home(run(1)).await.unwrap()), (Home::Here, at_one()));
    two.adopt(LONG, Adopted::New).await.unwrap();
    assert_eq!(two.home(run(1)).await.unwrap(), at_one(), "for as long as nobody knows that it is gone");
    // The first is not heard of any more.
    assert_eq!(adopted_in_time(&two).await, [run(1)]);
    assert_eq!(two.home(run(1)).await.unwrap(), Home::Here);
    assert_eq!(one.home(run(1)).await.unwrap(), Home::At { url: "https://two".to_owned() });
    // Nobody has to go on with one that has ended, so anybody may speak of it.
    two.append(ended(1, 1)).await.unwrap();
    assert_eq!((one.home(run(1)).await.unwrap(), two.home(run(1)).await.unwrap()), (Home::Here, Home::Here));
    two.append(accept(3)).await.unwrap();
    let mut homes = one.homes(vec![run(1), run(2), run(3)]).await.unwrap();
    homes.sort_by_key(|(run, _)| *run);
    let at_two = || Home::At { url: "https://two".to_owned() };
    assert_eq!(homes, [(run(1), Home::Here), (run(3), at_two())], "of many at once the same, but of who is not there");
    two.forget(run(1), at(9)).await.unwrap();
    assert!(matches!(one.home(run(1)).await, Err(Error::Forgotten { .. })));
    assert!(matches!(one.home(run(2)).await, Err(Error::Unknown { .. })));
}

pub(crate) async fn a_definition_has_one_latest_revision_for_both(one: Both, two: Both) {
    let revision = |n: u8| NewRevision {
        key: "ship".parse().unwrap(),
        after: None,
        revision: Revision { digest: gorch_schema::Digest::from_bytes([n; 32]), at: at(1), by: "ann".into() },
        document: "{}".into(),
        inputs: None,
        artifacts: Vec::new(),
    };
    let (first, second) = tokio::join!(one.put_definition(revision(1)), two.put_definition(revision(2)));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let refused = first.err().or(second.err());
    assert!(matches!(refused, Some(Error::Moved { found: Some(_), .. })), "{refused:?}");
}
