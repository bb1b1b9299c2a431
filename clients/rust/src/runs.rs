//! Runs: submitting, reading, waiting, cancelling, forgetting.
//!
//! Owns the calls under `/v1/tasks` that concern a run as a whole. Promises: a body is streamed and never held;
//! [`Client::wait`] outlives an orchestrator that restarts. Never follows events: that is [`crate::events`].

use std::time::Duration;

use gorch_schema::view::{Accepted, Counts, Did, EdgeView, LiveNode, RunList, RunSummary, State};
use gorch_schema::{Failure, RunId, Timestamp, time};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::Error;

/// Longest time that one request asks the orchestrator to wait.
const LONG_POLL: Duration = Duration::from_secs(30);

/// How a document is submitted.
#[derive(Debug, Default)]
pub struct Submission {
    /// `Idempotency-Key`: the same key with the same body is the same run.
    pub key: Option<String>,
    /// `Prefer: wait`: how long the orchestrator may wait for the run's end before it answers.
    pub wait: Option<Duration>,
    /// May results of other runs be used again?
    pub cache: Cache,
}

/// May a node take the result of another run, where its document says `cache`?
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cache {
    /// As the document says.
    #[default]
    On,
    /// Every node runs.
    Off,
}

/// The answer to a submit.
#[derive(Debug)]
pub struct Submitted {
    /// The run.
    pub id: RunId,
    /// The final view, where the run ended within the wait that was asked for.
    pub ended: Option<Live>,
}

/// The live document of a run, as far as it is typed. The whole is [`Client::live_json`].
#[derive(Debug, Clone, Deserialize)]
pub struct Live {
    /// The document's name.
    #[serde(default)]
    pub name: String,
    /// The state's number.
    pub state: u8,
    /// The nodes; `nodes[i].id` is `i` or is looked up.
    pub nodes: Vec<LiveNode>,
    /// Row-major cells: not 0 is an edge (its value is the state of the row's node).
    #[serde(default)]
    pub digraph: Option<Vec<u8>>,
    /// The edges of large graphs.
    #[serde(default)]
    pub edges: Option<Vec<EdgeView>>,
    /// When it was accepted.
    #[serde(default, with = "time::rfc3339::option")]
    pub start_date: Option<Timestamp>,
    /// When it ended.
    #[serde(default, with = "time::rfc3339::option")]
    pub stop_date: Option<Timestamp>,
    /// Nodes by state.
    #[serde(default)]
    pub counts: Counts,
    /// Why it failed.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// What could not be confirmed gone when it was cancelled.
    #[serde(default)]
    pub unconfirmed: Vec<String>,
}

impl Live {
    /// The state; `None` for a number that this client does not know.
    pub fn state(&self) -> Option<State> {
        State::from_number(self.state)
    }

    /// Source and target of every edge, by source.
    pub fn edge_pairs(&self) -> Vec<(u32, u32)> {
        if let Some(edges) = &self.edges {
            return edges.iter().map(|edge| (edge.from, edge.to)).collect();
        }
        let n = self.nodes.len();
        let cells = self.digraph.as_deref().unwrap_or_default();
        let at = |(place, _): (usize, &u8)| ((place / n) as u32, (place % n) as u32);
        cells.iter().take(n * n).enumerate().filter(|(_, cell)| **cell != 0).map(at).collect()
    }
}

/// Which runs a list shows.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// At most so many rows.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Only runs in this state.
    pub state: Option<State>,
    /// Only runs of this name.
    pub name: Option<String>,
}

/// What came of waiting for a run's end.
#[derive(Debug, Clone)]
pub enum Waited {
    /// It ended.
    Ended(RunSummary),
    /// The patience ended first.
    StillGoing(RunSummary),
}

impl Client {
    /// Submits a document; the body may be a stream. Returns once the run is durable.
    pub async fn submit(&self, body: impl Into<reqwest::Body>, how: &Submission) -> Result<Submitted, Error> {
        let mut request = self.request(Method::POST, &["v1", "tasks"]).json_body(body);
        if let Some(key) = &how.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(wait) = how.wait {
            request = request.header("prefer", format!("wait={}", wait.as_secs()));
        }
        request = request.query_if("cache", (how.cache == Cache::Off).then_some("off"));
        let answer = request.send().await?;
        if answer.response.status() == http::StatusCode::OK {
            let body: Value = answer.json("the view of the run that ended").await?;
            let url = self.base().to_string();
            let unexpected = |source| Error::Unexpected { url: url.clone(), expected: "the view of a run", source };
            let id = body.get("id").cloned().unwrap_or_default();
            let id = serde_json::from_value(id).map_err(unexpected)?;
            return Ok(Submitted { id, ended: Some(serde_json::from_value(body).map_err(unexpected)?) });
        }
        let accepted: Accepted = answer.json("the id of the run").await?;
        Ok(Submitted { id: accepted.id, ended: None })
    }

    /// A page of runs, newest first.
    pub async fn list(&self, query: &ListQuery) -> Result<RunList, Error> {
        self.get(&["v1", "tasks"])
            .query_if("limit", query.limit)
            .query_if("cursor", query.cursor.as_deref())
            .query_if("state", query.state.map(State::word))
            .query_if("name", query.name.as_deref())
            .json("a list of runs")
            .await
    }

    /// The live document.
    pub async fn live(&self, run: RunId) -> Result<Live, Error> {
        self.get(&["v1", "tasks", &run.to_string()]).json("the live document of a run").await
    }

    /// The live document, whole and untyped.
    pub async fn live_json(&self, run: RunId) -> Result<Value, Error> {
        self.get(&["v1", "tasks", &run.to_string()]).json("the live document of a run").await
    }

    /// State and counts.
    pub async fn state(&self, run: RunId) -> Result<RunSummary, Error> {
        self.get(&["v1", "tasks", &run.to_string()]).query("view", "state").json("the state of a run").await
    }

    /// The document as submitted (above 1 MiB: the equivalent `edges` document).
    pub async fn document(&self, run: RunId) -> Result<String, Error> {
        self.get(&["v1", "tasks", &run.to_string(), "gorch"]).send().await?.text().await
    }

    /// Waits for the run's end, for ever or as long as `patience`. The first call's errors are returned; once the
    /// run was seen, an orchestrator that goes away is waited for.
    pub async fn wait(&self, run: RunId, patience: Option<Duration>) -> Result<Waited, Error> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let left = || deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let mut seen = self.state(run).await?;
        let mut backoff = Backoff::default();
        loop {
            if State::from_word(&seen.state).is_some_and(State::is_terminal) {
                return Ok(Waited::Ended(seen));
            }
            let wait = left().unwrap_or(LONG_POLL).min(LONG_POLL);
            if wait.is_zero() {
                return Ok(Waited::StillGoing(seen));
            }
            let poll = self
                .get(&["v1", "tasks", &run.to_string()])
                .query("view", "state")
                .query("wait", format!("{}ms", wait.as_millis()))
                .json::<RunSummary>("the state of a run");
            match poll.await {
                Ok(summary) => {
                    seen = summary;
                    backoff = Backoff::default();
                }
                Err(error) if error.is_passing() => {
                    let pause = backoff.next().unwrap_or_default();
                    tokio::time::sleep(left().unwrap_or(pause).min(pause)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks a run to stop. Never forgets it; asking again changes nothing.
    pub async fn cancel(&self, run: RunId) -> Result<Did, Error> {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "cancel"]).json("what was done").await
    }

    /// Lets nothing new of a run start.
    pub async fn pause(&self, run: RunId) -> Result<Did, Error> {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "pause"]).json("what was done").await
    }

    /// Lets a paused run go on.
    pub async fn resume(&self, run: RunId) -> Result<Did, Error> {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "resume"]).json("what was done").await
    }

    /// The original's DELETE: cancels a running one, forgets one that ended more than a minute ago.
    pub async fn delete(&self, run: RunId) -> Result<Did, Error> {
        self.request(Method::DELETE, &["v1", "tasks", &run.to_string()]).json("what was done").await
    }

    /// Forgets a run that ended.
    pub async fn forget(&self, run: RunId) -> Result<Did, Error> {
        self.request(Method::DELETE, &["v1", "tasks", &run.to_string()])
            .query("forget", true)
            .json("what was done")
            .await
    }
}

/// Waits between tries: 50 ms, doubling up to a second, for ever.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = Duration::from_millis(50 << self.tries.min(5)).min(Duration::from_secs(1));
        self.tries = self.tries.saturating_add(1);
        Some(pause)
    }
}
