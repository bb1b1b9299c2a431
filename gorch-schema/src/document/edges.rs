//! Edges: from the cells of `digraph` or the entries of `edges`.
//!
//! Owns what an edge is in the document. Promises: every edge returned names nodes that exist, none stands twice,
//! there are no more than the limit. Never looks at the graph as a whole.

use std::ops::ControlFlow;

use super::cells::{Cells, Kind};
use super::check::{Check, Sound};
use super::complaints::Path;
use super::fields::{self, Field, Rule};
use super::json::{Json, Quoted, Stop};
use super::names::Names;
use crate::id::NodeId;
use crate::matrix::side;
use crate::nearest::counted;
use crate::workflow::{Condition, Edge};

/// The edges of a digraph over `count` nodes.
pub(super) fn from_cells(check: &mut Check<'_>, cells: &Cells, count: usize) -> (Vec<Edge>, Sound) {
    let at = Path::DOCUMENT.field("digraph");
    let before = check.complaints.count();
    let needed = (count as u64).pow(2);
    if cells.count() != needed {
        let found = std::fmt::from_fn(|f| match side(cells.count()) {
            Some(side) => write!(f, "{} ({side} x {side})", counted(cells.count(), "cell")),
            None => f.write_str(&counted(cells.count(), "cell")),
        });
        let expected = format!("{needed} ({count} x {count}) for {}", counted(count as u64, "node"));
        check.complaints.add("matrix_not_square", &at, found, expected);
    }
    let (bad, bad_count) = cells.bad();
    for cell in bad {
        let index = usize::try_from(cell.index).unwrap_or(usize::MAX);
        let expected = match cell.found.as_str() {
            "an array" => "a number: the cells stand flat, row after row, in one array",
            _ => "0 (no edge), 1 or 3 (fires on success) or 4 (fires on failure)",
        };
        check.complaints.add("bad_cell", &at.item(index), &cell.found, expected);
    }
    check.complaints.add_uncounted(bad_count - bad.len());
    if check.complaints.count() > before {
        return (Vec::new(), Sound::No);
    }
    let side = count as u64;
    let edge = |(index, kind): (u64, Kind)| Edge {
        from: NodeId((index / side) as u32),
        to: NodeId((index % side) as u32),
        when: match kind {
            Kind::Succeeded => Condition::Succeeded,
            Kind::Failed => Condition::Failed(None),
        },
    };
    (cells.set().map(edge).collect(), Sound::Yes)
}

/// One entry of `edges` as it was read.
#[derive(Debug, Default)]
struct Draft {
    from: End,
    to: End,
    when: Condition,
}

#[derive(Debug, Default)]
enum End {
    #[default]
    Missing,
    /// Complained about already.
    Wrong,
    Id(u64),
    Name(String),
}

static EDGE: &[Field<Draft>] = &[
    Field { name: "from", rule: Rule::Read(|check, at, value, draft| draft.from = end(check, at, value)) },
    Field { name: "to", rule: Rule::Read(|check, at, value, draft| draft.to = end(check, at, value)) },
    Field {
        name: "when",
        rule: Rule::Read(|check, at, value, draft| {
            if let Some(text) = check.text(at, value, "a condition such as \"succeeded\"") {
                draft.when = condition(check, at, &text).unwrap_or_default();
            }
        }),
    },
];

/// The edges of the text of an `edges` array.
pub(super) fn from_entries(check: &mut Check<'_>, text: &str, names: &Names<'_>) -> (Vec<Edge>, Sound) {
    let at = Path::DOCUMENT.field("edges");
    let before = check.complaints.count();
    let mut edges: Vec<Edge> = Vec::new();
    let most = check.limits.max_edges;
    let read = Json::read_items(text, check.limits.max_values, |index, value| {
        if index == most {
            let expected = format_args!("{most} edges at most").to_string();
            check.complaints.add("too_many_edges", &at, format_args!("more than {most} edges"), expected);
            return ControlFlow::Break(());
        }
        edges.extend(entry(check, &at.item(index), value, names));
        ControlFlow::Continue(())
    });
    match read {
        Ok(()) | Err(Stop::Enough) => {}
        Err(stop) => check.stopped(&at, &stop),
    }
    if check.complaints.count() > before {
        return (Vec::new(), Sound::No);
    }
    if complain_about_double_edges(check, &at, &edges) { (Vec::new(), Sound::No) } else { (edges, Sound::Yes) }
}

fn entry(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>, names: &Names<'_>) -> Option<Edge> {
    value.complain_about_double_keys(at, &mut check.complaints);
    let object = check.object(at, value, "an edge: an object with `from` and `to`")?;
    let mut draft = Draft::default();
    fields::read(check, EDGE, "an edge", at, object, &mut draft);
    let from = resolve(check, &at.field("from"), draft.from, names);
    let to = resolve(check, &at.field("to"), draft.to, names);
    Some(Edge { from: from?, to: to?, when: draft.when })
}

fn end(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> End {
    match &value {
        Json::Number(number) if number.is_u64() => number.as_u64().map_or(End::Wrong, End::Id),
        Json::Text(name) => End::Name(name.clone().into_owned()),
        Json::Number(_) | Json::Null | Json::Flag(_) | Json::Array(_) | Json::Object(_) => {
            check.wrong_type(at, &value, "a node's id or name");
            End::Wrong
        }
    }
}

fn resolve(check: &mut Check<'_>, at: &Path<'_>, end: End, names: &Names<'_>) -> Option<NodeId> {
    let count = names.len();
    match end {
        End::Wrong => None,
        End::Missing => {
            check.complaints.add("missing_field", at, "nothing", "a node's id or name");
            None
        }
        End::Id(id) if id < count as u64 => Some(NodeId(id as u32)),
        End::Id(id) => {
            let expected = format_args!("a node's id, 0 to {}", count.saturating_sub(1)).to_string();
            check.complaints.add("unknown_node", at, id, expected);
            None
        }
        End::Name(name) => {
            let found = names.find(&name);
            if found.is_none() {
                let expected = std::fmt::from_fn(|f| match names.nearest(&name) {
                    Some(meant) => write!(f, "a node's id or name; did you mean `{meant}`?"),
                    None => f.write_str("a node's id or name"),
                });
                check.complaints.add("unknown_node", at, Quoted(&name), expected);
            }
            found
        }
    }
}

fn condition(check: &mut Check<'_>, at: &Path<'_>, text: &str) -> Option<Condition> {
    const EXPECTED: &str = "`succeeded`, `failed`, `failed:CODE_GLOB`, `finished` or `chose:LABEL`";
    match text.split_once(':') {
        None => match text {
            "succeeded" => Some(Condition::Succeeded),
            "failed" => Some(Condition::Failed(None)),
            "finished" => Some(Condition::Finished),
            _ => {
                check.complaints.add("bad_condition", at, Quoted(text), EXPECTED);
                None
            }
        },
        Some(("failed", glob)) => check.glob(at, glob, "bad_condition").map(|glob| Condition::Failed(Some(glob))),
        Some(("chose", label)) if !label.is_empty() => {
            check.check_name(at, label).then(|| Condition::Chose(label.to_owned()))
        }
        Some(_) => {
            check.complaints.add("bad_condition", at, Quoted(text), EXPECTED);
            None
        }
    }
}

/// Complains about every edge that says the same as an earlier one. Edges between the same nodes may differ in `when`.
fn complain_about_double_edges(check: &mut Check<'_>, at: &Path<'_>, edges: &[Edge]) -> bool {
    let key = |edge: &Edge| (edge.from, edge.to);
    if edges.is_sorted_by(|a, b| key(a) < key(b)) {
        return false;
    }
    let before = check.complaints.count();
    let mut order: Vec<u32> = (0..edges.len() as u32).collect();
    order.sort_unstable_by_key(|index| (key(&edges[*index as usize]), *index));
    for same in order.chunk_by(|a, b| key(&edges[*a as usize]) == key(&edges[*b as usize])) {
        let mut seen = std::collections::HashMap::with_capacity(if same.len() > 1 { same.len() } else { 0 });
        for index in same.iter().filter(|_| same.len() > 1) {
            let edge = &edges[*index as usize];
            if let Some(first) = seen.insert(edge.when.to_string(), *index) {
                let found = format_args!("the same edge as /edges/{first}").to_string();
                check.complaints.add("bad_value", &at.item(*index as usize), found, "each edge once");
            }
        }
    }
    check.complaints.count() > before
}
