//! Where something stands: a file, and a piece of it.
//!
//! Owns the files that were read, with their texts, and the places in them. A place is small and can be kept by
//! everything that is made of a template, down to the node of the plan.

use std::rc::Rc;

/// Which of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(pub(crate) u16);

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) file: FileId,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The character of the line, from 1.
    pub(crate) column: u32,
    /// How many characters of that line it has; 0 where it is a point.
    pub(crate) width: u32,
}

impl Place {
    /// The beginning of a file.
    pub(crate) fn start_of(file: FileId) -> Self {
        Place { file, line: 1, column: 1, width: 0 }
    }
}

/// The files that were read, in their order.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: Vec<File>,
}

/// A file: how people call it, and its text.
#[derive(Debug)]
struct File {
    name: Rc<str>,
    text: Rc<str>,
    /// Where the lines after the first one begin.
    lines: Vec<usize>,
}

impl Files {
    /// So many files can be read into one service.
    pub(crate) const MOST: usize = 4096;

    /// Keeps a file. At most [`Files::MOST`] are read, so its number fits.
    pub(crate) fn add(&mut self, name: &str, text: Rc<str>) -> FileId {
        let id = u16::try_from(self.files.len()).expect("the imports are counted before they are read");
        let lines = text.match_indices('\n').map(|(end, _)| end + 1).collect();
        self.files.push(File { name: name.into(), text, lines });
        FileId(id)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// `service.yaml:12:7`.
    pub(crate) fn at(&self, place: Place) -> String {
        format!("{}:{}:{}", self.name(place.file), place.line, place.column)
    }

    /// The name of a file, as its reader knows it.
    pub(crate) fn name(&self, file: FileId) -> &str {
        &self.files[usize::from(file.0)].name
    }

    /// The text of a file.
    pub(crate) fn text(&self, file: FileId) -> Rc<str> {
        self.files[usize::from(file.0)].text.clone()
    }

    /// The line that a place is in.
    pub(crate) fn line(&self, place: Place) -> &str {
        let file = &self.files[usize::from(place.file.0)];
        let line = place.line.saturating_sub(1) as usize;
        let start = line.checked_sub(1).map_or(Some(0), |before| file.lines.get(before).copied());
        let end = file.lines.get(line).copied().unwrap_or(file.text.len());
        let text = start.and_then(|start| file.text.get(start..end)).unwrap_or_default();
        text.trim_end_matches(['\n', '\r'])
    }
}
