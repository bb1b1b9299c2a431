//! Loading: one file leads to the next.
//!
//! Owns the files that are read, each once. Promises that the first unit is the entry, that reading goes on after a file
//! that is no use, and that a unit knows when something that it imports is missing.

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

use super::folder::Folder;
use super::imports::{self, Wanted, What};
use super::path::{self, Unfound};
use super::profiles::{BuiltIn, Profile, SIMPLE_2};
use super::{Import, Origin, Sources, Unit, UnitIx, heading};
use crate::place::{FileId, Files, Place};
use crate::report::Report;
use crate::version::Version;
use crate::yaml;

/// A file that is read as YAML has at most so many bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// So many imports have all files together.
const MOST_IMPORTS: usize = 10_000;

/// So many neighbours are asked whether they are a profile, if they have at most so many bytes: others may stand there,
/// and what is read counts.
const MOST_ASKED: usize = 100;
const LARGEST_ASKED: u64 = 1 << 20;

/// So many neighbours are compared with a name that is not there.
const MOST_COMPARED: usize = 200;

/// What was read until now.
pub(super) struct Reading<'r> {
    pub(super) folder: Folder,
    pub(super) files: Files,
    units: Vec<Unit>,
    /// What a path came to; nothing where it is no use, which was told then.
    known: HashMap<Rc<str>, Option<UnitIx>>,
    /// The same for files of ours.
    ours: Vec<(Profile, UnitIx)>,
    /// The profiles that the files of a folder declare, with their paths.
    profiles: HashMap<String, Vec<(String, Rc<str>)>>,
    /// The imports that were looked at.
    imports: usize,
    pub(super) report: &'r mut Report,
}

impl<'r> Reading<'r> {
    pub(super) fn new(folder: Folder, files: Files, report: &'r mut Report) -> Self {
        let (known, profiles) = (HashMap::new(), HashMap::new());
        Reading { folder, files, units: Vec::new(), known, ours: Vec::new(), profiles, imports: 0, report }
    }

    /// All that the entry leads to, and what stands for nodes of it. Where the entry is no use, the files come back.
    pub(super) fn all(mut self, entry: (Rc<str>, Place), others: Vec<(Rc<str>, Place)>) -> Result<Sources, Files> {
        let Some(first) = self.load(&entry.0, entry.1) else { return Err(self.files) };
        let version = self.units[first.0].version;
        let normative = version.is_simple().then(|| self.ours(Profile::Simple1, version));
        for (path, place) in others {
            self.load(&path, place);
        }
        let mut next = 0;
        while next < self.units.len() {
            self.imports(UnitIx(next));
            next += 1;
        }
        if version == Version::V2_0 {
            self.imply_simple();
        }
        if let Some(normative) = normative {
            for unit in self.units.iter_mut().filter(|unit| unit.origin == Origin::Given) {
                unit.imports.push(Import { unit: normative, namespace: None });
            }
        }
        self.spread_incomplete();
        Ok(Sources { units: self.units, files: self.files, folder: self.folder })
    }

    /// The unit of a path of the folder, read where it was not yet.
    fn load(&mut self, path: &Rc<str>, asked: Place) -> Option<UnitIx> {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let unit = self.read(path, asked).map(|unit| {
            self.units.push(unit);
            UnitIx(self.units.len() - 1)
        });
        self.known.insert(path.clone(), unit);
        unit
    }

    fn read(&mut self, path: &Rc<str>, asked: Place) -> Option<Unit> {
        let file = self.text(path, asked)?;
        let root = yaml::load(&self.files.text(file), file, |_| true, self.report)?;
        let version = heading::read(&root, file, self.report)?;
        let heading = root.get(heading::KEY).map_or(root.place, |heading| heading.place);
        if let Some(entry) = self.units.first().filter(|entry| entry.version.is_simple() != version.is_simple()) {
            let message = format!("`{path}` is {version}, expected {}", family(entry.version));
            let template = self.files.name(entry.file).to_owned();
            self.report
                .error(asked, "mixed_versions", message)
                .other(heading, "its version stands here")
                .hint(format!("`{template}` is {}; all that it imports has to be of its kind", entry.version));
            return None;
        }
        Some(Unit {
            file,
            path: path.clone(),
            version,
            origin: Origin::Given,
            root,
            imports: Vec::new(),
            incomplete: false,
        })
    }

    /// The text of a file, as one of the files.
    pub(super) fn text(&mut self, path: &str, asked: Place) -> Option<FileId> {
        if self.files.len() >= Files::MOST {
            self.report.error(asked, "too_many_files", format!("more than {} files are read", Files::MOST));
            return None;
        }
        let bytes = match self.folder.read_at_most(path, LARGEST_FILE) {
            Ok(bytes) => bytes,
            Err(error) => {
                let shown = self.folder.shown(path);
                self.report.error(asked, "read", format!("cannot read `{shown}`: {error}"));
                return None;
            }
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let shown = self.folder.shown(path);
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(self.files.add(&shown, text.into())),
            Err(error) => {
                let file = self.files.add(&shown, String::from_utf8_lossy(bytes).into());
                let (before, wrong) = bytes.split_at(error.valid_up_to());
                let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                let lines = before.iter().filter(|byte| **byte == b'\n').count();
                let small = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
                let column = small(String::from_utf8_lossy(line).chars().count());
                let place = Place { file, line: small(lines), column, width: 1 };
                let byte = wrong.first().copied().unwrap_or_default();
                let message = format!("found the byte {byte:#04x} at {}, expected UTF-8", before.len());
                let complaint = self.report.error(place, "utf8", message);
                if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                    complaint.hint("it looks like UTF-16");
                }
                None
            }
        }
    }

    /// `tosca:Compute` in a file of 2.0 that imports nothing by that name means the normative types.
    fn imply_simple(&mut self) {
        let says_it = |unit: &Unit| {
            let text = self.files.text(unit.file);
            let uses = text.match_indices("tosca:").any(|(at, name)| {
                let is_begin =
                    !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '_' | '-'));
                is_begin && text[at + name.len()..].starts_with(|c: char| c.is_ascii_uppercase())
            });
            uses && !unit.imports.iter().any(|import| import.namespace.as_deref() == Some("tosca"))
        };
        let implied: Vec<usize> = (0..self.units.len())
            .filter(|at| self.units[*at].origin == Origin::Given && says_it(&self.units[*at]))
            .collect();
        for at in implied {
            let simple = self.ours(Profile::Simple2, Version::V2_0);
            let place = Place::start_of(self.units[at].file);
            self.report
                .warning(place, "implied_profile", "`tosca:` stands before names, and is no namespace of this file")
                .hint("it is read as `imports: [{profile: org.oasis-open.simple:2.0, namespace: tosca}]`: write that");
            self.units[at].imports.push(Import { unit: simple, namespace: Some("tosca".into()) });
        }
    }

    /// A file of ours, once.
    fn ours(&mut self, profile: Profile, version: Version) -> UnitIx {
        if let Some((_, known)) = self.ours.iter().find(|(known, _)| *known == profile) {
            return *known;
        }
        let (name, text) = profile.text(version);
        let file = self.files.add(&name, text.into());
        let root = yaml::load(text, file, |tag| version.has(tag), self.report)
            .expect("a test reads each of our files in each version");
        let unit = Unit {
            file,
            path: name.into(),
            version,
            origin: Origin::Normative,
            root,
            imports: Vec::new(),
            incomplete: false,
        };
        self.units.push(unit);
        let unit = UnitIx(self.units.len() - 1);
        self.ours.push((profile, unit));
        unit
    }

    /// Reads what a unit imports.
    fn imports(&mut self, ix: UnitIx) {
        let unit = &self.units[ix.0];
        if unit.origin == Origin::Normative {
            return;
        }
        let root = unit.root.clone();
        let mut seen = HashSet::new();
        for wanted in imports::read(&root, unit.version, self.report) {
            self.imports += 1;
            if self.imports > MOST_IMPORTS {
                let place = Place::start_of(self.units[0].file);
                self.report.error(place, "too_many_files", format!("all files have more than {MOST_IMPORTS} imports"));
                self.units[ix.0].incomplete = true;
                return;
            }
            let Some(Wanted { what, place, namespace }) = wanted else {
                self.units[ix.0].incomplete = true;
                continue;
            };
            let found = match what {
                What::File(name) => self.import_file(ix, &name, place),
                What::Profile(name) => self.import_profile(ix, &name, place),
            };
            let unit = &mut self.units[ix.0];
            match found {
                Some(found) if seen.insert((found, namespace.clone())) => {
                    unit.imports.push(Import { unit: found, namespace });
                }
                // The same once more adds nothing.
                Some(_) => {}
                None => unit.incomplete = true,
            }
        }
    }

    fn import_file(&mut self, from: UnitIx, name: &str, place: Place) -> Option<UnitIx> {
        let version = self.units[from.0].version;
        match BuiltIn::named(name).filter(|_| version.is_simple()) {
            Some(BuiltIn::Normative) => {
                let entry = self.units[0].version;
                self.report
                    .warning(place, "built_in", format!("`{name}` is read as the normative types of {entry}"))
                    .hint("they are built in, and need no import");
                return Some(self.ours(Profile::Simple1, entry));
            }
            Some(BuiltIn::OfYorc(file)) => {
                let Ok(path) = path_of(&self.folder, &self.units[from.0], file) else {
                    self.report
                        .error(place, "built_in", format!("`{name}` is a part of Yorc, which gorch does not have"))
                        .hint(format!("put Yorc's `{file}` beside the template"));
                    return None;
                };
                return self.load(&path, place);
            }
            None => {}
        }
        match path_of(&self.folder, &self.units[from.0], name) {
            Ok(path) => self.load(&path, place),
            Err(error) => {
                let complaint = self.report.error(place, error.rule(), error.to_string());
                if let Some(hint) = error.hint() {
                    complaint.hint(hint);
                }
                if let Unfound::Missing { path, .. } = &error {
                    let beside = self.folder.names(path::dir(path));
                    let beside = beside.iter().map(String::as_str).filter(|name| path::is_yaml(name));
                    let beside = beside.take(MOST_COMPARED);
                    complaint.near(path::last(path), beside);
                }
                None
            }
        }
    }

    fn import_profile(&mut self, from: UnitIx, name: &str, place: Place) -> Option<UnitIx> {
        let unit = &self.units[from.0];
        if let Some(profile) = Profile::named(name) {
            return Some(self.ours(profile, unit.version));
        }
        let dirs = [path::dir(&unit.path).to_owned(), String::new()];
        let mut known: Vec<(String, Rc<str>)> = self.units.iter().filter_map(declared).collect();
        for dir in dirs {
            known.extend_from_slice(self.profiles_in(dir));
        }
        match known.iter().find(|(known, _)| known == name) {
            Some((_, path)) => self.load(path, place),
            None => {
                let known = known.iter().map(|(known, _)| known.as_str());
                self.report
                    .error(place, "profile", format!("unknown profile `{name}`"))
                    .hint("a profile that is not built in has to stand beside the file that imports it")
                    .near(name, known.chain(SIMPLE_2));
                None
            }
        }
    }

    /// The profiles that the files of a folder declare.
    fn profiles_in(&mut self, dir: String) -> &[(String, Rc<str>)] {
        self.profiles.entry(dir).or_insert_with_key(|dir| {
            let names = self.folder.names(dir).into_iter().filter(|name| path::is_yaml(name)).take(MOST_ASKED);
            let declared = names.filter_map(|name| {
                let path = path::join(dir, &name).ok()?;
                let bytes = self.folder.read_at_most(&path, LARGEST_ASKED).ok()?;
                let text = String::from_utf8(bytes).ok()?;
                let text = text.trim_start_matches('\u{feff}');
                // What is wrong with a neighbour is told when it is imported.
                let root = yaml::load(text, FileId(0), |_| true, &mut Report::default())?;
                Some((root.name("profile")?.to_owned(), path))
            });
            declared.collect()
        })
    }

    /// Who imports what is incomplete is so, too.
    fn spread_incomplete(&mut self) {
        let mut importers: Vec<Vec<usize>> = vec![Vec::new(); self.units.len()];
        for (ix, unit) in self.units.iter().enumerate() {
            for import in &unit.imports {
                importers[import.unit.0].push(ix);
            }
        }
        let mut open: Vec<usize> = (0..self.units.len()).filter(|ix| self.units[*ix].incomplete).collect();
        while let Some(ix) = open.pop() {
            for importer in &importers[ix] {
                if !std::mem::replace(&mut self.units[*importer].incomplete, true) {
                    open.push(*importer);
                }
            }
        }
    }
}

/// The profile that a unit of the user's declares, and its path.
fn declared(unit: &Unit) -> Option<(String, Rc<str>)> {
    let given = unit.origin == Origin::Given;
    unit.root.name("profile").filter(|_| given).map(|name| (name.to_owned(), unit.path.clone()))
}

/// What goes together.
fn family(version: Version) -> &'static str {
    if version.is_simple() { "TOSCA 1.x" } else { "TOSCA 2.0" }
}

/// The path that a name means in a unit: relative to its file. Where nothing is there, tools of TOSCA 1.x look from the
/// root, too, and let a file name its own folder.
pub(super) fn path_of(folder: &Folder, unit: &Unit, name: &str) -> Result<Rc<str>, Unfound> {
    let path = folder.path(path::dir(&unit.path), name)?;
    match folder.look(&path) {
        Ok(()) => return Ok(path),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => return Err(Unfound::Unusable { name: name.to_owned(), why: error.to_string() }),
    }
    let mut looked = vec![folder.shown(&path)];
    // In an archive the standard is kept: paths are relative to the file.
    if unit.version.is_simple() && unit.path.contains('/') && !folder.is_archive() {
        let second = folder.path("", name)?;
        if folder.has(&second) {
            return Ok(second);
        }
        if second != path {
            looked.push(folder.shown(&second));
        }
    }
    if unit.version.is_simple() && !name.starts_with('/') {
        // `types/x.yaml` in a file of `types`: up as many folders as are named, and down again into the same ones.
        let ups = "../".repeat(name.matches('/').count());
        let own = folder.path(path::dir(&unit.path), &format!("{ups}{name}"));
        if let Some(own) = own.ok().filter(|own| path::dir(own) == path::dir(&unit.path) && folder.has(own)) {
            return Ok(own);
        }
    }
    Err(Unfound::Missing { name: name.to_owned(), path, looked })
}
