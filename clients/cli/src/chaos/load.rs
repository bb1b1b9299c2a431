//! What the house is given to do while things go wrong.
//!
//! Owns the runs that are asked for, and what was said of them. Promises that what the ledger calls accepted, or cancelled,
//! was answered so by an orchestrator; whoever hears no answer asks again, with the same key. Never looks at how the house
//! is.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use gorch_client::{Client, Submission};
use gorch_schema::view::{NodeView, RunSummary};
use gorch_schema::{Outcome, RunId, Timestamp, failure_code};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::text::now;

/// An answer later than this is none.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// One of so many has a node that takes minutes, and is cancelled.
const LONG: u32 = 8;
/// One of so many of the others is cancelled, too.
const CANCELLED: u32 = 10;

/// A run that an orchestrator said yes to.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) run: RunId,
    pub(super) nodes: u32,
    /// When an orchestrator had said that it is cancelled, though it had not ended.
    pub(super) cancelled: Option<Timestamp>,
    /// How it ended, as an orchestrator said while things went wrong.
    pub(super) heard: Option<End>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) state: String,
    pub(super) at: Timestamp,
    /// Why it failed.
    pub(super) failure: Option<String>,
    /// Whom it lost.
    pub(super) losses: Vec<Loss>,
}

/// An attempt that failed because of where it ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) code: String,
    /// Nobody: it ran nowhere.
    pub(super) executor: Option<String>,
    /// From when it was handed out to when its end was known.
    pub(super) between: (Timestamp, Timestamp),
}

/// The runs.
#[derive(Debug)]
pub(super) struct Load {
    clients: Vec<Client>,
    seed: u64,
    scene: Scene,
    next: AtomicU64,
    over: AtomicBool,
    accepted: Mutex<Vec<Accepted>>,
}

/// What nodes know.
#[derive(Debug)]
pub(super) struct Scene {
    /// They note there when they begin and end.
    pub(super) notes: PathBuf,
    /// While this file is there, whoever takes minutes goes on.
    pub(super) open: PathBuf,
}

impl Scene {
    pub(super) fn of(folder: &Path) -> Scene {
        Scene { notes: folder.join("notes"), open: folder.join("open") }
    }
}

impl Load {
    pub(super) fn new(clients: Vec<Client>, seed: u64, scene: Scene) -> Arc<Load> {
        let (next, over, accepted) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        Arc::new(Load { clients, seed, scene, next, over, accepted })
    }

    fn all(&self) -> MutexGuard<'_, Vec<Accepted>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was accepted until now.
    pub(super) fn accepted(&self) -> Vec<Accepted> {
        self.all().clone()
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
            let is_long = dice.u32(..LONG) == 0;
            let (document, nodes) = document(&mut dice, number, &self.scene, is_long);
            let document = document.to_string();
            let key = format!("chaos-{}-{number}", self.seed);
            let run = self.until(&mut dice, |client| {
                let (client, document) = (client.clone(), document.clone());
                let how = Submission { key: Some(key.clone()), ..Submission::default() };
                async move { client.submit(document, &how).await.ok().map(|submitted| submitted.id) }
            });
            let run = run.await;
            let place = {
                let mut all = self.all();
                all.push(Accepted { run, nodes, cancelled: None, heard: None });
                all.len() - 1
            };
            if is_long || dice.u32(..CANCELLED) == 0 {
                sleep(Duration::from_millis(dice.u64(..if is_long { 3_000 } else { 300 }))).await;
                let did = self.until(&mut dice, |client| {
                    let client = client.clone();
                    async move { client.cancel(run).await.ok() }
                });
                // It is nothing where the run had ended before.
                if did.await.did == "cancelling" {
                    self.all()[place].cancelled = Some(now());
                }
            }
            let heard = self.until(&mut dice, |client| {
                let client = client.clone();
                async move { end(&client, client.state(run).await.ok()?).await.ok()? }
            });
            let heard = heard.await;
            self.all()[place].heard = Some(heard);
        }
    }

    /// Asks one orchestrator after the other, the first of them drawn, until one says what is waited for.
    async fn until<T, F: Future<Output = Option<T>>>(&self, dice: &mut Rng, ask: impl Fn(&Client) -> F) -> T {
        for client in round(&self.clients, dice) {
            if let Ok(Some(answer)) = timeout(PATIENCE, ask(client)).await {
                return answer;
            }
            sleep(PAUSE).await;
        }
        std::future::pending().await
    }
}

/// All of them, over and over, from one that is drawn.
fn round<'a, T>(all: &'a [T], dice: &mut Rng) -> impl Iterator<Item = &'a T> + use<'a, T> {
    all.iter().cycle().skip(dice.usize(..all.len()))
}

/// How a run ended of which this is said; nothing: it has not.
pub(super) async fn end(client: &Client, said: RunSummary) -> Result<Option<End>, gorch_client::Error> {
    let Some(at) = said.stop_date else { return Ok(None) };
    let failure = said.failure.map(|failure| failure.code);
    let mut losses = Vec::new();
    if failure.as_deref().is_some_and(is_loss) {
        for node in client.live(said.id).await?.nodes {
            if node.failure.is_some() {
                losses.extend(losses_of(client.node(said.id, &node.name).await?, at));
            }
        }
    }
    Ok(Some(End { state: said.state, at, failure, losses }))
}

/// Is this the fault of where it ran?
pub(super) fn is_loss(code: &str) -> bool {
    matches!(code, failure_code::EXECUTOR_LOST | failure_code::SPAWN_FAILED)
}

fn losses_of(node: NodeView, at: Timestamp) -> Vec<Loss> {
    let attempts = node.visits.into_iter().flat_map(|visit| visit.attempts);
    let lost = attempts.filter_map(|attempt| {
        let Some(Outcome::Failed(failure)) = attempt.outcome else { return None };
        let (executor, between) =
            (attempt.executor.map(|name| name.to_string()), (attempt.start_date, attempt.stop_date.unwrap_or(at)));
        is_loss(&failure.code).then_some(Loss { code: failure.code, executor, between })
    });
    lost.collect()
}

/// Some shape of shell nodes that say in the ledger, under the name of their attempt, that they begin and that they end;
/// and how many they are. One may take minutes, but not longer than the house is there.
fn document(dice: &mut Rng, number: u64, scene: &Scene, is_long: bool) -> (Value, u32) {
    let count = dice.u32(1..7);
    let long = is_long.then(|| dice.u32(..count));
    let node = |id: u32, dice: &mut Rng| {
        let work = match long {
            Some(long) if long == id => {
                "i=0; while [ $i -lt 1500 ] && [ -e \"$OPEN\" ] && kill -0 \"$DOCTOR\" 2>/dev/null; \
                                         do sleep 0.2; i=$((i + 1)); done"
                    .to_owned()
            }
            _ => format!("sleep 0.{:03}", dice.u32(10..300)),
        };
        let lines = format!(
            "#!/bin/sh\nprintf '%s begin\\n' \"$GORCH_ATTEMPT\" >>\"$LEDGER\"\n{work}\n\
             printf '%s end\\n' \"$GORCH_ATTEMPT\" >>\"$LEDGER\"\n"
        );
        let known = json!({"LEDGER": scene.notes, "OPEN": scene.open, "DOCTOR": std::process::id().to_string()});
        json!({"id": id, "name": format!("n{id}"), "engine": "shell", "artifact": lines, "env": known})
    };
    let nodes: Vec<Value> = (0..count).map(|id| node(id, dice)).collect();
    let edges: Vec<Value> = match dice.u32(..3) {
        0 => Vec::new(),
        1 => (1..count).map(|id| json!({"from": id - 1, "to": id, "when": "succeeded"})).collect(),
        _ => (1..count).map(|id| json!({"from": 0, "to": id, "when": "finished"})).collect(),
    };
    (json!({"name": format!("chaos {number}"), "nodes": nodes, "edges": edges}), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_asked_first_is_drawn_and_the_others_come_next() {
        let mut dice = Rng::with_seed(1);
        let mut first = [0; 3];
        for _ in 0..300 {
            let asked: Vec<_> = round(&[0, 1, 2], &mut dice).take(4).copied().collect();
            assert_eq!([(asked[0] + 1) % 3, (asked[0] + 2) % 3, asked[0]], [asked[1], asked[2], asked[3]]);
            first[asked[0]] += 1;
        }
        assert!(first.iter().all(|times| *times > 50), "{first:?}");
    }

    #[test]
    fn what_takes_minutes_ends_with_the_house() {
        let scene = Scene::of(Path::new("/house"));
        let (document, count) = document(&mut Rng::with_seed(1), 1, &scene, true);
        let nodes = document["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), count as usize);
        let long = nodes.iter().filter(|node| node["artifact"].as_str().unwrap().contains("-e \"$OPEN\""));
        assert_eq!(long.count(), 1);
        let (document, _) = super::document(&mut Rng::with_seed(1), 1, &scene, false);
        assert!(!document.to_string().contains("while"));
    }
}
