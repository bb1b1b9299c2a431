//! Offers: which executors could take work right now.
//!
//! Owns how a demand meets an executor. Free slots come in with every input, so that placing stays pure and the
//! chosen executor stands in the same append as the step. Never counts what is running: whoever makes the offers
//! derives them from what is live.

use std::collections::{BTreeMap, BTreeSet};

use gorch_schema::ExecutorName;

use crate::plan::Demand;

/// One executor that takes work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who.
    pub executor: ExecutorName,
    /// Its drivers.
    pub engines: BTreeSet<String>,
    /// Hosts that it knows besides itself.
    pub targets: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How many more attempts it takes now, prefetch included.
    pub free: u32,
}

impl Offer {
    /// Could this executor ever run such a node?
    pub fn suits(&self, demand: &Demand) -> bool {
        match demand {
            Demand::Own => false,
            Demand::Executor { engine, target, requires } => {
                self.engines.contains(engine)
                    && target.as_ref().is_none_or(|t| t == self.executor.as_str() || self.targets.contains(t))
                    && requires.iter().all(|(label, value)| self.labels.get(label) == Some(value))
            }
        }
    }
}

/// Everybody who takes work. Placing an attempt takes one slot off the offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offers(pub Vec<Offer>);

impl Offers {
    /// Nobody takes anything.
    pub fn none() -> Self {
        Offers(Vec::new())
    }

    /// Takes a slot of the suitable executor with the most free ones (the first of equals).
    pub(crate) fn take(&mut self, demand: &Demand) -> Option<ExecutorName> {
        let mut best: Option<&mut Offer> = None;
        for offer in self.0.iter_mut().filter(|offer| offer.free > 0 && offer.suits(demand)) {
            if best.as_ref().is_none_or(|b| offer.free > b.free) {
                best = Some(offer);
            }
        }
        let best = best?;
        best.free -= 1;
        Some(best.executor.clone())
    }
}
