//! Nodes of a run: what they did, what they said, why they wait.
//!
//! Owns the calls under `/v1/tasks/{id}/nodes` and `/why`. A node is named by its name or its id. Promises: a log that
//! is followed is given out as its bytes come. Never follows a log across attempts.

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use gorch_schema::RunId;
use gorch_schema::view::{LogView, NodeView, Why};

use crate::client::Client;
use crate::error::Error;

/// Which log, and how much of it.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Which try of the latest visit, from 1; the latest where absent.
    pub attempt: Option<u32>,
    /// Only the last so many lines.
    pub tail: Option<u32>,
}

impl Client {
    /// A node with its visits and attempts.
    pub async fn node(&self, run: RunId, node: &str) -> Result<NodeView, Error> {
        self.get(&["v1", "tasks", &run.to_string(), "nodes", node]).json("a node of a run").await
    }

    /// Why a node is not running.
    pub async fn why(&self, run: RunId, node: &str) -> Result<Why, Error> {
        self.get(&["v1", "tasks", &run.to_string(), "why", node]).json("why a node is not running").await
    }

    /// Both streams of an attempt as they are now, head and tail.
    pub async fn logs(&self, run: RunId, node: &str, query: &LogQuery) -> Result<LogView, Error> {
        self.get(&["v1", "tasks", &run.to_string(), "nodes", node, "logs"])
            .query_if("attempt", query.attempt)
            .query_if("tail", query.tail)
            .header("accept", "application/json")
            .json("the log of a node")
            .await
    }

    /// The log as it is written, until the attempt ends.
    pub async fn follow_logs(
        &self,
        run: RunId,
        node: &str,
        query: &LogQuery,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
        let answer = self
            .get(&["v1", "tasks", &run.to_string(), "nodes", node, "logs"])
            .query("follow", true)
            .query_if("attempt", query.attempt)
            .query_if("tail", query.tail)
            .send()
            .await?;
        let url = answer.url;
        Ok(answer.response.bytes_stream().map_err(move |source| Error::of_body(&url, source)))
    }
}
