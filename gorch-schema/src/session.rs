//! The session between an orchestrator and an executor: orders one way, news the other.
//!
//! Owns the lines of `POST /v1/session`, whose request and answer are both endless NDJSON: one JSON value per line, blank
//! lines keep the connection alive. Promises: an order may be given again at any time to no harm, by this session or a
//! later one; every order is answered by one line of news at least. So a session that broke is simply opened again and
//! every order that was not answered is repeated.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::AttemptId;
use crate::problem::Problem;
use crate::progress::Changes;
use crate::work::{Report, Work};

/// Each side writes a blank line at least this often.
pub const PULSE: Duration = Duration::from_secs(10);
/// Whoever hears nothing for this long, not even a blank line, gives the session up.
pub const SILENCE: Duration = Duration::from_secs(35);

/// The longest line of an order, in bytes. What would be longer is refused before it is sent.
pub const LONGEST_ORDER: usize = 16 * 1024 * 1024;
/// The longest line of news, in bytes: a report with [`LONGEST_EXCERPT`] at both ends of both streams, every byte of them
/// escaped, and its outputs.
pub const LONGEST_NEWS: usize = 64 * 1024 * 1024;
/// The most bytes that an executor may keep of each end of each stream.
pub const LONGEST_EXCERPT: u64 = 2 * 1024 * 1024;

/// What the orchestrator wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Take this on, once, and tell its end: [`News::Admitted`], later [`News::Ended`].
    Run(Arc<Work>),
    /// It was taken on before: tell its end.
    Follow(AttemptId),
    /// Stop it, and tell its end.
    Stop(Fenced),
    /// Its report is durable: forget it. [`News::Forgotten`].
    Acknowledge(Fenced),
}

/// An attempt, and the epoch in whose name something is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    /// The attempt.
    pub attempt: AttemptId,
    /// The run's fencing epoch.
    pub epoch: u64,
}

/// What the executor tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// It was taken on: written into the ledger, if it was not there before.
    Admitted(AttemptId),
    /// It is over. Told again to every session that asks until it is acknowledged.
    Ended {
        /// The attempt.
        attempt: AttemptId,
        /// What came of it.
        report: Box<Report>,
    },
    /// How far it is, or what it works on, changed: only for who watches. What is not heard is not told again, but to
    /// a session that follows it anew.
    Progress {
        /// The attempt.
        attempt: AttemptId,
        /// What changed, as it is now.
        #[serde(flatten)]
        changes: Changes,
    },
    /// It was acknowledged and is gone.
    Forgotten(AttemptId),
    /// An order was not followed.
    Refused {
        /// The attempt.
        attempt: AttemptId,
        /// Which order.
        order: OrderKind,
        /// Why.
        problem: Box<Problem>,
    },
}

/// Orders by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// [`Order::Run`].
    Run,
    /// [`Order::Follow`].
    Follow,
    /// [`Order::Stop`].
    Stop,
    /// [`Order::Acknowledge`].
    Acknowledge,
}

impl Order {
    /// Which order it is.
    pub fn kind(&self) -> OrderKind {
        match self {
            Order::Run(_) => OrderKind::Run,
            Order::Follow(_) => OrderKind::Follow,
            Order::Stop(_) => OrderKind::Stop,
            Order::Acknowledge(_) => OrderKind::Acknowledge,
        }
    }

    /// The attempt that it is about.
    pub fn attempt(&self) -> AttemptId {
        match self {
            Order::Run(work) => work.attempt,
            Order::Follow(attempt) => *attempt,
            Order::Stop(fenced) | Order::Acknowledge(fenced) => fenced.attempt,
        }
    }
}

impl News {
    /// The attempt that it is about.
    pub fn attempt(&self) -> AttemptId {
        match self {
            News::Admitted(attempt)
            | News::Forgotten(attempt)
            | News::Ended { attempt, .. }
            | News::Progress { attempt, .. }
            | News::Refused { attempt, .. } => *attempt,
        }
    }
}

/// Lines out of pieces of a body.
///
/// A line may come in any number of pieces and a piece may hold any number of lines. Holds at most one unfinished line,
/// of a bounded length.
#[derive(Debug)]
pub struct Lines {
    begun: Vec<u8>,
    longest: usize,
}

/// A line that is longer than agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {longest} bytes")]
pub struct TooLong {
    /// The most bytes a line may have.
    pub longest: usize,
}

impl Lines {
    /// No line has begun.
    pub fn new(longest: usize) -> Self {
        Lines { begun: Vec::new(), longest }
    }

    /// Gives each line that this piece finishes, blank ones left out, in order.
    ///
    /// # Errors
    /// When a line grows too long; nothing after that is a line.
    pub fn push(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            self.check(line.len())?;
            if self.begun.is_empty() {
                if !line.is_empty() {
                    take(line);
                }
            } else {
                self.begun.extend_from_slice(line);
                take(&self.begun);
                self.begun.clear();
            }
            rest = after;
        }
        self.check(rest.len())?;
        self.begun.extend_from_slice(rest);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), TooLong> {
        if self.begun.len() + more > self.longest { Err(TooLong { longest: self.longest }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str], longest: usize) -> Result<Vec<String>, TooLong> {
        let (mut lines, mut all) = (Lines::new(longest), Vec::new());
        for piece in pieces {
            lines.push(piece.as_bytes(), |line| all.push(String::from_utf8_lossy(line).into_owned()))?;
        }
        Ok(all)
    }

    #[test]
    fn lines_come_whole_however_the_body_is_cut() {
        let text = "one\n\ntwo\nthree\n";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(lines(&pieces, 5).unwrap(), ["one", "two", "three"]);
            }
        }
        assert_eq!(lines(&["one\ntw"], 5).unwrap(), ["one"], "what is not finished is no line");
    }

    #[test]
    fn a_line_that_grows_too_long_is_refused_whole_or_in_pieces() {
        assert_eq!(lines(&["123456\n"], 5), Err(TooLong { longest: 5 }));
        assert_eq!(lines(&["1234", "56"], 5), Err(TooLong { longest: 5 }));
        assert!(lines(&["12345\n", "12345\n"], 5).is_ok());
    }

    #[test]
    fn orders_and_news_look_like_this() {
        let attempt: AttemptId = "0000000000000000000000000000000a.3.1.0.2".parse().unwrap();
        let text = |order: &Order| serde_json::to_string(order).unwrap();
        let fenced = Fenced { attempt, epoch: 7 };
        let quoted = "\"0000000000000000000000000000000a.3.1.0.2\"";
        assert_eq!(text(&Order::Follow(attempt)), format!("{{\"follow\":{quoted}}}"));
        assert_eq!(text(&Order::Stop(fenced)), format!("{{\"stop\":{{\"attempt\":{quoted},\"epoch\":7}}}}"));
        let news = News::Refused {
            attempt,
            order: OrderKind::Acknowledge,
            problem: Box::new(Problem::new("not_found", "gone")),
        };
        let again: News = serde_json::from_str(&serde_json::to_string(&news).unwrap()).unwrap();
        assert_eq!(again, news);
    }
}
