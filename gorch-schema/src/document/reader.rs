//! From bytes to a workflow.
//!
//! Owns the door of the document: bytes come in as they arrive, in chunks of any size, and a checked workflow or every
//! complaint goes out. Promises: a body is never held whole (the cells of `digraph` are not, the rest is up to
//! `max_document`); the same bytes give the same result however they are cut; nothing panics, whatever comes.

use std::sync::Arc;

use super::check::check;
use super::complaints::Refused;
use super::engines::Engines;
use super::limits::Limits;
use super::scanner::{Scanned, Scanner};
use super::start::{Asked, is_start, start};
use crate::problem::Complaint;
use crate::render;
use crate::workflow::Workflow;

/// A document that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// What it means.
    pub workflow: Workflow,
    /// What the journal keeps: the document byte for byte up to 1 MiB, beyond that the equivalent `edges` document.
    pub text: Arc<str>,
    /// What is allowed but worth a look.
    pub warnings: Vec<Complaint>,
}

/// Reads one document as its bytes arrive.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    scanner: Scanner,
    /// All bytes so far, while they are few.
    raw: Option<Vec<u8>>,
    refused: Option<Refused>,
}

impl Reader {
    /// A reader that has seen nothing.
    pub fn new(limits: &Limits) -> Self {
        Reader { limits: *limits, scanner: Scanner::new(limits), raw: Some(Vec::new()), refused: None }
    }

    /// Reads on. The first wrong byte and the first limit passed are refused at once (`bad_json`, `too_large`,
    /// `too_many_edges`); after that every call says the same.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        match &mut self.raw {
            Some(raw) if raw.len() + bytes.len() <= self.limits.max_kept_text => raw.extend_from_slice(bytes),
            Some(_) => self.raw = None,
            None => {}
        }
        self.scanner.push(bytes).inspect_err(|refused| self.refused = Some(refused.clone()))
    }

    /// There is no more: all checks. Takes a time linear in the size; a second or so for the largest documents.
    pub fn finish(self, engines: &Engines) -> Result<Submission, Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let scanned = self.scanner.finish()?;
        submission(&scanned, self.raw, &self.limits, engines)
    }

    /// The same for a body that may also be a start.
    pub fn finish_asked(self, engines: &Engines) -> Result<Asked, Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let scanned = self.scanner.finish()?;
        if is_start(&scanned) {
            return start(&scanned, &self.limits, engines).map(Asked::Start);
        }
        submission(&scanned, self.raw, &self.limits, engines).map(Asked::Document)
    }
}

fn submission(
    scanned: &Scanned,
    raw: Option<Vec<u8>>,
    limits: &Limits,
    engines: &Engines,
) -> Result<Submission, Refused> {
    let (workflow, warnings) = check(scanned, limits, engines)?;
    let text = match raw.and_then(|raw| String::from_utf8(raw).ok()) {
        Some(text) => text,
        None => render::edges(&workflow),
    };
    Ok(Submission { workflow, text: text.into(), warnings })
}

/// Reads a document that is here already.
pub fn read(bytes: &[u8], limits: &Limits, engines: &Engines) -> Result<Submission, Refused> {
    let mut reader = Reader::new(limits);
    reader.push(bytes)?;
    reader.finish(engines)
}

/// The workflow of a document that was accepted once: no limits, any engine.
pub fn recover(text: &str) -> Result<Workflow, Refused> {
    let limits = Limits { max_kept_text: 0, ..Limits::none() };
    let mut scanner = Scanner::new(&limits);
    scanner.push(text.as_bytes())?;
    check(&scanner.finish()?, &limits, &Engines::Any).map(|(workflow, _)| workflow)
}
