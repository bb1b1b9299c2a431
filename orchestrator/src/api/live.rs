//! The live document: what was submitted, with the states of its nodes, page by page.
//!
//! Owns the streaming of `GET /v1/tasks/{id}`. Promises: memory is bounded by a page whatever the size of the graph;
//! cells and counts agree with the nodes as they were shown (they are written after them); a terminal state is shown
//! only of a run whose nodes are all shown terminal. Never holds the run up for longer than a page takes.

use std::sync::Arc;

use gorch_engine::{Plan, Run};
use gorch_schema::time::rfc3339;
use gorch_schema::view::{Counts, EdgeView, State};
use gorch_schema::{EdgeId, Failure, NodeId, RunId, Timestamp};
use http::HeaderMap;
use serde::Serialize;

use super::nodes::live_node;
use super::problem::{Answer, Trouble};
use super::reply::{self, Chunks, Cut, Mark};
use super::route::House;

/// Nodes asked of the run at once.
const NODES: usize = 512;
/// Edges asked of the run at once.
const EDGES: usize = 4_096;
/// Above so many nodes the document has `edges`.
const LARGE: usize = 2_000;
/// No digraph has more cells, even where it is asked for.
const MOST_CELLS: usize = 1 << 30;
/// A chunk is sent when it has grown so large.
const CHUNK: usize = 32 * 1024;

/// How the edges are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a digraph up to 2,000 nodes.
    BySize,
    /// As a digraph.
    Digraph,
}

/// What the document says before its nodes.
#[derive(Debug, Serialize)]
struct Head {
    id: RunId,
    name: String,
    state: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(with = "rfc3339")]
    start_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none", with = "rfc3339::option")]
    stop_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    labels: std::collections::BTreeMap<String, String>,
}

impl Head {
    fn of(run: &Run) -> Self {
        let workflow = &run.plan().workflow;
        let ended = run.ended();
        Head {
            id: run.id(),
            name: workflow.name.clone(),
            state: run.state().number(),
            outcome: ended.map(|(_, outcome)| outcome.word()),
            start_date: run.accepted(),
            stop_date: ended.map(|(at, _)| at),
            failure: run.failure().cloned(),
            namespace: workflow.options.namespace.clone(),
            labels: workflow.options.labels.clone(),
        }
    }
}

/// The document of a run, or 304 where the caller has it.
pub(super) async fn document(house: &Arc<House>, run: RunId, form: Form, headers: &HeaderMap) -> Answer {
    // The mark first: what is shown is never older than its mark says.
    let said = house.handle.progress_count(run);
    let asked = house.handle.ask(run, |run| (Head::of(run), run.seq(), run.plan().clone()));
    let (head, seq, plan) = asked.await?;
    let nodes = plan.workflow.nodes.len();
    if form == Form::Digraph && nodes.saturating_mul(nodes) > MOST_CELLS {
        let detail = format!("a digraph of {nodes} nodes has {nodes} x {nodes} cells (at most {MOST_CELLS} are shown)");
        return Err(Trouble::new("too_large", detail));
    }
    let mark = Mark::of_live(run, seq, said);
    if mark.is_known(headers) {
        return Ok(mark.not_modified());
    }
    let (to, response) = reply::streamed(reply::JSON);
    let kept = house.handle.kept(run);
    let (page, states) = (Vec::new(), Vec::with_capacity(nodes));
    let writing = Writing { house: house.clone(), run, kept, plan, to, page, states };
    tokio::spawn(writing.whole(head, form));
    Ok(mark.put_on(response))
}

/// Why writing stops before the end.
enum Stop {
    /// Nobody reads any more.
    Unread,
    /// The run cannot be asked any more.
    Cut(Cut),
}

impl From<crate::conductor::Error> for Stop {
    fn from(error: crate::conductor::Error) -> Self {
        Stop::Cut(Cut(error.to_string()))
    }
}

struct Writing {
    house: Arc<House>,
    run: RunId,
    /// The run itself, where it has ended: it need not be folded again for every page.
    kept: Option<Arc<Run>>,
    plan: Arc<Plan>,
    to: Chunks,
    /// Written and not yet sent.
    page: Vec<u8>,
    /// By node: as it was shown.
    states: Vec<State>,
}

impl Writing {
    async fn whole(mut self, head: Head, form: Form) {
        match self.parts(&head, form).await {
            Ok(()) | Err(Stop::Unread) => {}
            Err(Stop::Cut(cut)) => drop(self.to.send(Err(cut)).await),
        }
    }

    async fn parts(&mut self, head: &Head, form: Form) -> Result<(), Stop> {
        self.json(head);
        // The head's object goes on.
        self.page.pop();
        self.nodes().await?;
        let small = self.plan.workflow.nodes.len() <= LARGE;
        if small || form == Form::Digraph {
            self.digraph().await?;
        }
        if !small {
            self.edges().await?;
        }
        let mut counts = Counts::default();
        for state in &self.states {
            *counts.of(*state) += 1;
        }
        self.page.extend_from_slice(b",\"counts\":");
        self.json(&counts);
        self.page.push(b'}');
        self.send().await
    }

    async fn nodes(&mut self) -> Result<(), Stop> {
        let count = self.plan.workflow.nodes.len();
        self.page.extend_from_slice(b",\"nodes\":[");
        for first in (0..count).step_by(NODES) {
            let last = (first + NODES).min(count);
            let asked = self.ask(move |run| {
                let ids = (first as u32..last as u32).map(NodeId);
                ids.map(|node| (live_node(run, node), run.node_state(node))).collect::<Vec<_>>()
            });
            let asked = asked.await?;
            let mut said = self.house.handle.progress_of_nodes(self.run, NodeId(first as u32)..NodeId(last as u32));
            for (mut node, state) in asked {
                if state == State::Running {
                    node.progress = said.remove(&NodeId(node.id)).map(Box::new);
                }
                self.comma(!self.states.is_empty());
                self.json(&node);
                self.states.push(state);
                self.send_if_full().await?;
            }
        }
        self.page.push(b']');
        Ok(())
    }

    async fn digraph(&mut self) -> Result<(), Stop> {
        let plan = self.plan.clone();
        let workflow = &plan.workflow;
        let count = workflow.nodes.len();
        let mut row = vec![false; count];
        self.page.extend_from_slice(b",\"digraph\":[");
        for node in workflow.node_ids() {
            row.fill(false);
            for edge in workflow.out_edges(node) {
                row[workflow.edge(EdgeId(edge)).to.index()] = true;
            }
            // A zero would lose the edge.
            let shown = self.states[node.index()].max(State::ToRun);
            let shown = shown.number().to_string();
            for (at, cell) in row.iter().enumerate() {
                self.comma(node.0 > 0 || at > 0);
                self.page.extend_from_slice(if *cell { shown.as_bytes() } else { b"0" });
            }
            self.send_if_full().await?;
        }
        self.page.push(b']');
        Ok(())
    }

    async fn edges(&mut self) -> Result<(), Stop> {
        let plan = self.plan.clone();
        let edges = &plan.workflow.edges;
        self.page.extend_from_slice(b",\"edges\":[");
        for (part, page) in edges.chunks(EDGES).enumerate() {
            let first = part * EDGES;
            let last = first + page.len();
            let asked = self.ask(move |run| {
                (first as u32..last as u32).map(|edge| run.has_fired(EdgeId(edge))).collect::<Vec<bool>>()
            });
            let fired = asked.await?;
            for (at, (edge, fired)) in page.iter().zip(fired).enumerate() {
                self.comma(first + at > 0);
                self.json(&EdgeView { from: edge.from.0, to: edge.to.0, when: edge.when.to_string(), fired });
                self.send_if_full().await?;
            }
        }
        self.page.push(b']');
        Ok(())
    }

    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Run) -> T + Send + 'static) -> Result<T, Stop> {
        match &self.kept {
            Some(kept) => Ok(question(kept)),
            None => Ok(self.house.handle.ask(self.run, question).await?),
        }
    }

    fn comma(&mut self, needed: bool) {
        if needed {
            self.page.push(b',');
        }
    }

    fn json(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.page, value)
            .expect("the schema's types have text keys only, so JSON can say them");
    }

    async fn send_if_full(&mut self) -> Result<(), Stop> {
        if self.page.len() < CHUNK { Ok(()) } else { self.send().await }
    }

    async fn send(&mut self) -> Result<(), Stop> {
        let page = std::mem::take(&mut self.page);
        self.to.send(Ok(page.into())).await.map_err(|_| Stop::Unread)
    }
}
