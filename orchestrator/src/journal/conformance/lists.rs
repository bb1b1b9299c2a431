//! Lists: of runs, by page and filter, and of executors.

use std::sync::Arc;
use std::time::Duration;

use gorch_schema::view::State;
use gorch_schema::work::{Drain, Wanted};
use gorch_schema::{ExecutorName, RunId, Timestamp};

use super::given::{accept, at, ended, goes_on, registration, run, summary};
use crate::journal::{Above, Adopted, Append, Filter, Journal, KnownExecutor, Label, PageCursor};

async fn listed(journal: &dyn Journal, filter: Filter) -> Vec<RunId> {
    let page = journal.summaries(filter, None, 100).await.unwrap();
    assert!(page.next.is_none() && page.corrupt.is_empty());
    page.runs.into_iter().map(|run| run.id).collect()
}

pub(crate) async fn lists_are_newest_first_and_pages_hold_still(journal: Arc<dyn Journal>) {
    for n in 0..10 {
        journal.append(accept(n)).await.unwrap();
    }
    let (mut from, mut seen) = (None::<PageCursor>, Vec::new());
    for more in 100.. {
        let page = journal.summaries(Filter::default(), from, 3).await.unwrap();
        assert!(page.runs.len() == 3 || page.next.is_none());
        seen.extend(page.runs.into_iter().map(|run| run.id));
        // Between two pages a run is added, and one that was on the last page is forgotten.
        journal.append(accept(more)).await.unwrap();
        if more == 100 {
            journal.append(ended(7, 1)).await.unwrap();
            journal.forget(run(7), at(50)).await.unwrap();
        }
        from = page.next.map(|next| next.to_string().parse().unwrap());
        if from.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..10).rev().map(run).collect::<Vec<_>>());
    let exact = journal.summaries(Filter::default(), None, 13).await.unwrap();
    assert_eq!((exact.runs.len(), exact.next), (13, None), "a last page that is full has no next");
}

pub(crate) async fn lists_show_what_their_filter_asks_for(journal: Arc<dyn Journal>) {
    for (n, name, namespace, labels) in [
        (1, "build", "", &[("team", "red")][..]),
        (2, "build", "lab", &[("team", "blue"), ("a.b\"$", "it's")]),
        (3, "test", "lab", &[]),
        (4, "deploy", "", &[("team", "red"), ("zone", "")]),
    ] {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let summary = gorch_schema::view::RunSummary {
            name: name.into(),
            namespace: namespace.into(),
            labels,
            parent: (n == 3).then(|| run(2)),
            ..summary(n, State::Running)
        };
        journal.append(Append { summary: Some(summary), ..accept(n) }).await.unwrap();
    }
    // Filters look at a run as it was accepted, but for its state.
    journal.append(ended(1, 1)).await.unwrap();

    let all = Filter::default;
    let label = |key: &str, value: Option<&str>| Some(Label { key: key.into(), value: value.map(str::to_owned) });
    for (filter, expected) in [
        (all(), &[4, 3, 2, 1][..]),
        (Filter { state: Some(State::Running), ..all() }, &[4, 3, 2]),
        (Filter { state: Some(State::Success), ..all() }, &[1]),
        (Filter { state: Some(State::Timeout), ..all() }, &[]),
        (Filter { name: Some("build".into()), ..all() }, &[2, 1]),
        (Filter { name: Some("buil".into()), ..all() }, &[]),
        (Filter { namespace: Some("lab".into()), ..all() }, &[3, 2]),
        (Filter { parent: Some(Above::Nothing), ..all() }, &[4, 2, 1]),
        (Filter { parent: Some(Above::Run(run(2))), ..all() }, &[3]),
        (Filter { parent: Some(Above::Run(run(1))), ..all() }, &[]),
        (Filter { namespace: Some(String::new()), ..all() }, &[4, 1]),
        (Filter { since: Some(at(3)), ..all() }, &[4, 3]),
        (Filter { since: Some(Timestamp::from_millis(at(3).as_millis() + 1)), ..all() }, &[4]),
        (Filter { label: label("zone", None), ..all() }, &[4]),
        (Filter { label: label("zone", Some("")), ..all() }, &[4]),
        (Filter { label: label("zone", Some("x")), ..all() }, &[]),
        (Filter { label: label("team", None), ..all() }, &[4, 2, 1]),
        (Filter { label: label("team", Some("blue")), ..all() }, &[2]),
        (Filter { label: label("team", Some("red")), ..all() }, &[4, 1]),
        (Filter { label: label("a.b\"$", Some("it's")), ..all() }, &[2]),
        (Filter { label: label("team", Some("blue")), name: Some("test".into()), ..all() }, &[]),
        (Filter { namespace: Some("lab".into()), name: Some("test".into()), since: Some(at(2)), ..all() }, &[3]),
    ] {
        let expected: Vec<_> = expected.iter().copied().map(run).collect();
        assert_eq!(listed(&*journal, filter.clone()).await, expected, "{filter:?}");
    }
    let paged = Filter { namespace: Some("lab".into()), ..all() };
    let first = journal.summaries(paged.clone(), None, 1).await.unwrap();
    let second = journal.summaries(paged, first.next, 1).await.unwrap();
    assert_eq!((first.runs[0].id, second.runs[0].id, second.next), (run(3), run(2), None));
}

pub(crate) async fn a_run_is_listed_as_it_was_last_summarised(journal: Arc<dyn Journal>) {
    journal.append(accept(1)).await.unwrap();
    let mut now = summary(1, State::Running);
    now.counts.running = 2;
    journal.append(Append { summary: Some(now.clone()), ..goes_on(1, 1, 1) }).await.unwrap();
    journal.append(goes_on(1, 2, 1)).await.unwrap();
    assert_eq!(journal.summary(run(1)).await.unwrap(), now);
    let mut over = summary(1, State::Timeout);
    over.stop_date = Some(at(3));
    over.failure = Some(gorch_schema::Failure::new("timeout.run", "too late"));
    journal.append(Append { summary: Some(over.clone()), ..ended(1, 3) }).await.unwrap();
    assert_eq!(journal.summary(run(1)).await.unwrap(), over);
    assert_eq!(journal.summaries(Filter::default(), None, 9).await.unwrap().runs, [over]);
}

pub(crate) async fn runs_without_a_verdict_are_unfinished(journal: Arc<dyn Journal>) {
    for n in 1..=5 {
        journal.append(accept(n)).await.unwrap();
    }
    journal.append(ended(2, 1)).await.unwrap();
    journal.append(Append { summary: None, ..ended(4, 1) }).await.unwrap();
    assert_eq!(journal.unfinished().await.unwrap(), [run(1), run(3), run(5)]);
    assert_eq!(journal.head(run(4)).await.unwrap().ended, Some(at(6)));
    // What comes after the verdict, such as a late result, does not undo it.
    journal.append(goes_on(4, 2, 1)).await.unwrap();
    assert_eq!(journal.head(run(4)).await.unwrap().ended, Some(at(6)));
    assert_eq!(journal.unfinished().await.unwrap(), [run(1), run(3), run(5)]);
}

pub(crate) async fn what_a_writer_wrote_is_its_own_and_nothing_new(journal: Arc<dyn Journal>) {
    let adopt = async |asked| journal.adopt(Duration::from_mins(1), asked).await.unwrap();
    assert_eq!((adopt(Adopted::All).await, adopt(Adopted::New).await), (vec![], vec![]));
    for n in [1, 2, 3] {
        journal.append(accept(n)).await.unwrap();
    }
    journal.append(ended(2, 1)).await.unwrap();
    assert_eq!((adopt(Adopted::New).await, adopt(Adopted::All).await), (vec![], vec![run(1), run(3)]));
}

fn executor(name: &str) -> ExecutorName {
    name.parse().unwrap()
}

fn known(name: &str, boot: &str, wanted: Wanted) -> KnownExecutor {
    KnownExecutor { name: executor(name), registration: registration(boot), wanted }
}

pub(crate) async fn executors_are_kept_as_they_registered_last(journal: Arc<dyn Journal>) {
    assert_eq!(journal.executors().await.unwrap().known, []);
    for (name, boot, when) in [("west-1", "a", 1), ("east-1", "b", 2), ("west-1", "c", 3), ("west-1", "c", 4)] {
        let wanted = journal.put_executor(executor(name), registration(boot), at(when)).await.unwrap();
        assert_eq!(wanted, Wanted::default());
    }
    let nothing = Wanted::default();
    assert_eq!(
        journal.executors().await.unwrap().known,
        [known("east-1", "b", nothing), known("west-1", "c", nothing)]
    );
}

pub(crate) async fn what_is_wanted_of_an_executor_stays_whatever_it_registers(journal: Arc<dyn Journal>) {
    assert_eq!(journal.want(executor("e1"), Some(Drain::default())).await.unwrap(), None, "it never registered");
    journal.put_executor(executor("e1"), registration("a"), at(1)).await.unwrap();
    let drain = Some(Drain { until: Some(at(77)) });
    let first = Wanted { revision: 1, drain };
    assert_eq!(journal.want(executor("e1"), drain).await.unwrap(), Some(first));
    assert_eq!(journal.put_executor(executor("e1"), registration("b"), at(2)).await.unwrap(), first);
    assert_eq!(journal.put_executor(executor("e1"), registration("b"), at(3)).await.unwrap(), first);
    assert_eq!(journal.executors().await.unwrap().known, [known("e1", "b", first)]);
    let forever = Some(Drain::default());
    for (revision, drain) in [(2, forever), (3, None), (4, None)] {
        let wanted = Wanted { revision, drain };
        assert_eq!(journal.want(executor("e1"), drain).await.unwrap(), Some(wanted));
        assert_eq!(journal.executors().await.unwrap().known, [known("e1", "b", wanted)]);
    }
}
