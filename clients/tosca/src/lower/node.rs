//! A node of the document.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::engine::Engine;
use crate::place::Place;
use crate::plan::Join;

/// All that a document says of a node. Values are as they will stand there: literal texts, or references.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) engine: Engine,
    pub(crate) target: Option<Rc<str>>,
    pub(crate) artifact: String,
    /// Where each stands for the job, and how the document names it.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    /// JSON.
    pub(crate) input: Option<String>,
    pub(crate) output: BTreeSet<Rc<str>>,
    pub(crate) lock: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) join: Join,
    /// Expressions, and the label that each gives.
    pub(crate) choose: Vec<(String, &'static str)>,
}

impl Node {
    /// A node that does nothing.
    pub(super) fn nil(name: &str, place: Place) -> Self {
        Node {
            name: name.to_owned(),
            place,
            engine: Engine::Nil,
            target: None,
            artifact: String::new(),
            files: BTreeMap::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            input: None,
            output: BTreeSet::new(),
            lock: None,
            timeout: None,
            join: Join::All,
            choose: Vec::new(),
        }
    }
}
