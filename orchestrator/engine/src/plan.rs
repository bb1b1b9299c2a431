//! What is known about a workflow before anything runs: components, in-edges, demands.
//!
//! Owns the indices that make every decision cost O(out-degree): which nodes close together (strongly connected
//! components), how many edges enter a component from outside, which nodes ask for the same kind of executor.
//! Computed once per workflow, shared by everything that holds the run. Never changes, never decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gorch_schema::expression::{self, Expression};
use gorch_schema::graph::{Components, Incoming};
use gorch_schema::{EdgeId, Engine, NodeId, Workflow};

use crate::resolve;

/// A workflow with its indices.
#[derive(Debug)]
pub struct Plan {
    /// The graph itself.
    pub workflow: Arc<Workflow>,
    incoming: Incoming,
    components: Components,
    entering: Vec<u32>,
    demands: Vec<Demand>,
    demand_of: Vec<u32>,
    names: OnceLock<HashMap<String, NodeId>>,
    refers: Vec<bool>,
    /// Expressions that were asked for, by their text: each is read once.
    expressions: Mutex<HashMap<String, Expression>>,
    visit_cap: usize,
}

/// Second and later visits that a run may have (R9).
pub const VISIT_CAP: usize = 10_000;

/// What a node asks of whoever runs it. Nodes with equal demands wait in one queue.
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
        for edge in &workflow.edges {
            let into = components.component(edge.to);
            if components.component(edge.from) != into {
                entering[into as usize] += 1;
            }
        }

        let mut demands = vec![Demand::Own];
        let mut known = BTreeMap::from([(Demand::Own, 0u32)]);
        let demand_of = workflow
            .nodes
            .iter()
            .map(|node| {
                let demand = match &node.engine {
                    Engine::Nil | Engine::Fail | Engine::Sleep => return 0,
                    Engine::Driver(engine) => Demand::Executor {
                        engine: engine.clone(),
                        target: node.target.clone(),
                        requires: node.requires.clone(),
                    },
                };
                *known.entry(demand).or_insert_with_key(|demand| {
                    demands.push(demand.clone());
                    demands.len() as u32 - 1
                })
            })
            .collect();
        let refers = workflow.nodes.iter().map(resolve::refers).collect();
        let names = OnceLock::new();
        Arc::new(Plan {
            incoming: Incoming::of(&workflow),
            components,
            entering,
            demands,
            demand_of,
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

    /// Which demand a node has, as an index into [`Plan::demands`].
    pub(crate) fn demand_of(&self, node: NodeId) -> u32 {
        self.demand_of[node.index()]
    }

    /// Every demand; the first is [`Demand::Own`].
    pub fn demands(&self) -> &[Demand] {
        &self.demands
    }

    /// Does the node read outputs or inputs?
    pub(crate) fn refers(&self, node: NodeId) -> bool {
        self.refers[node.index()]
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
