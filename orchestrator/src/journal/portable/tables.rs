//! Which rows a journal has: the tables that all stores share, and their columns.
//!
//! Owns the one list from which stores make their statements and archives their headings. Promises that rows are in the
//! order of numbers and bytes, whatever the store: so sums can be compared. Never knows a statement.

use gorch_schema::Digest;

use super::rows::Cell;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number or an instant.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// The id of a run: 32 hex digits here, whatever it is in the store.
    Id,
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    /// So many of the first columns tell its rows apart, and order them.
    pub(crate) key: usize,
    /// Which of its rows belong to what is remembered, as SQL that all stores understand.
    pub(crate) kept: &'static str,
}

const ALL: &str = "TRUE";

/// Rows of a run that was forgotten are as good as gone: they are not shown and not carried.
const REMEMBERED: &str = "run NOT IN (SELECT number FROM leftovers)";

macro_rules! columns {
    ($($kind:ident $name:ident),* $(,)?) => { &[$(Column { name: stringify!($name), kind: Kind::$kind }),*] };
}

/// The newest numbers that were given out, in one row. It comes first: whoever takes rows knows them before any other.
pub(crate) static NEWEST: Table = Table { name: "newest", columns: columns![Int run, Int event], key: 0, kept: ALL };

pub(crate) static RUNS: Table = Table {
    name: "runs",
    columns: columns![
        Int number, Id id, Int last, Int ended, Text state, Text name, Int started, Text namespace, Id parent,
        Id rerun_of, Id undo_of, Text labels, Text summary,
    ],
    key: 1,
    kept: ALL,
};

pub(crate) static EVENTS: Table = Table {
    name: "events",
    columns: columns![Int position, Int run, Int first, Int last, Int at, Text body],
    key: 1,
    kept: REMEMBERED,
};

pub(crate) static LABELS: Table =
    Table { name: "labels", columns: columns![Int run, Text key, Text value], key: 2, kept: ALL };

pub(crate) static LOGS: Table =
    Table { name: "logs", columns: columns![Int run, Text attempt, Text body], key: 2, kept: REMEMBERED };

pub(crate) static KEYS: Table =
    Table { name: "keys", columns: columns![Text owner, Text key, Bytes digest, Int run], key: 2, kept: ALL };

pub(crate) static CLAIMS: Table = Table { name: "claims", columns: columns![Text name, Int run], key: 1, kept: ALL };

pub(crate) static ARTIFACTS: Table =
    Table { name: "artifacts", columns: columns![Text digest, Int run], key: 2, kept: ALL };

pub(crate) static CACHE: Table =
    Table { name: "cache", columns: columns![Text key, Int run, Int expires, Text result], key: 1, kept: ALL };

pub(crate) static DEFINITIONS: Table = Table {
    name: "definitions",
    columns: columns![
        Int number, Text namespace, Text name, Text revision, Int at, Text by, Text inputs, Text document,
    ],
    key: 1,
    kept: ALL,
};

pub(crate) static DEFINITION_ARTIFACTS: Table =
    Table { name: "definition_artifacts", columns: columns![Text digest, Int definition], key: 2, kept: ALL };

pub(crate) static EXECUTORS: Table = Table {
    name: "executors",
    columns: columns![Text name, Text registration, Int at, Int revision, Text drain],
    key: 1,
    kept: ALL,
};

/// Runs that are gone. The id of nobody is how a file remembers numbers that were used up, and no run's.
pub(crate) static FORGOTTEN: Table = Table {
    name: "forgotten",
    columns: columns![Int number, Id id, Int at],
    key: 1,
    kept: "id <> '00000000000000000000000000000000'",
};

/// All of them, in the order in which they are carried: what rows refer to comes before them.
pub(crate) static TABLES: [&Table; 13] = [
    &NEWEST,
    &RUNS,
    &EVENTS,
    &LABELS,
    &LOGS,
    &KEYS,
    &CLAIMS,
    &ARTIFACTS,
    &CACHE,
    &DEFINITIONS,
    &DEFINITION_ARTIFACTS,
    &EXECUTORS,
    &FORGOTTEN,
];

impl Table {
    /// Its name and those of its columns, as the heading in an archive.
    pub(crate) fn heading(&self) -> String {
        let columns = self.columns.iter().map(|column| column.name);
        std::iter::once(self.name).chain(columns).collect::<Vec<_>>().join(" ")
    }

    /// The artifact that a row says is needed.
    pub(crate) fn needs(&self, row: &[Cell]) -> Option<Digest> {
        match (self.name, row) {
            ("artifacts" | "definition_artifacts", [Cell::Text(digest), ..]) => digest.parse().ok(),
            _others_need_none => None,
        }
    }

    /// The columns between commas, as SQL; each as the store says it.
    pub(crate) fn columns(&self, say: impl Fn(&Column) -> String) -> String {
        self.columns.iter().map(say).collect::<Vec<_>>().join(", ")
    }

    /// The columns that order its rows, as SQL; each as the store says it. A table of one row has none.
    pub(crate) fn order(&self, say: impl Fn(&Column) -> String) -> String {
        let columns: Vec<String> = self.columns[..self.key].iter().map(say).collect();
        if columns.is_empty() { String::new() } else { format!(" ORDER BY {}", columns.join(", ")) }
    }
}
