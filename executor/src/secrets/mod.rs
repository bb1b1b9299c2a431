//! Secrets that this executor gives to jobs, and keeps out of everything that it writes.
//!
//! Owns the store (files that only the executor can read, or a command), the values of one attempt, and their
//! redaction. Promises that a value is in memory only, for as long as its attempt runs: it is in no ledger, no log and
//! no report. What a job does with a secret is the job's; what it prints is redacted.

mod redact;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gorch_schema::Secret;
use gorch_schema::work::Work;

pub(crate) use redact::{Redacted, Redactor, Sink};
pub use store::Error;
pub use store::Source;
use store::bare;
pub(crate) use store::{Missing, Store};

/// What one attempt is given.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    /// For variables.
    values: BTreeMap<String, String>,
    /// For files, by the variables that name them.
    files: Arc<BTreeMap<String, Vec<u8>>>,
    redactor: Option<Arc<Redactor>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.values.len() + self.files.len())
    }
}

impl Secrets {
    /// Everything that the work refers to.
    pub(crate) async fn of(work: &Work, store: &Store) -> Result<Self, Missing> {
        let mut secrets = Secrets::default();
        let mut files = BTreeMap::new();
        let mut hidden = Vec::new();
        for (name, secret) in &work.settings.secrets {
            let value = store.get(secret.reference()).await?;
            hidden.push(bare(&value).to_vec());
            match secret {
                Secret::Variable(reference) => {
                    let text = String::from_utf8(bare(&value).to_vec()).ok().filter(|text| !text.contains('\0'));
                    let text = text.ok_or_else(|| Missing::NoText(reference.clone()))?;
                    secrets.values.insert(name.clone(), text);
                }
                Secret::File { .. } => drop(files.insert(name.clone(), value)),
            }
        }
        if !hidden.is_empty() {
            secrets.redactor = Some(Arc::new(Redactor::new(&hidden)));
        }
        secrets.files = Arc::new(files);
        Ok(secrets)
    }

    /// Of an attempt whose secrets cannot be had any more: nothing that it wrote is to be shown.
    pub(crate) fn unknown() -> Self {
        Secrets { redactor: Some(Arc::new(Redactor::blind())), ..Secrets::default() }
    }

    /// The work as its driver sees it: with its secrets in its variables, and in its headers.
    pub(crate) fn fill(&self, work: &Arc<Work>) -> Arc<Work> {
        if self.values.is_empty() {
            return Arc::clone(work);
        }
        let mut filled = Work::clone(work);
        for header in filled.settings.headers.values_mut() {
            for (name, value) in &self.values {
                *header = header.replace(&format!("${{{name}}}"), value);
            }
        }
        filled.env.extend(self.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        Arc::new(filled)
    }

    /// Those that are given as files, by the variables that name them.
    pub(crate) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// What hides them; `None` where there are none.
    pub(crate) fn redactor(&self) -> Option<&Arc<Redactor>> {
        self.redactor.as_ref()
    }
}
