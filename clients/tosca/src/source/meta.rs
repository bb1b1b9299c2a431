//! `TOSCA.meta`: which file of an archive is the entry.
//!
//! Owns the form of the file and its keys. Promises that what is wrong with it is told with its line. Never looks
//! whether the files that it names are there.

use crate::place::{FileId, Place};
use crate::report::Report;

/// What an archive says of itself.
#[derive(Debug)]
pub(super) struct Meta {
    /// The file to begin with, and where that is said. An archive of version 2.0 may leave it to the root's only file.
    pub(super) entry: Option<(String, Place)>,
    /// Files with templates that can stand for nodes of the entry.
    pub(super) others: Vec<(String, Place)>,
}

/// The versions of the form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    V1,
    V2,
}

impl Form {
    const KNOWN: [(&'static str, Form); 3] = [("1.0", Form::V1), ("1.1", Form::V1), ("2.0", Form::V2)];
}

/// A line of the first block.
struct Line {
    name: String,
    value: String,
    place: Place,
}

/// What the text of a file says, or nothing where it is no use; why stands in the report.
pub(super) fn read(text: &str, file: FileId, report: &mut Report) -> Option<Meta> {
    let lines = first_block(text, file, report)?;
    // Names are those of a manifest: tools differ in how they write them.
    let find = |name: &str| lines.iter().find(|line| line.name.eq_ignore_ascii_case(name));
    let start = Place::start_of(file);
    let missing = |name: &str, report: &mut Report| {
        match lines.iter().find(|line| strsim::damerau_levenshtein(&line.name, name) <= 3) {
            Some(like) => report.error(like.place, "meta", format!("found `{}`, expected `{name}`", like.name)),
            None => report.error(start, "meta", format!("`{name}` is missing")),
        };
    };
    let form = match find("CSAR-Version") {
        Some(line) => match Form::KNOWN.iter().find(|(version, _)| *version == line.value) {
            Some((_, form)) => *form,
            None => {
                let message = format!("unknown version `{}` of a CSAR, expected 1.0, 1.1 or 2.0", line.value);
                report.error(line.place, "meta", message);
                return None;
            }
        },
        None => {
            missing("CSAR-Version", report);
            return None;
        }
    };
    let entry = find("Entry-Definitions").map(|line| (line.value.clone(), line.place));
    if entry.is_none() && form == Form::V1 {
        missing("Entry-Definitions", report);
        return None;
    }
    let others = find("Other-Definitions").map(|line| {
        let names = names(&line.value).into_iter();
        names.map(|name| (name, line.place)).collect()
    });
    Some(Meta { entry, others: others.unwrap_or_default() })
}

/// The names and values before the first empty line; the others are about files. All have to be of the form.
fn first_block(text: &str, file: FileId, report: &mut Report) -> Option<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut first = true;
    let mut goes_on = false;
    let mut is_right = true;
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim_end();
        if text.is_empty() {
            first &= lines.is_empty();
            goes_on = false;
            continue;
        }
        let width = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let place = Place { file, line: number, column: 1, width };
        if goes_on && text.starts_with(' ') {
            if let Some(line) = lines.last_mut().filter(|_| first) {
                line.value.push(' ');
                line.value.push_str(text.trim_start());
            }
            continue;
        }
        let Some((name, value)) = text.split_once(':').filter(|(_, value)| value.is_empty() || value.starts_with(' '))
        else {
            report.error(place, "meta", format!("found `{text}`, expected `name: value`"));
            is_right = false;
            continue;
        };
        goes_on = true;
        if first {
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            if let Some(before) = lines.iter().find(|line| line.name.eq_ignore_ascii_case(&name)) {
                let message = format!("`{name}` stands twice");
                report.error(place, "meta", message).other(before.place, "it stands here first");
                is_right = false;
            }
            lines.push(Line { name, value, place });
        }
    }
    is_right.then_some(lines)
}

/// The names in a list with blanks between them, and quotes around those that have blanks.
fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some(quoted) => quoted,
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        names.push(name.to_owned());
        rest = after.trim_start();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_blanks_stand_in_quotes() {
        assert_eq!(names(r#" a.yaml  "b c.yaml" d.yaml"#), ["a.yaml", "b c.yaml", "d.yaml"]);
        assert_eq!(names(""), Vec::<String>::new());
        assert_eq!(names("\"open"), ["\"open"]);
    }
}
