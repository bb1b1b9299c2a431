//! What happens next: the pure engine of a run. No await, no clock, no randomness, no I/O.

mod call;
mod context;
mod decide;
mod ending;
mod fold;
mod items;
mod lock;
mod look;
mod losers;
mod offer;
mod plan;
mod recover;
mod resolve;
mod reuse;
mod room;
mod sleep;
mod starting;
mod state;
mod verdict;

pub use decide::{Answer, Began, Decision, Effect, Input, Refusal};
pub use lock::{Holder, Locks, Waiter};
pub use look::{EndedStep, Halted, Standing};
pub use offer::{Offer, Offers};
pub use plan::{Demand, Plan, Queue, VISIT_CAP};
pub use recover::Unfit;
pub use reuse::{Preview, Reuse};
pub use room::weight;
pub use state::{Ended, Run, Step};
