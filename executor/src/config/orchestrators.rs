//! Whom an executor serves.
//!
//! Owns the list of orchestrators: several share one store, and any of them may go on with a run. Promises that there is
//! at least one. Never says which of them lives.

/// URLs, `https://HOST:PORT` each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orchestrators(Vec<String>);

impl Orchestrators {
    /// These; none where nobody is named.
    pub fn of(urls: Vec<String>) -> Option<Self> {
        let urls: Vec<String> = urls.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        (!urls.is_empty()).then_some(Orchestrators(urls))
    }

    /// Each of them, at least one.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.0
    }
}

impl From<String> for Orchestrators {
    fn from(url: String) -> Self {
        Orchestrators(vec![url.trim_end_matches('/').to_owned()])
    }
}
