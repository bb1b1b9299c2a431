//! What people wish of a run while it goes on: that a node stops, an answer, a signal.
//!
//! Owns these calls. Promises nothing that the run does not: a wish that comes too late is answered with `nothing`, or
//! refused. Never asks again by itself: an answer that was lost may have been heard.

use gorch_schema::RunId;
use gorch_schema::view::Did;
use http::Method;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::Error;

/// What somebody says to a node that waits for an approval.
#[derive(Debug, Clone, Default)]
pub struct Word {
    /// Free text; it stands with the step.
    pub message: Option<String>,
    /// Only this item of an `each`, from 0.
    pub item: Option<u32>,
}

impl Word {
    fn body(&self) -> String {
        let mut fields = Map::new();
        fields.extend(self.message.clone().map(|message| ("message".to_owned(), Value::from(message))));
        fields.extend(self.item.map(|item| ("item".to_owned(), Value::from(item))));
        Value::Object(fields).to_string()
    }
}

impl Client {
    /// Approves what a node waits for.
    pub async fn approve(&self, run: RunId, node: &str, word: &Word) -> Result<Did, Error> {
        self.answer(run, node, "approve", word).await
    }

    /// Refuses what a node waits for: it fails.
    pub async fn refuse(&self, run: RunId, node: &str, word: &Word) -> Result<Did, Error> {
        self.answer(run, node, "refuse", word).await
    }

    async fn answer(&self, run: RunId, node: &str, answer: &str, word: &Word) -> Result<Did, Error> {
        let request = self.request(Method::POST, &["v1", "tasks", &run.to_string(), "nodes", node, answer]);
        request.json_body(word.body()).json("what was done").await
    }

    /// Sends a signal with any JSON. The same key is the same signal.
    pub async fn signal(&self, run: RunId, name: &str, data: &Value, key: Option<&str>) -> Result<Did, Error> {
        let request = self.request(Method::POST, &["v1", "tasks", &run.to_string(), "signals", name]);
        let request = request.json_body(data.to_string());
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        request.json("what was done").await
    }

    /// Stops the open visits of a node, or one item of its `each`; the run goes on.
    pub async fn cancel_node(&self, run: RunId, node: &str, item: Option<u32>) -> Result<Did, Error> {
        self.request(Method::POST, &["v1", "tasks", &run.to_string(), "nodes", node, "cancel"])
            .query_if("item", item)
            .json("what was done")
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_said() {
        assert_eq!(Word::default().body(), "{}");
        let word = Word { message: Some("looks \"good\"".to_owned()), item: Some(2) };
        assert_eq!(word.body(), r#"{"item":2,"message":"looks \"good\""}"#);
    }
}
