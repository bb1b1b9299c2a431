//! What is wrong with a document: the list, and the places.
//!
//! Owns the collecting of complaints and JSON pointers. Promises: the first hundred are kept, all are counted, and a
//! complaint beyond the hundredth costs no text. Never decides what is wrong.

use std::fmt;

use crate::problem::{CODES, Complaint, Problem};

/// How many complaints are kept.
const KEPT: usize = 100;
/// How long the parts of a complaint may be, in characters.
const LONGEST: usize = 300;

/// A document that is not run: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{count} complaints about the document{}", self.first())]
pub struct Refused {
    /// The first hundred, in the order of the document as far as it was read.
    pub complaints: Vec<Complaint>,
    /// How many there are in all.
    pub count: usize,
}

impl Refused {
    /// As many as there are places in this list, each with the code; `None` where it is empty.
    pub(crate) fn of(code: &'static str, wrong: Vec<Wrong>) -> Option<Self> {
        let mut complaints = Complaints::default();
        for Wrong { pointer, found, expected } in wrong {
            complaints.put(code, || pointer, found, expected);
        }
        (complaints.count() > 0).then(|| complaints.into_refused())
    }

    pub(super) fn only(
        code: &'static str,
        at: &Path<'_>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        let mut complaints = Complaints::default();
        complaints.add(code, at, found, expected);
        complaints.into_refused()
    }

    fn first(&self) -> String {
        self.complaints.first().map(|complaint| format!(", the first: {complaint}")).unwrap_or_default()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        Problem::of_document(refused.complaints, refused.count)
    }
}

/// A wrong value somewhere, whatever the code of the complaint about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) pointer: String,
    pub(crate) found: String,
    pub(crate) expected: String,
}

/// Complaints as they come.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    list: Vec<Complaint>,
    count: usize,
}

impl Complaints {
    /// One more; found and expected are rendered only if it is kept.
    pub(super) fn add(
        &mut self,
        code: &'static str,
        at: &Path<'_>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        self.put(code, || at.to_string(), found, expected);
    }

    /// The same for a place that is a text already.
    pub(super) fn put(
        &mut self,
        code: &'static str,
        pointer: impl FnOnce() -> String,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        debug_assert!(CODES.iter().any(|row| row.code == code), "{code} stands in no table");
        self.count += 1;
        if self.list.len() < KEPT {
            self.list.push(Complaint {
                code: code.to_owned(),
                pointer: pointer(),
                found: cut(found),
                expected: cut(expected),
            });
        }
    }

    /// The complaints about a part that was read by itself.
    pub(super) fn absorb(&mut self, at: &Path<'_>, part: Refused) {
        self.count += part.count;
        let room = KEPT.saturating_sub(self.list.len());
        let moved = |complaint: Complaint| Complaint { pointer: format!("{at}{}", complaint.pointer), ..complaint };
        self.list.extend(part.complaints.into_iter().take(room).map(moved));
    }

    /// More complaints of a kind that were counted but not kept where they were found.
    pub(super) fn add_uncounted(&mut self, more: usize) {
        self.count += more;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn into_refused(self) -> Refused {
        Refused { complaints: self.list, count: self.count }
    }

    pub(super) fn into_list(self) -> Vec<Complaint> {
        self.list
    }
}

fn cut(text: impl fmt::Display) -> String {
    let text = text.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// A place in the document, as a chain on the stack: it becomes a JSON pointer only when somebody complains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    key: Key<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Key<'a> {
    Document,
    Name(&'a str),
    Index(u64),
    Pointer(&'a str),
}

impl<'a> Path<'a> {
    /// The document itself.
    pub(super) const DOCUMENT: Path<'static> = Path { parent: None, key: Key::Document };

    pub(super) fn field(&'a self, name: &'a str) -> Path<'a> {
        Path { parent: Some(self), key: Key::Name(name) }
    }

    pub(super) fn item(&'a self, index: usize) -> Path<'a> {
        Path { parent: Some(self), key: Key::Index(index as u64) }
    }

    /// The place to which this pointer leads from here.
    pub(super) fn place(&'a self, pointer: &'a str) -> Path<'a> {
        Path { parent: Some(self), key: Key::Pointer(pointer) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.key {
            Key::Document => Ok(()),
            Key::Name(name) => {
                let name: String = name.chars().take(LONGEST).collect();
                write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Key::Index(index) => write!(f, "/{index}"),
            Key::Pointer(pointer) => f.write_str(pointer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_json_pointer() {
        let nodes = Path::DOCUMENT.field("nodes");
        let node = nodes.item(3);
        assert_eq!(node.field("a/b~c").to_string(), "/nodes/3/a~1b~0c");
        assert_eq!(Path::DOCUMENT.to_string(), "");
    }

    #[test]
    fn the_first_hundred_are_kept_and_all_are_counted() {
        let mut complaints = Complaints::default();
        for index in 0..250 {
            complaints.add("bad_value", &Path::DOCUMENT.item(index), "x".repeat(10_000), "less");
        }
        let refused = complaints.into_refused();
        assert_eq!((refused.complaints.len(), refused.count), (100, 250));
        assert!(refused.complaints[0].found.len() < 400);
    }
}
