//! R4: steps whose work no join needs any more.
//!
//! Owns what is moot and who is useless. An edge is moot when its target is a join that has started or can start no
//! more; a component is useless when it works for a join that has started and cancels its losers, and every edge that
//! leaves it is moot or leads to something useless. Promises: each edge and each component is looked at once per run
//! for each of these, and not at all where no join cancels. Never stops anything: that is decided.

use gorch_schema::{EdgeId, NodeId};

use crate::state::{Firing, Owed, Run};

impl Run {
    /// Nothing that this node does is of use.
    pub(crate) fn is_useless(&self, node: NodeId) -> bool {
        self.useless.contains(&self.plan.0.component(node))
    }

    /// A source of this edge is closed: if it never fired it never will.
    pub(crate) fn maybe_dead(&mut self, edge: EdgeId) {
        if self.plan.0.loses() && self.fired[edge.index()] == Firing::Never {
            let target = self.plan.0.workflow.edge(edge).to;
            self.nodes[target.index()].dead += 1;
            self.maybe_moot(target);
        }
    }

    /// Has this join started, or can it start no more? Then what leads to it is moot.
    pub(crate) fn maybe_moot(&mut self, node: NodeId) {
        let plan = self.plan.0.clone();
        let Some(need) = plan.need(node).filter(|_| plan.loses()) else { return };
        let facts = &mut self.nodes[node.index()];
        let out_of_reach = (plan.in_edges(node).len() as u32) - facts.dead < need;
        if facts.moot || !(facts.visits > 0 || facts.skipped || out_of_reach) {
            return;
        }
        facts.moot = true;
        if self.is_useless(node) {
            // Its in-edges were counted when that became so.
            return;
        }
        for edge in plan.in_edges(node) {
            self.less_useful(*edge);
        }
    }

    /// A join that cancels its losers has started: whoever works for it may be one.
    pub(crate) fn seek_losers(&mut self, join: NodeId) {
        let plan = self.plan.0.clone();
        let mut todo = vec![plan.component(join)];
        while let Some(component) = todo.pop() {
            for node in plan.members(component) {
                for edge in plan.in_edges(*node) {
                    let from = plan.component(plan.workflow.edge(*edge).from);
                    if from != component && !self.components[from as usize].loses {
                        self.components[from as usize].loses = true;
                        todo.push(from);
                        self.maybe_useless(from);
                    }
                }
            }
        }
    }

    fn less_useful(&mut self, edge: EdgeId) {
        let plan = self.plan.0.clone();
        let from = plan.component(plan.workflow.edge(edge).from);
        if from == plan.component(plan.workflow.edge(edge).to) {
            return;
        }
        let facts = &mut self.components[from as usize];
        facts.useful = facts.useful.saturating_sub(1);
        self.maybe_useless(from);
    }

    fn maybe_useless(&mut self, component: u32) {
        let plan = self.plan.0.clone();
        let mut todo = vec![component];
        while let Some(component) = todo.pop() {
            let facts = &self.components[component as usize];
            if facts.useful > 0 || !facts.loses || !self.useless.insert(component) {
                continue;
            }
            self.renounce(component);
            for node in plan.members(component) {
                for edge in plan.in_edges(*node) {
                    let from = plan.component(plan.workflow.edge(*edge).from);
                    // An edge to a join that is moot was counted when that became so.
                    if from != component && !self.nodes[node.index()].moot {
                        let facts = &mut self.components[from as usize];
                        facts.useful = facts.useful.saturating_sub(1);
                        todo.push(from);
                    }
                }
            }
        }
    }

    /// Nothing of this component starts that has not: its first visits are not owed any more.
    fn renounce(&mut self, component: u32) {
        let plan = self.plan.0.clone();
        let owed = std::mem::take(&mut self.owed);
        let (dropped, kept) = owed.into_iter().partition(|owed: &Owed| {
            plan.component(owed.node) == component && self.nodes[owed.node.index()].visits == 0
        });
        self.owed = kept;
        for owed in Vec::from(dropped) {
            self.release(plan.component(owed.node));
        }
    }
}
