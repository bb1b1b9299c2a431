//! What is run in the simulation: random workflows, and what their jobs come to.
//!
//! Owns the shapes (the engine's own random graphs, with retries, locks, items and joins put on them) and the result of
//! each attempt, which is a hash of the seed and the attempt: whoever asks twice is told the same. Never knows where
//! anything runs.

use std::collections::BTreeMap;
use std::time::Duration;

use gorch_schema::workflow::{Cache, CodeGlob, Each, IfBusy, Lock, Losers, Retry};
use gorch_schema::{AttemptId, AttemptResult, Engine, Failure, Fencing, Join, OnFailure, OnLost, RunOptions, Workflow};
use serde_json::json;

use super::dice::{Dice, mix, random_graph};

/// The most nodes of a graph, besides its root.
const NODES: u64 = 5;
/// Jobs take less than this, but for the few that take long.
const SHORT: u64 = 3_000;
const LONG: u64 = 30_000;

/// The label that some nodes require and not every executor has.
pub(super) fn label() -> BTreeMap<String, String> {
    [("disk".to_owned(), "quick".to_owned())].into()
}

/// A workflow with what must survive a fault.
pub(super) fn random_workflow(dice: &mut Dice) -> Workflow {
    let (mut nodes, edges) = random_graph(dice, NODES, false);
    for node in &mut nodes {
        node.artifact = "/bin/true".into();
        node.priority = 1 + dice.below(5) as u8;
        node.on_lost = if dice.chance(60) { OnLost::Retry } else { OnLost::Fail };
        node.fence = if dice.chance(30) { Fencing::Kill } else { Fencing::Keep };
        if dice.chance(40) {
            node.retry = Some(Retry {
                max_attempts: 1 + dice.below(3) as u32,
                delay: Duration::from_secs(1),
                multiplier: 2.0,
                max_delay: Duration::from_secs(5),
                jitter: if dice.chance(50) { 0.5 } else { 0.0 },
                on: if dice.chance(70) { vec![] } else { CodeGlob::new("bo*").into_iter().collect() },
            });
        }
        if dice.chance(35) {
            let name = ["l", "m"][dice.below(2) as usize].to_owned();
            node.lock = Some(Box::new(Lock { name, if_busy: IfBusy::Wait }));
        }
        if dice.chance(20) {
            let items: Vec<u64> = (0..1 + dice.below(4)).collect();
            let max_parallel = dice.chance(60).then(|| 1 + dice.below(2) as u32);
            node.each = Some(Box::new(Each { items: items.into(), max_parallel, need: None }));
        }
        if dice.chance(10) {
            node.deadline = Some(Duration::from_secs(5 + dice.below(30)));
        }
        if dice.chance(15) {
            node.requires = label();
        }
        if dice.chance(20) {
            let key = Some(["j", "k"][dice.below(2) as usize].to_owned());
            let ttl = dice.chance(50).then_some(Duration::from_secs(20));
            node.cache = Some(Box::new(Cache { key, ttl }));
        }
        if let Join::Need { losers, .. } = &mut node.join
            && dice.chance(50)
        {
            *losers = Losers::Cancelled;
        }
        if dice.chance(10) && node.each.is_none() && node.lock.is_none() {
            (node.requires, node.cache) = (BTreeMap::new(), None);
            node.engine = Engine::Sleep;
            node.artifact = String::new();
            node.args = vec![format!("{}s", 1 + dice.below(15))];
        }
    }
    let options = RunOptions {
        max_parallel: dice.chance(30).then(|| 1 + dice.below(3) as u32),
        timeout: dice.chance(10).then(|| Duration::from_secs(5 + dice.below(60))),
        on_failure: if dice.chance(30) { OnFailure::Stop } else { OnFailure::GoOn },
        namespace: ["", "other"][dice.below(2) as usize].to_owned(),
        ..RunOptions::default()
    };
    Workflow::new("random".into(), options, nodes, edges)
}

/// What the job of an attempt comes to, and how many milliseconds it takes.
pub(super) fn job(seed: u64, attempt: AttemptId) -> (AttemptResult, u64) {
    let mut dice = Dice(seed ^ mix(attempt.chance()));
    let result = match dice.below(10) {
        0 => AttemptResult::failed(Failure::new("boom", "it broke")),
        1 => AttemptResult::failed(Failure::new("bang", "it broke")),
        2 => AttemptResult::succeeded(json!({ "choice": "x" })),
        _ => AttemptResult::succeeded(json!({})),
    };
    let takes = if dice.chance(15) { dice.below(LONG) } else { dice.below(SHORT) };
    (result, takes)
}
