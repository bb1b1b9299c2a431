//! The hand-off: how an attempt gets to its executor and its end comes back.
//!
//! One [`link::Link`] per executor, one [`carry`] task per attempt that is handed out.

pub(crate) mod carry;
pub(crate) mod link;

pub use link::Links;
