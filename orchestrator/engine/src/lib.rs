//! What happens next: the pure engine of a run. No await, no clock, no randomness, no I/O.

mod context;
mod decide;
mod fold;
mod look;
mod offer;
mod plan;
mod recover;
mod resolve;
mod sleep;
mod state;
mod verdict;

pub use decide::{Began, Decision, Effect, Input, Refusal};
pub use look::{Halted, Standing};
pub use offer::{Offer, Offers};
pub use plan::{Demand, Plan, VISIT_CAP};
pub use recover::Unfit;
pub use state::{Ended, Run, Step};
