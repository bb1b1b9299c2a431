//! Definitions: revisions, their order, and what they keep.

use std::sync::Arc;

use gorch_schema::{DefinitionKey, Digest};
use serde_json::json;

use super::given::at;
use crate::journal::{Error, Journal, Listed, NewRevision, Revision};

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn key(text: &str) -> DefinitionKey {
    text.parse().unwrap()
}

/// Revision n of a definition, after another; 0 is none.
fn revision(of: &str, after: u8, n: u8) -> NewRevision {
    NewRevision {
        key: key(of),
        after: Some(after).filter(|after| *after > 0).map(digest),
        revision: Revision { digest: digest(n), at: at(n.into()), by: format!("user {n}") },
        document: format!("document {n}").into(),
        inputs: (n > 1).then(|| json!({"revision": n})),
        artifacts: vec![digest(100 + n), digest(200)],
    }
}

async fn revisions(journal: &dyn Journal, of: &str) -> Vec<Digest> {
    journal.revisions(key(of)).await.unwrap().into_iter().map(|revision| revision.digest).collect()
}

pub(crate) async fn a_definition_keeps_its_revisions_in_the_order_in_which_they_became_the_latest(
    journal: Arc<dyn Journal>,
) {
    assert_eq!(revisions(&*journal, "ship").await, []);
    assert_eq!(journal.put_definition(revision("ship", 0, 1)).await.unwrap(), 1);
    assert_eq!(journal.put_definition(revision("ship", 1, 2)).await.unwrap(), 2);
    assert_eq!(journal.put_definition(revision("web/ship", 0, 3)).await.unwrap(), 1);
    assert_eq!(
        journal.revisions(key("ship")).await.unwrap(),
        [revision("ship", 1, 2).revision, revision("ship", 0, 1).revision]
    );
    let document = async |of, n| journal.revision(key(of), digest(n)).await.unwrap();
    assert_eq!(document("ship", 1).await.as_deref(), Some("document 1"));
    assert_eq!((document("ship", 3).await, document("none", 1).await), (None, None));
    // The first again is the latest again, and is kept once.
    let again = NewRevision {
        revision: Revision { digest: digest(1), ..revision("ship", 2, 9).revision },
        ..revision("ship", 2, 1)
    };
    assert_eq!(journal.put_definition(again.clone()).await.unwrap(), 2);
    assert_eq!(journal.revisions(key("ship")).await.unwrap()[0], again.revision);
    assert_eq!(revisions(&*journal, "ship").await, [digest(1), digest(2)]);
    assert_eq!(journal.delete_definition(key("ship")).await.unwrap(), 2);
    assert_eq!(journal.delete_definition(key("ship")).await.unwrap(), 0);
    assert_eq!((revisions(&*journal, "ship").await, document("ship", 1).await), (vec![], None));
    assert_eq!(revisions(&*journal, "web/ship").await, [digest(3)]);
}

pub(crate) async fn of_two_who_know_the_same_latest_revision_exactly_one_puts_the_next(journal: Arc<dyn Journal>) {
    let refused = |result: Result<u64, Error>| match result {
        Err(Error::Moved { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(journal.put_definition(revision("ship", 1, 2)).await), None);
    let firsts: Vec<_> = (1..=8).map(|n| journal.put_definition(revision("ship", 0, n))).collect();
    let answers = futures::future::join_all(firsts).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let latest = revisions(&*journal, "ship").await;
    assert_eq!(refused(journal.put_definition(revision("ship", 0, 9)).await), Some(latest[0]));
    assert_eq!(revisions(&*journal, "ship").await, latest);
}

pub(crate) async fn definitions_are_listed_by_name_a_page_at_a_time(journal: Arc<dyn Journal>) {
    for of in ["b", "web/a", "a", "c", "lab/z"] {
        journal.put_definition(revision(of, 0, 1)).await.unwrap();
    }
    journal.put_definition(revision("b", 1, 2)).await.unwrap();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = journal.definitions(None, after, 2).await.unwrap();
        assert!(page.definitions.len() == 2 || page.next.is_none());
        seen.extend(page.definitions.iter().map(|listed| listed.key.to_string()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "lab/z", "web/a"]);
    let own = journal.definitions(Some(String::new()), None, 3).await.unwrap();
    assert_eq!((own.definitions.len(), own.next), (3, None), "a last page that is full has no next");
    let latest = revision("b", 1, 2);
    let listed = Listed { key: key("b"), latest: latest.revision, revisions: 2, inputs: latest.inputs };
    assert_eq!(own.definitions[1], listed);
}

pub(crate) async fn an_artifact_is_needed_for_as_long_as_a_revision_that_names_it_is_kept(journal: Arc<dyn Journal>) {
    let unneeded = async || journal.unneeded(vec![digest(101), digest(102), digest(200)]).await.unwrap();
    journal.put_definition(revision("ship", 0, 1)).await.unwrap();
    assert!(journal.put_definition(revision("ship", 0, 2)).await.is_err(), "a refused one names nothing");
    assert_eq!(unneeded().await, [digest(102)]);
    journal.put_definition(revision("ship", 1, 2)).await.unwrap();
    assert_eq!(unneeded().await, [], "an older revision can be run still");
    journal.delete_definition(key("ship")).await.unwrap();
    assert_eq!(unneeded().await, [digest(101), digest(102), digest(200)]);
}
