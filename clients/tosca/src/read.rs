//! From a path to the service: opens, checks the forms, collects the types, and resolves.

use std::path::Path;

use crate::grammar;
use crate::report::{Report, Told};
use crate::resolve::{Given, resolve};
use crate::service::Service;
use crate::source::{Origin, Sources};
use crate::types::{Whole, World};

/// A service that was read, with its files and with what should be known of it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) service: Service,
    pub(crate) sources: Sources,
    pub(crate) report: Report,
}

/// The rules of imports that cannot be had. An archive has all that belongs to it.
const MISSING: &[&str] = &["not_found", "network", "profile", "built_in"];

/// Reads the service that a path leads to; or says all that is wrong with it.
pub(crate) fn read(at: &Path, given: &Given, whole: Whole) -> Result<Reading, Told> {
    let mut report = Report::default();
    let sources = match Sources::open(at, &mut report) {
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
    let world = World::new(&sources, report, whole);
    let service = resolve(&world, given);
    let report = world.into_report();
    if report.is_refused() {
        return Err(report.told(&sources.files));
    }
    Ok(Reading { service, sources, report })
}
