//! The hand-off: how an attempt gets to its executor and its end comes back.
//!
//! One [`road`] and one [`link::Link`] per executor with one [`session`] on it, one [`carry`] task per attempt that is handed out.

pub(crate) mod carry;
pub(crate) mod link;
pub mod road;
mod session;

pub use link::Links;
