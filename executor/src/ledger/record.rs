//! What the lines of the log say of an attempt: one at each stage.
//!
//! Owns their format, JSON. Promises that what cannot be read of one attempt spoils no other.

use gorch_schema::work::{Report, Work};
use gorch_schema::{AttemptId, Timestamp};
use serde::{Deserialize, Serialize};

use super::log::{Line, Rank};
use super::{Error, Found, FoundAt};
use crate::process::Process;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Stage {
    Admitted(Box<Work>),
    Started { since: Timestamp, place: u32 },
    Process(Process),
    Ended(Box<Report>),
    Forgotten,
}

/// The same for writing, which borrows what may be large.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Written<'a> {
    Admitted(&'a Work),
    Started { since: Timestamp, place: u32 },
    Process(Process),
    Ended(&'a Report),
    Forgotten,
}

/// It was taken on.
pub(super) fn admitted(work: &Work) -> Line {
    line(work.attempt, &Written::Admitted(work), Rank::Living)
}

/// Its process is about to start, in this place.
pub(super) fn started(attempt: AttemptId, since: Timestamp, place: u32) -> Line {
    line(attempt, &Written::Started { since, place }, Rank::Living)
}

/// Which process it is.
pub(super) fn process(attempt: AttemptId, process: Process) -> Line {
    line(attempt, &Written::Process(process), Rank::Living)
}

/// It is over.
pub(super) fn ended(attempt: AttemptId, report: &Report) -> Line {
    line(attempt, &Written::Ended(report), Rank::Living)
}

/// Its report is durable elsewhere.
pub(super) fn forgotten(attempt: AttemptId) -> Line {
    line(attempt, &Written::Forgotten, Rank::Last)
}

fn line(attempt: AttemptId, stage: &Written<'_>, rank: Rank) -> Line {
    // Every map in it has text for keys: that cannot fail.
    let text = serde_json::to_vec(stage).unwrap_or_default();
    Line { attempt, text, rank }
}

/// One line that was read: what is known of the attempt by then. Tells whether it was the last.
pub(super) fn read(found: &mut Option<Found>, id: AttemptId, text: &[u8]) -> Rank {
    let stage = match serde_json::from_slice(text) {
        Ok(stage) => stage,
        Err(source) => {
            // If it was its admission, nothing is known of the work; if it was another, so much is lost.
            found.get_or_insert(Found {
                id,
                work: None,
                place: None,
                at: FoundAt::Unreadable(Error::Unreadable { id, source }),
            });
            return Rank::Living;
        }
    };
    match (stage, found) {
        (Stage::Forgotten, found) => {
            *found = None;
            return Rank::Last;
        }
        (Stage::Admitted(work), found @ None) => {
            *found = Some(Found { id, work: Some(*work), place: None, at: FoundAt::Waiting });
        }
        (Stage::Ended(report), Some(found)) => found.at = FoundAt::Ended(report),
        (Stage::Started { since, place }, Some(found)) if matches!(found.at, FoundAt::Waiting) => {
            found.place = Some(place);
            found.at = FoundAt::Started { since, process: None };
        }
        (Stage::Process(which), Some(Found { at: FoundAt::Started { process, .. }, .. })) => *process = Some(which),
        (Stage::Admitted(_) | Stage::Started { .. } | Stage::Process(_) | Stage::Ended(_), _) => {}
    }
    Rank::Living
}

/// The report among an attempt's lines.
pub(super) fn report(lines: &[Vec<u8>]) -> Option<Box<Report>> {
    lines.iter().rev().find_map(|line| match serde_json::from_slice(line) {
        Ok(Stage::Ended(report)) => Some(report),
        Ok(Stage::Admitted(_) | Stage::Started { .. } | Stage::Process(_) | Stage::Forgotten) | Err(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::outcome::AttemptResult;
    use serde_json::json;

    fn work() -> Work {
        let attempt = "0000000000000000000000000000000a.3.1.0.2";
        serde_json::from_value(
            json!({"attempt": attempt, "epoch": 1, "node": "n", "engine": "shell", "artifact": "true"}),
        )
        .unwrap()
    }

    fn lines() -> Vec<Line> {
        let (work, id) = (work(), work().attempt);
        let report = serde_json::from_value(json!({"result": AttemptResult::cancelled(), "ended": 7})).unwrap();
        vec![
            admitted(&work),
            started(id, Timestamp::from_millis(5), 4),
            process(id, Process { pid: 8, start: 9 }),
            ended(id, &report),
            forgotten(id),
        ]
    }

    #[test]
    fn each_line_tells_of_its_stage() {
        let mut found = None;
        let mut seen = Vec::new();
        for line in lines() {
            assert_eq!(read(&mut found, line.attempt, &line.text), line.rank);
            seen.push(match &found {
                None => "nothing",
                Some(Found { work: None, .. }) => panic!("the work was admitted"),
                Some(Found { at: FoundAt::Waiting, .. }) => "waiting",
                Some(Found { at: FoundAt::Started { process: None, .. }, .. }) => "started",
                Some(Found { at: FoundAt::Started { process: Some(_), .. }, place: Some(4), .. }) => "named",
                Some(Found { at: FoundAt::Started { .. }, .. }) => panic!("its place was written"),
                Some(Found { at: FoundAt::Ended(_), .. }) => "ended",
                Some(Found { at: FoundAt::Unreadable(error), .. }) => panic!("{error}"),
            });
        }
        assert_eq!(seen, ["waiting", "started", "named", "ended", "nothing"]);
    }

    #[test]
    fn the_lines_of_version_1_stay_as_they_are() {
        let text: Vec<String> = lines().into_iter().map(|line| String::from_utf8(line.text).unwrap()).collect();
        let golden = "\
{\"admitted\":{\"attempt\":\"0000000000000000000000000000000a.3.1.0.2\",\"epoch\":1,\"node\":\"n\",\"engine\":\"shell\",\
\"artifact\":\"true\",\"args\":[],\"env\":{},\"input\":null,\"outputs\":[],\"timeout\":null,\"idempotent\":false}}
{\"started\":{\"since\":5,\"place\":4}}
{\"process\":{\"pid\":8,\"start\":9}}
{\"ended\":{\"result\":{\"outcome\":\"cancelled\"},\"ended\":7,\"logs\":{\"stdout\":{},\"stderr\":{}}}}
\"forgotten\"";
        assert_eq!(text.join("\n"), golden);
    }
}
