//! A run, and the runs that its nodes are.
//!
//! Owns the boards of all of them and the order in which their nodes are shown as one tree: the nodes of a run stand
//! below the node that it is, behind a dotted line. Promises that only the runs of latest attempts are shown. Never
//! decides which runs are followed.

use std::collections::BTreeMap;
use std::rc::Rc;

use gorch_schema::RunId;
use gorch_schema::view::EventView;

use crate::watch::board::{Board, Row};
use crate::watch::tree;

/// The boards of a run and of those below it.
#[derive(Debug)]
pub(crate) struct Family {
    root: RunId,
    boards: BTreeMap<RunId, Board>,
}

/// A node in its place in the tree.
#[derive(Debug, Clone)]
pub(crate) struct Line<'a> {
    /// The node.
    pub(crate) row: &'a Row,
    place: &'a tree::Place,
    /// What stands left of all nodes of its run.
    before: Rc<str>,
    /// Which item its run is, where the node above has several.
    item: Option<u32>,
}

impl Line<'_> {
    /// The branches left of it.
    pub(crate) fn branch(&self) -> String {
        let item = self.item.filter(|_| self.place.branch.is_empty());
        let item = item.map(|item| format!("[{item}] ")).unwrap_or_default();
        format!("{}{}{item}", self.before, self.place.branch)
    }
}

impl Family {
    /// A run of which no run below is known.
    pub(crate) fn new(root: Board) -> Self {
        Family { root: root.run, boards: BTreeMap::from([(root.run, root)]) }
    }

    /// The run that somebody watches.
    pub(crate) fn root(&self) -> &Board {
        &self.boards[&self.root]
    }

    /// One of the runs.
    pub(crate) fn board(&self, run: RunId) -> Option<&Board> {
        self.boards.get(&run)
    }

    /// The same, to change it.
    pub(crate) fn board_mut(&mut self, run: RunId) -> Option<&mut Board> {
        self.boards.get_mut(&run)
    }

    /// A run below is known from here on.
    pub(crate) fn adopt(&mut self, board: Board) {
        self.boards.insert(board.run, board);
    }

    /// Folds an event of any of the runs in; gives the run that starts with it.
    pub(crate) fn apply(&mut self, view: &EventView) -> Option<RunId> {
        let board = self.boards.get_mut(&view.run)?;
        board.apply(view);
        board.child(view)
    }

    /// Every node of every run, as one tree.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::with_capacity(self.root().order.len());
        // The run, where in it to go on, what stands before its nodes, and which item it is.
        let mut stack: Vec<(&Board, usize, Rc<str>, Option<u32>)> = vec![(self.root(), 0, "".into(), None)];
        while let Some((board, from, before, item)) = stack.pop() {
            for (index, place) in board.order.iter().enumerate().skip(from) {
                let row = &board.rows[place.node as usize];
                lines.push(Line { row, place, before: before.clone(), item });
                if row.children.is_empty() {
                    continue;
                }
                stack.push((board, index + 1, before.clone(), item));
                let below: Rc<str> = format!("{before}{}┊ ", tree::below(&place.branch)).into();
                let children = row.children.iter().rev();
                stack.extend(children.filter_map(|(item, run)| {
                    let item = row.each.is_some().then_some(*item);
                    self.boards.get(run).map(|board| (board, 0, below.clone(), item))
                }));
                break;
            }
        }
        lines
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::watch::board::tests::event;
    use gorch_client::Live;
    use gorch_schema::{AttemptResult, Event, NodeId, Outcome};
    use serde_json::{Value, json};

    const ROOT: &str = "019aa1b2c3d47abc8def0123456789ab";

    fn live(name: &str, nodes: &[(&str, &str, &[&str])], edges: &[(u32, u32)]) -> Live {
        let node = |(id, (name, engine, args)): (usize, &(&str, &str, &[&str]))| {
            json!({"id": id, "state": 0, "name": name, "target": "", "engine": engine, "artifact": "x", "args": args,
                "output": {}, "graph_id": ROOT})
        };
        let nodes: Vec<Value> = nodes.iter().enumerate().map(node).collect();
        let edge = |(from, to): &(u32, u32)| json!({"from": from, "to": to, "when": "succeeded"});
        let edges: Vec<Value> = edges.iter().map(edge).collect();
        serde_json::from_value(json!({"name": name, "state": 2, "nodes": nodes, "edges": edges})).unwrap()
    }

    fn activated(node: u32, items: Option<u32>) -> Event {
        let items = items.map(|items| (0..items).map(Value::from).collect());
        Event::StepActivated { node: NodeId(node), visit: 0, because: vec![], items, reused: BTreeMap::new() }
    }

    fn started(node: u32, item: u32) -> Event {
        let node = NodeId(node);
        Event::AttemptStarted { node, visit: 0, item, attempt: 1, executor: None, epoch: 2, until: None }
    }

    fn ended(node: u32, item: u32) -> Event {
        let (node, result) = (NodeId(node), AttemptResult::succeeded(Value::Null));
        Event::AttemptEnded { node, visit: 0, item, attempt: 1, result, retry_at: None, late: false }
    }

    /// build (copied) -> deploy (a run) -> ask, build -> sites (a run for each), build -> nap.
    pub(crate) fn root() -> Family {
        let nodes: [(&str, &str, &[&str]); 6] = [
            ("build", "shell", &[]),
            ("deploy", "gorch", &[]),
            ("ask", "approval", &[]),
            ("sites", "gorch", &[]),
            ("nap", "sleep", &["1h"]),
            ("go", "signal", &["go", "stop"]),
        ];
        let live = live("release", &nodes, &[(0, 1), (1, 2), (0, 3), (0, 4), (0, 5)]);
        Family::new(Board::new(ROOT.parse().unwrap(), &live))
    }

    /// What happens in it.
    pub(crate) fn events() -> Vec<EventView> {
        let copied = Event::StepEnded {
            node: NodeId(0),
            visit: 0,
            outcome: Outcome::Succeeded,
            output: None,
            label: None,
            fired: vec![],
            reused_from: Some("019aa1b2c3d37abc8def0123456789ab".parse().unwrap()),
            artifacts: Default::default(),
        };
        let events = [
            activated(0, None),
            copied,
            activated(1, None),
            started(1, 0),
            activated(3, Some(10)),
            started(3, 0),
            started(3, 1),
            started(3, 2),
            ended(3, 0),
            activated(4, None),
            started(4, 0),
            activated(5, None),
            started(5, 0),
            activated(2, None),
            started(2, 0),
        ];
        events.into_iter().enumerate().map(|(millis, one)| event(millis as i64, one)).collect()
    }

    /// The same with two of the runs below, and one below those.
    pub(crate) fn family() -> Family {
        let mut family = root();
        let mut below: Vec<RunId> = events().iter().filter_map(|event| family.apply(event)).collect();
        assert_eq!(below.len(), 4, "one, and one for each item that has started");
        let nodes: [(&str, &str, &[&str]); 2] = [("fetch", "shell", &[]), ("inner", "gorch", &[])];
        for run in [below[0], below[2]] {
            family.adopt(Board::new(run, &live("below", &nodes, &[(0, 1)])));
        }
        let view = EventView { run: below[0], ..event(20, started(1, 0)) };
        below.extend(family.apply(&view));
        family.adopt(Board::new(below[4], &live("deepest", &[("leaf", "nil", &[])], &[])));
        family
    }

    #[test]
    fn every_node_has_one_line_and_news_of_unknown_runs_are_none() {
        let mut family = family();
        assert_eq!(family.lines().len(), 6 + 2 + 1 + 2);
        let strange = EventView { run: "0".repeat(32).parse().unwrap(), ..event(0, started(1, 0)) };
        assert_eq!(family.apply(&strange), None);
    }
}
