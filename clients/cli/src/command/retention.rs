//! `gorch retention`: what is kept of runs that have ended, and what was deleted.

use gorch_schema::Timestamp;
use gorch_schema::retention::{Deleted, RetentionRules, RetentionView};

use crate::command::{print, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::table::Table;
use crate::text::{bytes, clean, now, took};

pub(super) async fn run(context: &Context) -> Result<Exit, Error> {
    let view = context.client()?.retention().await?;
    match context.output {
        Output::Json => say_json(&view)?,
        Output::Text => print(&shown(&view, now()))?,
    }
    Ok(Exit::Ok)
}

fn shown(view: &RetentionView, now: Timestamp) -> String {
    let RetentionView { rules, store, last, since, deleted } = view;
    let mut text = format!("ended runs  {}\n", kept(rules));
    text.push_str(&format!(
        "their logs  {}\n",
        rules.logs_age.as_ref().map_or("for ever".into(), |age| format!("for {age}"))
    ));
    text.push_str(&format!(
        "store       {} runs, {} of them ended; {} in a file of {}\n",
        store.runs,
        store.ended,
        bytes(store.bytes),
        bytes(store.file)
    ));
    match last {
        None => text.push_str("last round  none yet\n"),
        Some(round) => {
            let ago = took(now.since(round.stop_date));
            text.push_str(&format!(
                "last round  {ago} ago, it took {}\n",
                took(round.stop_date.since(round.start_date))
            ));
            if let Some(failure) = &round.failure {
                text.push_str(&format!("            it failed: {}\n", clean(failure)));
            }
        }
    }
    let round = last.as_ref().map_or(&[][..], |round| &round.deleted);
    text.push_str(&format!("since       {since}\n\n{}", table(round, deleted)));
    text
}

fn kept(rules: &RetentionRules) -> String {
    let bounds = [
        rules.age.as_ref().map(|age| format!("for {age}")),
        rules.runs.map(|runs| format!("at most {runs}")),
        rules.bytes.map(|most| format!("in at most {}", bytes(most))),
    ];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() { "for ever".to_owned() } else { bounds.join(", ") }
}

/// What went since the start, and how much of it in the last round.
fn table(round: &[Deleted], total: &[Deleted]) -> Table {
    let mut table = Table::new(["DELETED", "BY", "COUNT", "BYTES", "LAST ROUND"]);
    for row in total {
        let last = round.iter().find(|one| (one.kind, one.cause) == (row.kind, row.cause));
        table.row([
            row.kind.word().to_owned(),
            row.cause.word().to_owned(),
            row.count.to_string(),
            bytes(row.bytes),
            last.map_or_else(String::new, |last| format!("{}, {}", last.count, bytes(last.bytes))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::retention::{DeletedFor, DeletedKind, RetentionRound, StoreView};

    #[test]
    fn it_says_what_is_kept_and_what_went() {
        let went = |kind, cause, count, bytes| Deleted { kind, cause, count, bytes };
        let round = RetentionRound {
            start_date: Timestamp::from_millis(1_700_000_000_000),
            stop_date: Timestamp::from_millis(1_700_000_000_250),
            deleted: vec![went(DeletedKind::Runs, DeletedFor::Age, 3, 2_048)],
            failure: None,
        };
        let mut view = RetentionView {
            rules: RetentionRules {
                age: Some("30d".into()),
                runs: Some(100_000),
                bytes: Some(20 << 30),
                logs_age: Some("14d".into()),
                every: "5m".into(),
            },
            store: StoreView { runs: 12, ended: 10, bytes: 3 << 20, file: 5 << 20 },
            last: Some(round),
            since: Timestamp::from_millis(1_699_999_000_000),
            deleted: vec![
                went(DeletedKind::Runs, DeletedFor::Age, 40, 70_000),
                went(DeletedKind::Artifacts, DeletedFor::Unneeded, 1, 5),
            ],
        };
        let now = Timestamp::from_millis(1_700_000_060_250);
        insta::assert_snapshot!(shown(&view, now), @"
        ended runs  for 30d, at most 100000, in at most 20.0 GiB
        their logs  for 14d
        store       12 runs, 10 of them ended; 3.0 MiB in a file of 5.0 MiB
        last round  1m 00s ago, it took 0.2s
        since       2023-11-14T21:56:40.000Z

        DELETED    BY        COUNT  BYTES     LAST ROUND
        runs       age       40     68.4 KiB  3, 2.0 KiB
        artifacts  unneeded  1      5 B
        ");
        view.rules = RetentionRules { every: "5m".into(), ..RetentionRules::default() };
        (view.last, view.deleted) = (None, Vec::new());
        insta::assert_snapshot!(shown(&view, now), @"
        ended runs  for ever
        their logs  for ever
        store       12 runs, 10 of them ended; 3.0 MiB in a file of 5.0 MiB
        last round  none yet
        since       2023-11-14T21:56:40.000Z

        DELETED  BY  COUNT  BYTES  LAST ROUND
        ");
    }
}
