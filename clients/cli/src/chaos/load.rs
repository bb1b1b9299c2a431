//! What the house is given to do while things go wrong.
//!
//! Owns the runs that are asked for, and what was said of them. Promises that what the ledger calls accepted was answered
//! so by an orchestrator; whoever hears no answer asks again with the same key. Never looks at how the house is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use gorch_client::{Client, Submission};
use gorch_schema::RunId;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// The runs.
#[derive(Debug)]
pub(super) struct Load {
    clients: Vec<Client>,
    seed: u64,
    ledger: PathBuf,
    next: AtomicU64,
    over: AtomicBool,
    accepted: Mutex<Vec<RunId>>,
}

impl Load {
    /// Runs whose nodes note in this file when they begin and end.
    pub(super) fn new(clients: Vec<Client>, seed: u64, ledger: PathBuf) -> Arc<Load> {
        let (next, over, accepted) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        Arc::new(Load { clients, seed, ledger, next, over, accepted })
    }

    /// What was accepted until now.
    pub(super) fn accepted(&self) -> Vec<RunId> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing new is asked for from now on.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Asks for one run after the other, each when the last has ended.
    pub(super) async fn go(self: Arc<Self>) {
        while !self.over.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let mut dice = Rng::with_seed(self.seed.wrapping_add(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let document = document(&mut dice, number, &self.ledger).to_string();
            let key = format!("chaos-{}-{number}", self.seed);
            let run = self.until(|client| {
                let (client, document) = (client.clone(), document.clone());
                let how = Submission { key: Some(key.clone()), ..Submission::default() };
                async move { client.submit(document, &how).await.ok().map(|submitted| submitted.id) }
            });
            let run = run.await;
            self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(run);
            if dice.u32(..10) == 0 {
                sleep(Duration::from_millis(dice.u64(..300))).await;
                // Whether it was heard shows in how the run ends.
                let _ = timeout(PATIENCE, self.any(&mut dice).cancel(run)).await;
            }
            self.until(|client| {
                let client = client.clone();
                async move { client.state(run).await.ok()?.stop_date }
            })
            .await;
        }
    }

    fn any(&self, dice: &mut Rng) -> &Client {
        &self.clients[dice.usize(..self.clients.len())]
    }

    /// Asks one orchestrator after the other until one says what is waited for.
    async fn until<T, F: Future<Output = Option<T>>>(&self, ask: impl Fn(&Client) -> F) -> T {
        for client in self.clients.iter().cycle() {
            if let Ok(Some(answer)) = timeout(PATIENCE, ask(client)).await {
                return answer;
            }
            sleep(PAUSE).await;
        }
        std::future::pending().await
    }
}

/// Some shape of shell nodes that say in the ledger, under the name of their attempt, that they begin and that they end.
fn document(dice: &mut Rng, number: u64, ledger: &Path) -> Value {
    let nodes = dice.usize(1..7);
    let node = |id: usize, dice: &mut Rng| {
        let lines = format!(
            "#!/bin/sh\nprintf '%s begin\\n' \"$GORCH_ATTEMPT\" >>\"$LEDGER\"\nsleep 0.{:03}\n\
             printf '%s end\\n' \"$GORCH_ATTEMPT\" >>\"$LEDGER\"\n",
            dice.u32(10..300)
        );
        json!({"id": id, "name": format!("n{id}"), "engine": "shell", "artifact": lines, "env": {"LEDGER": ledger}})
    };
    let nodes: Vec<Value> = (0..nodes).map(|id| node(id, dice)).collect();
    let edges: Vec<Value> = match dice.u32(..3) {
        0 => Vec::new(),
        1 => (1..nodes.len()).map(|id| json!({"from": id - 1, "to": id, "when": "succeeded"})).collect(),
        _ => (1..nodes.len()).map(|id| json!({"from": 0, "to": id, "when": "finished"})).collect(),
    };
    json!({"name": format!("chaos {number}"), "nodes": nodes, "edges": edges})
}
