//! From a path to the service: opens, checks the forms, collects the types, and resolves.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::grammar;
use crate::place::{FileId, Files, Place};
use crate::report::{Report, Told};
use crate::resolve::{Given, Said, Wanted, resolve};
use crate::service::Service;
use crate::source::{Origin, Sources};
use crate::types::{Whole, World};
use crate::yaml::{Node, load};

/// A file of inputs has at most so many bytes.
const LARGEST_INPUTS: u64 = 16 << 20;

/// The rules of imports that cannot be had.
const MISSING: &[&str] = &["not_found", "network", "profile", "built_in"];

/// Where inputs come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// A YAML or JSON file: a map of names.
    File(PathBuf),
    /// `NAME=VALUE`; the value is read as YAML.
    Set(String),
}

/// A service that was read, with its files and with what should be known of it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) service: Service,
    pub(crate) sources: Sources,
    pub(crate) report: Report,
}

/// Reads the service that a path leads to; or says all that is wrong with it.
pub(crate) fn read(at: &Path, inputs: &[Inputs], wanted: Wanted, whole: Whole) -> Result<Reading, Told> {
    let mut report = Report::default();
    let mut sources = match Sources::open(at, &mut report) {
        Ok(sources) => sources,
        Err(files) => return Err(report.told(&files)),
    };
    report.excuse(|complaint| {
        let unit = sources.units.iter().find(|unit| unit.file == complaint.place.file);
        complaint.rule == "duplicate_key" && unit.is_some_and(|unit| unit.version.is_simple())
    });
    // An archive has all that belongs to it.
    let whole = if sources.folder.is_archive() { Whole::Whole } else { whole };
    if whole == Whole::Part {
        report.excuse(|complaint| MISSING.contains(&complaint.rule));
    }
    for unit in sources.units.iter().filter(|unit| unit.origin == Origin::Given) {
        grammar::check(&unit.root, unit.version, &mut report);
    }
    let mut given = Given { wanted, ..Given::default() };
    for one in inputs {
        if take(one, &mut given, &mut sources.files, &mut report).is_none() {
            // What it would have given is not missing.
            given.wanted = Wanted::Look;
        }
    }
    let world = World::new(&sources, report, whole);
    let service = resolve(&world, &given);
    let report = world.into_report();
    if report.is_refused() {
        return Err(report.told(&sources.files));
    }
    Ok(Reading { service, sources, report })
}

/// Adds inputs to those that are given; a later one replaces an earlier one. Nothing where they cannot be read.
fn take(inputs: &Inputs, given: &mut Given, files: &mut Files, report: &mut Report) -> Option<()> {
    let mut add = |name: &str, value: Said| {
        given.values.retain(|(known, _)| **known != *name);
        given.values.push((name.into(), value));
    };
    match inputs {
        Inputs::File(path) => {
            let (root, file) = inputs_file(path, files, report)?;
            match root.as_map() {
                Some(entries) => entries.iter().for_each(|entry| {
                    add(entry.key.as_text().unwrap_or_default(), Said::Value(entry.value.clone()));
                }),
                None if root.is_null() => {}
                None => {
                    let message = format!("found {}, expected a map: `NAME: VALUE`", root.said());
                    report.error(Place::start_of(file), "inputs", message);
                    return None;
                }
            }
        }
        Inputs::Set(text) => {
            let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
                let file = files.add("--set", text.as_str().into());
                let message = format!("found `{text}`, expected `NAME=VALUE`");
                report.error(Place::start_of(file), "inputs", message);
                return None;
            };
            let name = name.trim();
            let file = files.add(&format!("--set {name}"), value.into());
            let width = u32::try_from(value.chars().count()).unwrap_or(u32::MAX);
            add(name, Said::Word(Node::text(value, Place { width, ..Place::start_of(file) })));
        }
    }
    Some(())
}

/// The tree of a file of inputs.
fn inputs_file(path: &Path, files: &mut Files, report: &mut Report) -> Option<(Node, FileId)> {
    let shown = path.display().to_string();
    let text = match fs::metadata(path) {
        Ok(about) if about.len() > LARGEST_INPUTS => {
            Err(format!("it has {} bytes, of at most {LARGEST_INPUTS}", about.len()))
        }
        Ok(_) => fs::read_to_string(path).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match text {
        Ok(text) => {
            let text: Rc<str> = text.into();
            let file = files.add(&shown, text.clone());
            load(&text, file, |_| true, report).map(|root| (root, file))
        }
        Err(why) => {
            let file = files.add(&shown, "".into());
            report.error(Place::start_of(file), "inputs", format!("the inputs cannot be read: {why}"));
            None
        }
    }
}
