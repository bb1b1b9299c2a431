//! The heading of a file: which version it is written in.
//!
//! Promises that a file without a heading that is known is no template, and that a dialect is said to be read as one.

use crate::place::{FileId, Place};
use crate::report::Report;
use crate::version::{Dialect, Types, Version};
use crate::yaml::Node;

pub(super) const KEY: &str = "tosca_definitions_version";

/// The version of a file, or nothing where it is no template; why stands in the report.
pub(super) fn read(root: &Node, file: FileId, report: &mut Report) -> Option<Version> {
    let start = Place::start_of(file);
    let Some(entries) = root.as_map() else {
        let message = format!("found {}, expected a map that begins with `{KEY}`", root.said());
        report.error(root.place, "version", message);
        return None;
    };
    let Some(heading) = root.entry(KEY) else {
        let like = entries.iter().find(|entry| {
            let key = entry.key.as_text().unwrap_or_default();
            strsim::damerau_levenshtein(key, KEY) <= 3
        });
        match like {
            Some(like) => {
                let message = format!("found `{}`, expected `{KEY}`", like.key);
                report.error(like.key.place, "version", message);
            }
            None => {
                report
                    .error(start, "version", format!("`{KEY}` is missing"))
                    .hint(format!("begin the file with `{KEY}: {}`", Version::V1_3.heading()));
            }
        }
        return None;
    };
    let text = heading.value.as_name().unwrap_or_default();
    let Some(version) = Version::read(text) else {
        let message =
            format!("found {}, expected a version such as `{}`", heading.value.said(), Version::V1_3.heading());
        report
            .error(heading.value.place, "version", message)
            .near(text, Version::ALL.into_iter().map(Version::heading));
        return None;
    };
    if let Some(dialect) = Dialect::of(text) {
        let message = format!("`{text}` is a dialect of TOSCA ({}), read as {version}", dialect.name);
        let complaint = report.warning(heading.value.place, "dialect", message);
        match dialect.types {
            Types::Theirs => complaint.hint("its types are not built in: import them"),
            Types::Normative => complaint,
        };
    }
    let before = entries.first().filter(|first| !version.is_simple() && first.key.as_text() != Some(KEY));
    if let Some(before) = before {
        let message = format!("`{KEY}` has to be the first key of a file of {version}");
        report
            .error(heading.key.place, "version_first", message)
            .other(before.key.place, format!("`{}` stands before it", before.key));
    }
    Some(version)
}
