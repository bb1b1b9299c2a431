//! What is known about a workflow before anything runs: components, in-edges, demands.
//!
//! Owns the indices that make every decision cost O(out-degree): which nodes close together (strongly connected
//! components), how many edges enter a component from outside, which nodes wait for the same things.
//! Computed once per workflow, shared by everything that holds the run. Never changes, never decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gorch_schema::expression::{self, Expression};
use gorch_schema::graph::{Components, Incoming};
use gorch_schema::workflow::{Lock, Losers};
use gorch_schema::{EdgeId, Engine, Join, Node, NodeId, Workflow};

use crate::resolve;

/// A workflow with its indices.
#[derive(Debug)]
pub struct Plan {
    /// The graph itself.
    pub workflow: Arc<Workflow>,
    incoming: Incoming,
    components: Components,
    entering: Vec<u32>,
    leaving: Vec<u32>,
    queues: Vec<Queue>,
    queue_of: Vec<u32>,
    /// Some join of it cancels its losers.
    loses: bool,
    names: OnceLock<HashMap<String, NodeId>>,
    refers: Vec<bool>,
    /// Expressions that were asked for, by their text: each is read once.
    expressions: Mutex<HashMap<String, Expression>>,
    visit_cap: usize,
}

/// Second and later visits that a run may have (R9).
pub const VISIT_CAP: usize = 10_000;

/// Nodes that wait for the same things wait in one queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queue {
    /// Who could run them.
    pub demand: Demand,
    /// What each of their attempts must hold: its name in all namespaces.
    pub lock: Option<Lock>,
}

/// What a node asks of whoever runs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// gorch runs it itself: no executor, no slot.
    Own,
    /// An executor with this driver, of this name or knowing this target, with these labels.
    Executor {
        /// The driver.
        engine: String,
        /// The executor's name, or a host that it knows; `None` is any executor.
        target: Option<String>,
        /// Labels that it must have.
        requires: BTreeMap<String, String>,
    },
}

impl Plan {
    /// Computes the indices: linear in nodes and edges.
    pub fn new(workflow: Arc<Workflow>) -> Arc<Self> {
        Plan::with_visit_cap(workflow, VISIT_CAP)
    }

    /// The same with another cap on second and later visits.
    pub fn with_visit_cap(workflow: Arc<Workflow>, visit_cap: usize) -> Arc<Self> {
        let components = Components::of(&workflow);
        let mut entering = vec![0u32; components.count()];
        let mut leaving = vec![0u32; components.count()];
        for edge in &workflow.edges {
            let (from, into) = (components.component(edge.from), components.component(edge.to));
            if from != into {
                entering[into as usize] += 1;
                leaving[from as usize] += 1;
            }
        }

        let first = Queue { demand: Demand::Own, lock: None };
        let mut queues = vec![first.clone()];
        let mut known = BTreeMap::from([(first, 0u32)]);
        let queue_of = workflow
            .nodes
            .iter()
            .map(|node| {
                let demand = match &node.engine {
                    Engine::Driver(engine) => Demand::Executor {
                        engine: engine.clone(),
                        target: node.target.clone(),
                        requires: node.requires.clone(),
                    },
                    Engine::Nil | Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Signal | Engine::Gorch => {
                        Demand::Own
                    }
                };
                let lock = node.lock.as_deref().map(|lock| in_namespace(&workflow, lock));
                *known.entry(Queue { demand, lock }).or_insert_with_key(|queue| {
                    queues.push(queue.clone());
                    queues.len() as u32 - 1
                })
            })
            .collect();
        let cancels = |node: &Node| matches!(node.join, Join::Need { losers: Losers::Cancelled, .. });
        let loses = workflow.nodes.iter().any(cancels);
        let refers = workflow.nodes.iter().map(resolve::refers).collect();
        let names = OnceLock::new();
        Arc::new(Plan {
            incoming: Incoming::of(&workflow),
            components,
            entering,
            leaving,
            queues,
            queue_of,
            loses,
            names,
            refers,
            expressions: Mutex::default(),
            visit_cap,
            workflow,
        })
    }

    /// The edges that enter a node, ascending.
    pub(crate) fn in_edges(&self, node: NodeId) -> &[EdgeId] {
        self.incoming.edges(node)
    }

    /// The component of a node.
    pub(crate) fn component(&self, node: NodeId) -> u32 {
        self.components.component(node)
    }

    /// How many components there are.
    pub(crate) fn component_count(&self) -> usize {
        self.entering.len()
    }

    /// The nodes of a component, ascending.
    pub(crate) fn members(&self, component: u32) -> &[NodeId] {
        self.components.members(component)
    }

    /// How many edges enter a component from outside.
    pub(crate) fn entering(&self, component: u32) -> u32 {
        self.entering[component as usize]
    }

    /// How many edges leave a component.
    pub(crate) fn leaving(&self, component: u32) -> u32 {
        self.leaving[component as usize]
    }

    /// Which queue a node's attempts wait in, as an index into [`Plan::queues`].
    pub(crate) fn queue_of(&self, node: NodeId) -> u32 {
        self.queue_of[node.index()]
    }

    /// Every queue; the first is for what gorch runs itself and no lock holds up.
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// The lock that the whole run must hold, by its name in all namespaces.
    pub fn lock(&self) -> Option<Lock> {
        self.workflow.options.lock.as_ref().map(|lock| in_namespace(&self.workflow, lock))
    }

    /// Does any run of it hold or want a lock?
    pub fn locks(&self) -> bool {
        self.workflow.options.lock.is_some() || self.queues.iter().any(|queue| queue.lock.is_some())
    }

    /// Does a join of it cancel its losers?
    pub(crate) fn loses(&self) -> bool {
        self.loses
    }

    /// How many in-edges of a node must have fired for it to start once; `None`: each firing starts a visit.
    pub(crate) fn need(&self, node: NodeId) -> Option<u32> {
        match self.workflow.node(node).join {
            Join::All => Some(self.in_edges(node).len() as u32),
            Join::Need { need, .. } => Some(need),
            Join::Any => None,
        }
    }

    /// Does the node read outputs or inputs?
    pub(crate) fn refers(&self, node: NodeId) -> bool {
        self.refers[node.index()]
    }

    /// Does the node read one of these inputs?
    pub(crate) fn reads_input_of(&self, node: NodeId, names: &BTreeSet<String>) -> bool {
        !names.is_empty() && resolve::reads_input_of(self, self.workflow.node(node), names)
    }

    /// The expression of this text, read the first time that somebody asks.
    pub(crate) fn expression(&self, text: &str) -> Result<Expression, expression::Error> {
        // Nothing under the lock leaves half of an entry, so that a panic elsewhere cannot spoil it.
        let mut known = self.expressions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expression) = known.get(text) {
            return Ok(expression.clone());
        }
        let expression = Expression::parse(text)?;
        known.insert(text.to_owned(), expression.clone());
        Ok(expression)
    }

    /// How many second and later visits a run may have.
    pub(crate) fn visit_cap(&self) -> usize {
        self.visit_cap
    }

    /// The node of this exact name.
    pub fn named(&self, name: &str) -> Option<NodeId> {
        let names = self.names.get_or_init(|| {
            self.workflow.node_ids().map(|node| (self.workflow.node(node).name.clone(), node)).collect()
        });
        names.get(name).copied()
    }
}

/// Locks of different namespaces never meet.
fn in_namespace(workflow: &Workflow, lock: &Lock) -> Lock {
    Lock { name: format!("{}/{}", workflow.options.namespace, lock.name), if_busy: lock.if_busy }
}
