//! Scripts in the manner of TOSCA: arguments are variables, and variables are outputs.
//!
//! Owns what such a script is, which shell reads it, and how the values of its variables are told when it is over,
//! wherever it ends. Promises that no value is ever taken for code, nor for another output. Never runs anything here.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use gorch_schema::work::Work;

use super::super::{Entry, Outlives, Scripts, Settings, fetch};
use super::remote::{Begins, Launch, Variables, Word, is_name};
use super::{Kind, Plan, Refusal, Source, is_here, make};

/// The row of the table of drivers.
pub(crate) const ENTRY: Entry = Entry {
    name: "toscassh",
    make: |settings| Arc::new(make(settings, Kind::Variables)),
    is_here,
    outlives: Outlives::Machine,
};

/// Interpreters that know variables as `sh` does.
const SHELLS: [&str; 7] = ["sh", "dash", "bash", "ksh", "mksh", "ash", "zsh"];

/// What runs a script.
#[derive(Debug, PartialEq, Eq)]
enum Reader {
    /// A shell, with what its `#!` line says besides.
    Shell(Vec<String>),
    /// Whatever the host finds.
    Itself,
}

/// The plan of a script. `fetched` is its file, where it is named by its content.
pub(super) fn plan(settings: &Settings, work: &Work, fetched: Option<Source>) -> Result<Plan, Refusal> {
    let source = match fetched {
        Some(source) => source,
        None if work.artifact.starts_with("#!") || work.artifact.contains('\n') => match settings.scripts {
            Scripts::Allow => Source::Text(work.artifact.clone()),
            Scripts::Refuse => return Err(Refusal::Scripts),
        },
        None => {
            let found = fetch::below(&settings.workdir, &work.artifact).filter(|path| path.is_file());
            Source::File(found.ok_or_else(|| Refusal::NoScript { path: settings.workdir.join(&work.artifact) })?)
        }
    };
    let first = first_line(&source).map_err(|(path, source)| Refusal::Script { path, source })?;
    let mut exports: BTreeMap<String, String> = work.env.clone();
    for argument in &work.args {
        match argument.split_once('=').filter(|(name, _)| is_name(name)) {
            Some((name, value)) => exports.insert(name.to_owned(), value.to_owned()),
            None => return Err(Refusal::Argument { argument: argument.clone() }),
        };
    }
    let told: Vec<&str> = work.outputs.iter().map(String::as_str).filter(|name| is_name(name)).collect();
    let (argv, variables) = match reader(&first) {
        Reader::Shell(mut words) => {
            words.extend(["-c".to_owned(), runner(&told)]);
            let variables = if told.is_empty() { Variables::None } else { Variables::Told };
            (words.into_iter().map(Word::Text).chain([Word::Artifact]).collect(), variables)
        }
        Reader::Itself => (vec![Word::Artifact], Variables::None),
    };
    let exports = exports.into_iter().collect();
    let launch = Launch { secrets: Vec::new(), begins: Begins::Home, exports, argv, variables };
    Ok(Plan { source: Some(source), launch })
}

/// What a shell does with the script, whose path is its `$0`. A trap tells the values: it sees every end but KILL.
fn runner(told: &[&str]) -> String {
    let mut text = "gorch_vars=${GORCH_OUTPUT%/output}/vars\ngorch_tell() {\n".to_owned();
    for name in told {
        // A text is written to in memory only.
        let _ = writeln!(text, "if [ \"${{{name}+x}}\" ]; then printf %s \"${name}\" >|\"$gorch_vars/{name}\"; fi");
    }
    text.push_str(":\n}\ntrap gorch_tell EXIT\n. \"$0\"\n");
    text
}

fn reader(first: &str) -> Reader {
    let Some(line) = first.strip_prefix("#!") else { return Reader::Shell(vec!["sh".to_owned()]) };
    let line = line.trim_matches([' ', '\t']);
    let (program, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let is_shell = |path: &str| SHELLS.contains(&path.rsplit('/').next().unwrap_or(path));
    // As the system reads it: what follows the program is one argument.
    let words = || [program, rest].into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect();
    match program.rsplit('/').next() {
        Some("env") if is_shell(rest) => Reader::Shell(words()),
        Some(_) | None if is_shell(program) => Reader::Shell(words()),
        Some(_) | None => Reader::Itself,
    }
}

fn first_line(source: &Source) -> Result<String, (PathBuf, io::Error)> {
    let path = match source {
        Source::Text(text) => return Ok(text.lines().next().unwrap_or_default().to_owned()),
        Source::File(path) => path,
        Source::Kept(kept) => &kept.path,
    };
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut bytes));
    read.map_err(|error| (path.clone(), error))?;
    Ok(String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_who_reads_the_script() {
        let shell = |words: &[&str]| Reader::Shell(words.iter().map(|word| (*word).to_owned()).collect());
        let cases = [
            ("echo", shell(&["sh"])),
            ("#!/bin/ksh", shell(&["/bin/ksh"])),
            ("#! /bin/bash -eu", shell(&["/bin/bash", "-eu"])),
            ("#!/usr/bin/env bash", shell(&["/usr/bin/env", "bash"])),
            ("#!/usr/bin/env python3", Reader::Itself),
            ("#!/usr/bin/python3", Reader::Itself),
            ("#!/bin/bash\r", Reader::Itself),
        ];
        for (line, wanted) in cases {
            assert_eq!(reader(line), wanted, "{line}");
        }
    }
}
