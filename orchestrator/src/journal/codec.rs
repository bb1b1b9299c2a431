//! How bodies are written: JSON text.
//!
//! Owns the one place where events, summaries, logs and registrations become text and text becomes them again.
//! Promises: encoding happens on the caller's side, so that the writer only binds bytes; what was written reads back
//! equal. Never numbers anything: numbers are columns, not text.

use std::collections::BTreeMap;

use gorch_schema::work::Registration;
use gorch_schema::{Event, RunId};
use serde::{Deserialize, Serialize};

use super::error::{Broken, Error};

/// No body is larger than this many bytes: well below what SQLite takes (10^9).
pub(crate) const LARGEST_BODY: usize = 512 << 20;

/// Writes a body of this run.
pub(crate) fn encode<T: Serialize + ?Sized>(run: RunId, body: &T) -> Result<String, Error> {
    let text = plain(body);
    if text.len() > LARGEST_BODY {
        return Err(Error::TooLarge { run, found: text.len(), limit: LARGEST_BODY });
    }
    Ok(text)
}

/// Writes a body that belongs to no run.
pub(crate) fn plain<T: Serialize + ?Sized>(body: &T) -> String {
    serde_json::to_string(body).expect("the schema's types have text keys only, so JSON can say them")
}

/// Reads the events of a row numbered `first..=last`.
pub(crate) fn events(body: &str, first: u64, last: u64) -> Result<Vec<Event>, Broken> {
    let events: Vec<Event> = serde_json::from_str(body).map_err(Broken::Body)?;
    let (found, expected) = (events.len() as u64, (last + 1).saturating_sub(first));
    if found == expected { Ok(events) } else { Err(Broken::Count { found, expected }) }
}

/// Reads a registration. A later version may have said more of the executor: what this one does not know is passed over,
/// where the API refuses it.
pub(crate) fn registration(body: &str) -> serde_json::Result<Registration> {
    Stored::deserialize(&mut serde_json::Deserializer::from_str(body))
}

/// A registration as it is kept: its fields, by the same names.
#[derive(Deserialize)]
#[serde(remote = "Registration")]
struct Stored {
    url: String,
    engines: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    targets: Vec<String>,
    slots: u32,
    boot: String,
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    moved_in: Option<gorch_schema::Timestamp>,
    #[serde(default)]
    draining: bool,
    #[serde(default)]
    drained: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorch_schema::{Accepted, AttemptResult, NodeId, Timestamp};
    use serde_json::json;

    #[test]
    fn events_read_back_as_they_were_written() {
        let written = vec![
            Event::RunAccepted(Accepted::new("{\"name\":\"ä\\n\"}")),
            Event::AttemptEnded {
                node: NodeId(1),
                visit: 0,
                item: 0,
                attempt: 2,
                result: AttemptResult::succeeded(json!({"a": [1, 2.5, null, "x\u{0}y"], "big": u64::MAX})),
                retry_at: Some(Timestamp::from_millis(5)),
                late: false,
            },
            Event::Paused,
        ];
        let text = encode(RunId::from_bits(1), &written).unwrap();
        assert_eq!(events(&text, 4, 6).unwrap(), written);
    }

    #[test]
    fn a_fraction_reads_back_to_the_last_bit() {
        let mut bits = 1u64;
        for _ in 0..10_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = f64::from_bits(bits);
            if !number.is_finite() {
                continue;
            }
            let result = AttemptResult::succeeded(json!(number));
            let (node, visit, item, attempt) = (NodeId(0), 0, 0, 1);
            let written = vec![Event::AttemptEnded { node, visit, item, attempt, result, retry_at: None, late: false }];
            assert_eq!(events(&plain(&written), 1, 1).unwrap(), written, "{number:e}");
        }
    }

    #[test]
    fn a_registration_of_a_later_version_is_read_as_far_as_it_is_known() {
        let newer = r#"{"url": "https://h:1", "engines": ["shell"], "labels": {"zone": "a"}, "targets": ["t"], "slots": 3,
            "boot": "b", "draining": true, "drained": true, "more": {"of": 1}}"#;
        assert!(serde_json::from_str::<Registration>(newer).is_err(), "who registers is told what is not known");
        let read = registration(newer).unwrap();
        assert_eq!((read.url.as_str(), read.slots, read.drained), ("https://h:1", 3, true));
        assert_eq!(registration(&plain(&read)).unwrap(), read);
        assert!(registration("{").is_err());
    }

    #[test]
    fn a_row_with_other_than_its_numbers_of_events_is_broken() {
        let text = plain(&vec![Event::Paused, Event::Resumed]);
        for (first, last) in [(1, 1), (1, 3), (7, 5)] {
            assert!(matches!(events(&text, first, last), Err(Broken::Count { found: 2, .. })), "{first}..={last}");
        }
        assert!(matches!(events("[{\"run_ended\"", 1, 1), Err(Broken::Body(_))));
    }
}
