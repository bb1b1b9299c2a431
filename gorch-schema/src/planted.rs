//! Bugs on purpose, to test the tests: one at a time, and only in a build that asks for them.
//!
//! Owns the question whether one is planted. Promises that the answer is no, known when it is compiled, and costs nothing,
//! unless the build was made with `GORCH_PLANTS` set; then `GORCH_PLANTED` names the one that is. `scripts/planted` makes
//! such a build and shows that each is caught. Never set in anything that is given to anybody.

use std::sync::LazyLock;

/// Does this build have them?
const PLANTS: bool = option_env!("GORCH_PLANTS").is_some();

static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("GORCH_PLANTED").ok());

/// Is this bug planted?
#[inline]
pub fn planted(name: &str) -> bool {
    PLANTS && CHOSEN.as_deref() == Some(name)
}
