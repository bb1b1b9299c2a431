//! What a watcher knows of a run.
//!
//! Owns the fold of a run's events into one row per node. Promises: rows show a node's latest visit; folding the same
//! events gives the same board, live or afterwards. Never talks to anybody, never reads a clock.

use std::collections::BTreeMap;

use gorch_client::Live;
use gorch_schema::progress::Changes;
use gorch_schema::view::{EventView, ItemCount, LiveNode, State};
use gorch_schema::{
    Advance, AttemptKey, Event, ExecutorName, Failure, Item, NodeId, Outcome, RunId, StepId, Timestamp,
};

use crate::watch::tree;

/// A run as its watcher sees it.
#[derive(Debug)]
pub(crate) struct Board {
    /// Which run.
    pub(crate) run: RunId,
    /// The document's name.
    pub(crate) name: String,
    /// The nodes by id.
    pub(crate) rows: Vec<Row>,
    /// In which order and how deep the rows are shown.
    pub(crate) order: Vec<tree::Place>,
    /// When the run was accepted.
    pub(crate) since: Option<Timestamp>,
    /// What is known of the run as a whole.
    pub(crate) phase: Phase,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    /// It goes on.
    Going,
    /// Somebody asked it to stop.
    Cancelling,
    /// It ended.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
    },
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: String,
    /// Its engine.
    pub(crate) engine: String,
    /// Where its latest visit stands.
    pub(crate) state: State,
    /// It is being stopped.
    pub(crate) stopping: bool,
    /// How many visits it had.
    pub(crate) visits: u32,
    /// Attempts of the latest visit.
    pub(crate) attempts: u32,
    /// Where the latest attempt runs.
    pub(crate) executor: Option<ExecutorName>,
    /// When the latest visit was activated, or its first attempt handed out.
    pub(crate) since: Option<Timestamp>,
    /// When the latest visit ended.
    pub(crate) until: Option<Timestamp>,
    /// Why it failed, or why it is tried again.
    pub(crate) failure: Option<Failure>,
    /// When it is tried again.
    pub(crate) retry_at: Option<Timestamp>,
    /// What its job said of its progress.
    pub(crate) progress: Option<Advance>,
    /// What the latest attempt works or worked on, by name.
    pub(crate) items: BTreeMap<String, Item>,
    /// What it waits for while it runs, where it does nothing else.
    pub(crate) waits: Option<String>,
    /// How many items of its `each` have ended.
    pub(crate) each: Option<ItemCount>,
    /// The run from which the latest visit was copied.
    pub(crate) copied: Option<RunId>,
    /// The runs that the latest attempts are, by item.
    pub(crate) children: BTreeMap<u32, RunId>,
}

impl Board {
    /// A board on which nothing happened, from the live document (only its names, engines and edges are taken).
    pub(crate) fn new(run: RunId, live: &Live) -> Self {
        let unnamed = |id: usize| Row::new(id.to_string(), String::new(), None);
        let mut rows: Vec<Row> = (0..live.nodes.len()).map(unnamed).collect();
        for node in &live.nodes {
            if let Some(row) = rows.get_mut(node.id as usize) {
                let engine = if node.engine.is_empty() { "nil" } else { &node.engine };
                *row = Row::new(node.name.clone(), engine.to_owned(), waits(node));
            }
        }
        let order = tree::places(rows.len(), &live.edge_pairs());
        Board { run, name: live.name.clone(), rows, order, since: live.start_date, phase: Phase::Going }
    }

    /// Folds one event in.
    pub(crate) fn apply(&mut self, view: &EventView) {
        let at = view.at;
        match &view.event {
            Event::RunAccepted(_) => self.since = Some(at),
            Event::StepActivated { node, visit, items, reused, .. } => self.visit(*node, *visit, |row| {
                let seen = row.visits.max(*visit + 1);
                *row = Row { visits: seen, ..Row::new(row.name.clone(), row.engine.clone(), row.waits.take()) };
                row.state = State::ToRun;
                row.since = Some(at);
                let all = |items: &Vec<_>| ItemCount { ended: reused.len() as u32, of: items.len() as u32 };
                row.each = items.as_ref().map(all);
            }),
            Event::AttemptStarted { node, visit, item, attempt, executor, until, .. } => {
                let child = self.child(view);
                self.visit(*node, *visit, |row| {
                    row.state = State::Running;
                    row.attempts = row.attempts.max(*attempt);
                    row.executor.clone_from(executor);
                    row.retry_at = None;
                    row.items.clear();
                    row.progress = None;
                    row.children.extend(child.map(|child| (*item, child)));
                    if let Some(until) = until {
                        row.waits = Some(format!("until {until}"));
                    }
                    if *attempt == 1 && row.each.is_none() {
                        row.since = Some(at);
                    }
                })
            }
            Event::AttemptEnded { node, visit, result, retry_at, late: false, .. } => {
                self.visit(*node, *visit, |row| {
                    row.failure = result.outcome.failure().cloned();
                    row.progress = None;
                    row.items = by_name(&result.items);
                    match (retry_at, &mut row.each) {
                        (None, None) => {}
                        (None, Some(items)) => items.ended += 1,
                        // Others of its items go on.
                        (Some(_), Some(_)) => {}
                        (Some(at), None) => {
                            row.state = State::ToRun;
                            row.retry_at = Some(*at);
                        }
                    }
                })
            }
            Event::StepStopping { node, visit, .. } => self.visit(*node, *visit, |row| row.stopping = true),
            Event::StepEnded { node, visit, outcome, reused_from, .. } => self.visit(*node, *visit, |row| {
                row.state = State::of(outcome);
                row.copied = *reused_from;
                row.failure = outcome.failure().cloned();
                row.until = Some(at);
                row.stopping = false;
                row.retry_at = None;
                row.progress = None;
            }),
            Event::NodesSkipped { nodes, .. } => {
                for node in nodes {
                    self.visit(*node, 0, |row| row.state = State::NotRunnable);
                }
            }
            Event::CancelRequested { .. } => self.phase = Phase::Cancelling,
            Event::RunEnded { outcome, .. } => self.phase = Phase::Ended { at, outcome: outcome.clone() },
            Event::AttemptEnded { late: true, .. }
            | Event::RunClaimed { .. }
            | Event::SignalReceived { .. }
            | Event::Paused
            | Event::Resumed
            | Event::DeadlinePassed { .. }
            | Event::CapReached => {}
        }
    }

    /// What the node's attempt says of itself changed; it is no news after its end.
    pub(crate) fn hear(&mut self, node: NodeId, changes: &Changes) {
        if let Some(row) = self.rows.get_mut(node.index()).filter(|row| row.state == State::Running) {
            row.items.extend(by_name(&changes.items));
            if changes.progress.is_some() {
                row.progress.clone_from(&changes.progress);
            }
        }
    }

    /// The run that an attempt is which starts with this event.
    pub(crate) fn child(&self, view: &EventView) -> Option<RunId> {
        let Event::AttemptStarted { node, visit, item, attempt, .. } = &view.event else { return None };
        let row = self.rows.get(node.index()).filter(|row| row.engine == "gorch");
        let key = AttemptKey { step: StepId { node: *node, visit: *visit }, item: *item, attempt: *attempt };
        row.map(|_| key.of(self.run).child())
    }

    /// The run's state as the API says it.
    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Going | Phase::Cancelling => State::Running,
            Phase::Ended { outcome, .. } => State::of(outcome),
        }
    }

    /// Changes a row, unless a later visit of the node is known already.
    fn visit(&mut self, node: NodeId, visit: u32, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.get_mut(node.index())
            && visit + 1 >= row.visits
        {
            change(row);
        }
    }
}

fn by_name(items: &[Item]) -> BTreeMap<String, Item> {
    items.iter().map(|item| (item.name.clone(), item.clone())).collect()
}

/// What a node waits for that has nothing to do but to wait.
fn waits(node: &LiveNode) -> Option<String> {
    let args = node.args.join(", ");
    match (node.engine.as_str(), node.args.as_slice()) {
        ("approval", _) => Some("for an approval".to_owned()),
        ("signal", [_]) => Some(format!("for the signal {args}")),
        ("signal", _) => Some(format!("for one of the signals {args}")),
        ("sleep", []) => Some("for a while".to_owned()),
        ("sleep", [until, ..]) if until.starts_with("until ") => Some(args),
        ("sleep", _) => Some(format!("for {args}")),
        (_another, _) => None,
    }
}

impl Row {
    /// What it waits for now.
    pub(crate) fn awaited(&self) -> Option<&str> {
        self.waits.as_deref().filter(|_| self.state == State::Running)
    }

    fn new(name: String, engine: String, waits: Option<String>) -> Self {
        Row {
            name,
            engine,
            state: State::Initial,
            stopping: false,
            visits: 0,
            attempts: 0,
            executor: None,
            since: None,
            until: None,
            failure: None,
            retry_at: None,
            progress: None,
            items: BTreeMap::new(),
            waits,
            each: None,
            copied: None,
            children: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use gorch_schema::progress::Status;
    use gorch_schema::view::LiveNode;
    use gorch_schema::{Accepted, AttemptResult, Cause, EdgeId, StopReason};

    /// build -> test -> ship, build -> docs; all shell.
    pub(crate) fn board() -> Board {
        let names = ["build", "test", "ship it", "docs"];
        let node = |(id, name): (usize, &&str)| -> LiveNode {
            serde_json::from_value(serde_json::json!({
                "id": id, "state": 0, "name": name, "target": "", "engine": "shell", "artifact": "./x", "args": [],
                "output": {}, "graph_id": "019aa1b2c3d47abc8def0123456789ab"
            }))
            .unwrap()
        };
        let mut live: Live = serde_json::from_value(serde_json::json!({"state": 2, "nodes": []})).unwrap();
        live.name = "demo".to_owned();
        live.nodes = names.iter().enumerate().map(node).collect();
        live.digraph = Some(vec![0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        Board::new("019aa1b2c3d47abc8def0123456789ab".parse().unwrap(), &live)
    }

    /// One event at so many milliseconds after the first.
    pub(crate) fn event(millis: i64, event: Event) -> EventView {
        let at = Timestamp::from_millis(1_700_000_000_000 + millis);
        EventView { run: "019aa1b2c3d47abc8def0123456789ab".parse().unwrap(), seq: 1, at, event }
    }

    /// A run with a retry, a failure, a stop and a skip, cancelled at its end.
    pub(crate) fn story() -> Vec<EventView> {
        let (build, test, docs) = (NodeId(0), NodeId(1), NodeId(3));
        let failure = |message: &str| Failure::new("exit_nonzero", message);
        let activated = |node, edge: Option<u32>| Event::StepActivated {
            node,
            visit: 0,
            because: edge.map(|edge| Cause { edge: EdgeId(edge), visit: Some(0) }).into_iter().collect(),
            items: None,
            reused: Default::default(),
        };
        let started = |node, attempt| {
            let executor = Some("e1".parse().unwrap());
            Event::AttemptStarted { node, visit: 0, item: 0, attempt, executor, epoch: 2, until: None }
        };
        let attempt_ended = |node, attempt, result, retry_at| Event::AttemptEnded {
            node,
            visit: 0,
            item: 0,
            attempt,
            result,
            retry_at,
            late: false,
        };
        let ended = |node, outcome| Event::StepEnded {
            node,
            visit: 0,
            outcome,
            output: None,
            label: None,
            fired: vec![],
            reused_from: None,
            artifacts: Default::default(),
        };
        let retry_at = Some(Timestamp::from_millis(1_700_000_001_300));
        let exhausted = Failure { exhausted: true, ..failure("exit code 1: assertion \"a = b\" failed") };
        vec![
            event(0, Event::RunAccepted(Accepted::new("{}"))),
            event(1, Event::RunClaimed { owner: "o1".into() }),
            event(1, activated(build, None)),
            event(2, started(build, 1)),
            event(800, attempt_ended(build, 1, AttemptResult::succeeded(serde_json::Value::Null), None)),
            event(800, ended(build, Outcome::Succeeded)),
            event(800, activated(test, Some(0))),
            event(800, activated(docs, Some(1))),
            event(801, started(test, 1)),
            event(802, started(docs, 1)),
            event(1_000, attempt_ended(test, 1, AttemptResult::failed(failure("exit code 1")), retry_at)),
            event(1_300, started(test, 2)),
            event(1_600, attempt_ended(test, 2, AttemptResult::failed(exhausted.clone()), None)),
            event(1_600, ended(test, Outcome::Failed(exhausted))),
            event(1_600, Event::NodesSkipped { nodes: vec![NodeId(2)], fired: vec![] }),
            event(1_700, Event::CancelRequested { by: "spiffe://gorch.local/gorch/user/client".into() }),
            event(
                1_700,
                Event::StepStopping { node: docs, visit: 0, item: 0, reason: StopReason::Cancelled, by: None },
            ),
            event(1_900, ended(docs, Outcome::Cancelled)),
            event(1_900, Event::RunEnded { outcome: Outcome::Cancelled, outputs: Default::default(), undo: None }),
        ]
    }

    /// What a playbook of the node `docs` says of its hosts.
    pub(crate) fn hosts() -> Vec<Item> {
        let item = |name: &str, status, what: &str, message: Option<&str>| Item {
            name: name.to_owned(),
            status,
            what: what.to_owned(),
            message: message.map(str::to_owned),
            counts: BTreeMap::new(),
        };
        vec![
            item("web1", Status::Changed, "install nginx", None),
            item("web2", Status::Running, "install nginx", None),
            item("web3", Status::Failed, "look", Some("no disk")),
            item("web4", Status::Ok, "look", None),
        ]
    }

    #[test]
    fn what_an_attempt_works_on_is_its_own_and_goes_with_it() {
        let mut board = board();
        let hosts = hosts();
        let on = |items: &[Item]| Changes { items: items.to_vec(), progress: None };
        board.hear(NodeId(3), &on(&hosts));
        assert!(board.rows[3].items.is_empty(), "it does not run");
        story().iter().take(10).for_each(|event| board.apply(event));
        board.hear(NodeId(3), &on(&hosts[..2]));
        board.hear(NodeId(3), &on(&hosts[1..]));
        assert_eq!(board.rows[3].items.len(), 4);
        story().iter().skip(10).for_each(|event| board.apply(event));
        board.hear(NodeId(3), &on(&hosts[..1]));
        assert_eq!(board.rows[3].items.len(), 4, "news of an attempt that has ended is none");
    }

    /// `40 compiling`, as a job says it.
    pub(crate) fn far(percent: Option<&str>, text: &str) -> Changes {
        let percent = percent.map(|percent| percent.parse().unwrap());
        Changes { progress: Some(Advance { percent, text: text.to_owned() }), items: Vec::new() }
    }

    #[test]
    fn how_far_an_attempt_is_goes_with_it() {
        let (mut board, test) = (board(), NodeId(1));
        story().iter().take(10).for_each(|event| board.apply(event));
        board.hear(test, &far(Some("40"), "testing"));
        board.hear(test, &Changes { items: hosts(), progress: None });
        assert_eq!(board.rows[1].progress, far(Some("40"), "testing").progress, "other news leave it");
        board.apply(&story()[10]);
        assert_eq!(board.rows[1].progress, None);
        board.hear(test, &far(Some("50"), "late"));
        assert_eq!(board.rows[1].progress, None, "news of an attempt that has ended is none");
    }

    #[test]
    fn a_late_event_of_an_old_visit_does_not_hide_the_new_one() {
        let mut board = board();
        let activated = |visit| Event::StepActivated {
            node: NodeId(0),
            visit,
            because: vec![],
            items: None,
            reused: Default::default(),
        };
        board.apply(&event(0, activated(0)));
        board.apply(&event(1, activated(1)));
        let ended = Event::StepEnded {
            node: NodeId(0),
            visit: 0,
            outcome: Outcome::Succeeded,
            output: None,
            label: None,
            fired: vec![],
            reused_from: None,
            artifacts: Default::default(),
        };
        board.apply(&event(2, ended));
        assert_eq!((board.rows[0].state, board.rows[0].visits), (State::ToRun, 2));
    }
}
