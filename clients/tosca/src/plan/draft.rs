//! A plan while it is made.
//!
//! Owns names and numbers of steps. Promises that no two steps have one name, that no edge stands there twice, and that
//! a finished plan is in order.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::{Edge, Join, Plan, Planned, StepIx, When, Work, order};
use crate::place::Place;

/// A plan that is being made.
#[derive(Debug, Default)]
pub(super) struct Draft {
    steps: Vec<Planned>,
    edges: Vec<Edge>,
    known: HashSet<Edge>,
    names: HashMap<String, u32>,
}

impl Draft {
    /// A step more. If its name is taken, it is told apart by the step of the workflow that it is for.
    pub(super) fn add(&mut self, name: String, step: Option<&str>, place: Place, work: Work) -> StepIx {
        let name = self.free(name, step);
        let index = StepIx::new(self.steps.len());
        self.steps.push(Planned { name, place, work, join: Join::All });
        index
    }

    fn free(&mut self, name: String, step: Option<&str>) -> String {
        let name = match step {
            Some(step) if self.names.contains_key(&name) => format!("{name} (step {step})"),
            Some(_) | None => name,
        };
        let uses = self.names.entry(name.clone()).or_default();
        *uses += 1;
        match *uses {
            1 => name,
            uses => self.free(format!("{name} {uses}"), None),
        }
    }

    /// How many steps it has so far.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// One waits for the other.
    pub(super) fn edge(&mut self, from: StepIx, to: StepIx, when: When) {
        let edge = Edge { from, to, when };
        if self.known.insert(edge) {
            self.edges.push(edge);
        }
    }

    /// It starts with the first edge that fires.
    pub(super) fn starts_with_the_first(&mut self, step: StepIx) {
        self.steps[step.index()].join = Join::One;
    }

    /// The plan, in order.
    pub(super) fn finish(self, name: &Rc<str>) -> Plan {
        let pairs: Vec<_> = self.edges.iter().map(|edge| (edge.from.index(), edge.to.index())).collect();
        let order = order::sorted(self.steps.len(), &pairs)
            .expect("templates and steps are looked at for cycles before a plan is made of them");
        let mut place = vec![StepIx(0); order.len()];
        for (index, &step) in order.iter().enumerate() {
            place[step] = StepIx::new(index);
        }
        let mut steps: Vec<Option<Planned>> = self.steps.into_iter().map(Some).collect();
        let moved = |edge: &Edge| Edge { from: place[edge.from.index()], to: place[edge.to.index()], when: edge.when };
        let mut edges: Vec<Edge> = self.edges.iter().map(moved).collect();
        edges.sort_unstable_by_key(|edge| (edge.to, edge.from, edge.when));
        Plan { name: name.clone(), steps: order.iter().filter_map(|&step| steps[step].take()).collect(), edges }
    }
}
