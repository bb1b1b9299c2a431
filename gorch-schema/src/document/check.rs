//! Every check of a document, in order.
//!
//! Owns the way from scanned text to a workflow. Promises: everything that is wrong is reported together; a check that
//! needs something that is already known to be wrong is left out rather than adding noise. Never reads bytes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::cells::Cells;
use super::complaints::{Complaints, Path, Refused};
use super::engines::Engines;
use super::fields::{self, Field};
use super::json::{Json, Stop};
use super::limits::Limits;
use super::names::{self, Names, Placed};
use super::node::{self, GivenId};
use super::options::{self, TOP, Top};
use super::scanner::{Scanned, Value};
use super::{edges, references, shape};
use crate::id::NodeId;
use crate::problem::Complaint;
use crate::workflow::{CodeGlob, Edge, Workflow};

/// Can later checks build on what this one has seen?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sound {
    Yes,
    No,
}

/// What all checks share.
#[derive(Debug)]
pub(super) struct Check<'c> {
    pub(super) complaints: Complaints,
    /// What is allowed but worth a look.
    pub(super) warnings: Complaints,
    pub(super) limits: &'c Limits,
    pub(super) engines: &'c Engines,
    /// Code globs by their text.
    pub(super) globs: HashMap<String, CodeGlob>,
}

/// The document's fields that are read here.
#[derive(Debug, Default)]
struct Graph<'s> {
    nodes: Option<&'s str>,
    edges: Option<&'s str>,
    cells: Option<&'s Cells>,
    /// A `digraph` that is no array.
    digraph: Option<&'s str>,
    state: Option<&'s str>,
}

/// A workflow and its warnings, or everything that is wrong.
pub(super) fn check(
    scanned: &Scanned,
    limits: &Limits,
    engines: &Engines,
) -> Result<(Workflow, Vec<Complaint>), Refused> {
    let mut check = Check::new(limits, engines);
    let (graph, others) = check.sort_fields(scanned);
    check.refuse_live_view(graph.state)?;
    let mut top = Top::default();
    for (key, text) in others {
        check.field(TOP, "a graph", key, text, &mut top);
    }
    options::settle(&mut check, &mut top);
    let workflow = check.graph(&graph, top);
    match workflow {
        Some(workflow) if check.complaints.count() == 0 => Ok((workflow, check.warnings.into_list())),
        Some(_) | None => Err(check.complaints.into_refused()),
    }
}

impl<'c> Check<'c> {
    /// Nothing is wrong yet.
    pub(super) fn new(limits: &'c Limits, engines: &'c Engines) -> Self {
        Check {
            complaints: Complaints::default(),
            warnings: Complaints::default(),
            limits,
            engines,
            globs: HashMap::new(),
        }
    }

    /// Tells the graph's own fields from the options; complains about double ones.
    fn sort_fields<'s>(&mut self, scanned: &'s Scanned) -> (Graph<'s>, Vec<(&'s str, &'s str)>) {
        let mut graph = Graph::default();
        let mut others = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for field in &scanned.fields {
            let key = field.key.as_str();
            if !seen.insert(key) {
                self.complaints.add("duplicate_key", &Path::DOCUMENT.field(key), "a second value", "each key once");
                continue;
            }
            match &field.value {
                Value::Cells(cells) => graph.cells = Some(cells),
                Value::Text(range) => {
                    let text = &scanned.text[range.clone()];
                    let slot = match key {
                        "nodes" => &mut graph.nodes,
                        "edges" => &mut graph.edges,
                        "digraph" => &mut graph.digraph,
                        "state" => &mut graph.state,
                        _ => {
                            others.push((key, text));
                            continue;
                        }
                    };
                    *slot = Some(text).filter(|text| *text != "null");
                }
            }
        }
        (graph, others)
    }

    /// The live view of a run has states for cells: running it would mean something else.
    fn refuse_live_view(&mut self, state: Option<&str>) -> Result<(), Refused> {
        let Some(text) = state else { return Ok(()) };
        let at = Path::DOCUMENT.field("state");
        match Json::read(text, self.limits.max_values) {
            Ok(Json::Number(number)) => match number.as_u64() {
                Some(0 | 1) => {}
                Some(_) => {
                    let expected = "no state, 0 or 1: to run it again, submit what `/v1/tasks/{id}/gorch` answers";
                    return Err(Refused::only("live_view", &at, number, expected));
                }
                None => self.complaints.add("wrong_type", &at, number, "a whole number"),
            },
            Ok(other) => self.wrong_type(&at, &other, "a whole number"),
            Err(stop) => self.stopped(&at, &stop),
        }
        Ok(())
    }

    /// Reads a field of the body itself.
    pub(super) fn field<T>(&mut self, table: &'static [Field<T>], kind: &str, key: &str, text: &str, into: &mut T) {
        let at = Path::DOCUMENT.field(key);
        match Json::read(text, self.limits.max_values) {
            Ok(value) => {
                value.complain_about_double_keys(&at, &mut self.complaints);
                fields::field(self, table, kind, &Path::DOCUMENT, key, value, into);
            }
            Err(stop) => self.stopped(&at, &stop),
        }
    }

    /// Nodes, edges, and how they hang together.
    fn graph(&mut self, graph: &Graph<'_>, top: Top) -> Option<Workflow> {
        let (mut placed, ids) = self.nodes(graph.nodes)?;
        let ids_sound = names::place(self, &mut placed, &ids);
        let before = self.complaints.count();
        let names = Names::new(self, &placed);
        let names_sound = if self.complaints.count() == before { Sound::Yes } else { Sound::No };
        let (edges, edges_sound) = self.edges(graph, &names);
        references::look(self, &placed, &names, &top.options);
        if [ids_sound, names_sound, edges_sound].contains(&Sound::No) {
            return None;
        }
        let positions: Vec<usize> = placed.iter().map(|placed| placed.position).collect();
        let nodes = placed.into_iter().map(|placed| placed.node).collect();
        let workflow = Workflow::new(top.name, top.options, nodes, edges);
        shape::look(self, &workflow, &positions);
        Some(workflow)
    }

    /// Every node, or `None` where there are none to go on with.
    fn nodes(&mut self, text: Option<&str>) -> Option<(Vec<Placed>, Vec<GivenId>)> {
        let at = Path::DOCUMENT.field("nodes");
        let Some(text) = text else {
            self.complaints.add("empty_document", &at, "nothing", "an array of at least one node");
            return None;
        };
        if !text.starts_with('[') {
            self.no_array(&at, text, "nodes");
            return None;
        }
        let (mut placed, mut ids) = (Vec::new(), Vec::new());
        let most = self.limits.max_nodes;
        let read = Json::read_items(text, self.limits.max_values, |index, value| {
            if index == most {
                let expected = format_args!("{most} nodes at most").to_string();
                self.complaints.add("too_many_nodes", &at, format_args!("more than {most} nodes"), expected);
                return ControlFlow::Break(());
            }
            let at = at.item(index);
            value.complain_about_double_keys(&at, &mut self.complaints);
            let (id, node) = node::read(self, &at, value);
            ids.push(id);
            placed.push(Placed { id: NodeId(index as u32), position: index, node });
            ControlFlow::Continue(())
        });
        match read {
            Ok(()) if placed.is_empty() => {
                self.complaints.add("empty_document", &at, "an empty array", "an array of at least one node");
                None
            }
            Ok(()) => Some((placed, ids)),
            Err(Stop::Enough) => None,
            Err(stop) => {
                self.stopped(&at, &stop);
                None
            }
        }
    }

    fn edges(&mut self, graph: &Graph<'_>, names: &Names<'_>) -> (Vec<Edge>, Sound) {
        match (graph.cells, graph.digraph, graph.edges) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                let at = Path::DOCUMENT.field("edges");
                self.complaints.add("both_digraph_and_edges", &at, "both `digraph` and `edges`", "one of them");
                (Vec::new(), Sound::No)
            }
            (None, Some(text), None) => {
                self.no_array(&Path::DOCUMENT.field("digraph"), text, "cells, row by row");
                (Vec::new(), Sound::No)
            }
            (Some(cells), _, None) => edges::from_cells(self, cells, names.len()),
            (None, None, Some(text)) if text.starts_with('[') => edges::from_entries(self, text, names),
            (None, None, Some(text)) => {
                self.no_array(&Path::DOCUMENT.field("edges"), text, "edges");
                (Vec::new(), Sound::No)
            }
            (None, None, None) if names.len() == 1 => (Vec::new(), Sound::Yes),
            (None, None, None) => {
                let found = format!("{} nodes, and neither `digraph` nor `edges`", names.len());
                let expected = "one of them; `\"edges\": []` where no node waits for another";
                self.complaints.add("no_edges_given", &Path::DOCUMENT, found, expected);
                (Vec::new(), Sound::No)
            }
        }
    }

    fn no_array(&mut self, at: &Path<'_>, text: &str, of: &str) {
        match Json::read(text, self.limits.max_values) {
            Ok(value) => self.wrong_type(at, &value, format_args!("an array of {of}")),
            Err(stop) => self.stopped(at, &stop),
        }
    }

    /// A piece that could not be read to its end.
    pub(super) fn stopped(&mut self, at: &Path<'_>, stop: &Stop) {
        match stop {
            Stop::Enough => {}
            Stop::TooManyValues(index) => {
                let most = self.limits.max_values;
                let at = index.map_or(*at, |index| at.item(index));
                let found = format_args!("more than {most} JSON values inside each other").to_string();
                self.complaints.add("too_large", &at, found, "less: a large input belongs into a file");
            }
            Stop::Syntax(error) => self.complaints.add("bad_json", at, error, "JSON that can be read"),
        }
    }
}
