//! What was named: a template, a folder, or an archive, and which file of it is the entry.
//!
//! Promises that what is none of them is told as what it is. The rules of an archive hold for a folder, too: it is one
//! that was unpacked.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::archive::{Archive, Refusals, Refused};
use super::folder::Folder;
use super::reading::Reading;
use super::{Sources, heading, meta, path};
use crate::place::{Files, Place};
use crate::report::Report;
use crate::version::Version;

/// Where an archive says what its entry is; the second place is one of TOSCA 2.0.
const METAS: [&str; 2] = ["TOSCA-Metadata/TOSCA.meta", "TOSCA.meta"];

/// A file of the folder, and the place that names it.
type Named = (Rc<str>, Place);

/// What a path leads to, ready to be read.
enum Found {
    Template { folder: Folder, name: String },
    Csar(Folder),
}

/// What a path leads to.
enum Kind {
    Template { dir: PathBuf, name: String },
    Unpacked,
    Packed,
}

impl Sources {
    /// Reads what a path leads to. Where that is no template, only the files come back; why stands in the report.
    pub(crate) fn open(at: &Path, report: &mut Report) -> Result<Sources, Files> {
        // What was named is the first file: what is wrong with it as a whole has its place there.
        let mut files = Files::default();
        let shown = at.to_string_lossy();
        let named = Place::start_of(files.add(&shown, "".into()));
        match found(at) {
            Ok(Found::Template { folder, name }) => {
                Reading::new(folder, files, report).all((name.into(), named), Vec::new())
            }
            Ok(Found::Csar(folder)) => Reading::new(folder, files, report).csar(named),
            Err(Refusals(refused)) => {
                for refused in refused {
                    report.error(named, refused.rule(), refused.to_string());
                }
                Err(files)
            }
        }
    }
}

/// Looks at what is there: an archive is known by how it begins, or by its name.
fn found(at: &Path) -> Result<Found, Refusals> {
    match kind(at)? {
        Kind::Template { dir, name } => Ok(Found::Template { folder: Folder::of_template(&dir)?, name }),
        Kind::Unpacked => Ok(Found::Csar(Folder::unpacked(at)?)),
        Kind::Packed => Ok(Found::Csar(Folder::packed(at, Archive::open(at)?))),
    }
}

fn kind(at: &Path) -> Result<Kind, Refused> {
    let there = fs::metadata(at)?;
    if there.is_dir() {
        return Ok(Kind::Unpacked);
    }
    if !there.is_file() {
        return Err(Refused::Neither);
    }
    let mut head = Vec::new();
    File::open(at)?.take(4).read_to_end(&mut head)?;
    let end = at.extension().unwrap_or_default().to_ascii_lowercase();
    let is_named_so = ["csar", "zip", "tar", "tgz", "gz"].iter().any(|archive| end == *archive);
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") || is_named_so {
        return Ok(Kind::Packed);
    }
    let name = at.file_name().ok_or(Refused::Neither)?.to_string_lossy().into_owned();
    Ok(Kind::Template { dir: at.parent().unwrap_or(Path::new("")).to_owned(), name })
}

impl Reading<'_> {
    /// All of an archive.
    fn csar(mut self, named: Place) -> Result<Sources, Files> {
        let metas: Vec<&str> = METAS.into_iter().filter(|meta| self.folder.has(meta)).collect();
        match metas[..] {
            [] => self.without_meta(named),
            [meta] => match self.entries(meta, named) {
                Some((entry, others)) => self.all(entry, others),
                None => Err(self.files),
            },
            [..] => {
                let message =
                    format!("found {}, expected one of them", METAS.map(|meta| format!("`{meta}`")).join(" and "));
                self.report.error(named, "csar", message);
                Err(self.files)
            }
        }
    }

    /// The entry that `TOSCA.meta` names, and the other templates.
    fn entries(&mut self, meta: &str, named: Place) -> Option<(Named, Vec<Named>)> {
        let file = self.text(meta, named)?;
        let meta = meta::read(&self.files.text(file), file, self.report)?;
        let entry = match &meta.entry {
            Some((name, place)) => self.inside(name, *place),
            None => self.only_template(named),
        };
        let others: Vec<Option<Named>> = meta.others.iter().map(|(name, place)| self.inside(name, *place)).collect();
        Some((entry?, others.into_iter().flatten().collect()))
    }

    /// A file that `TOSCA.meta` names: from the root on.
    fn inside(&mut self, name: &str, place: Place) -> Option<Named> {
        let path = match self.folder.path("", name) {
            Ok(path) => path,
            Err(error) => {
                self.report.error(place, error.rule(), error.to_string());
                return None;
            }
        };
        if self.folder.has(&path) {
            return Some((path, place));
        }
        let beside = self.folder.names(path::dir(&path));
        let beside = beside.iter().map(String::as_str).filter(|name| path::is_yaml(name));
        let message = format!("`{name}` is not in the CSAR");
        self.report.error(place, "not_found", message).near(path::last(&path), beside);
        None
    }

    /// An archive may leave out `TOSCA.meta` since TOSCA 1.1.
    fn without_meta(mut self, named: Place) -> Result<Sources, Files> {
        let Some(entry) = self.only_template(named) else { return Err(self.files) };
        let report = self.report;
        let sources = Reading::new(self.folder, self.files, &mut *report).all(entry, Vec::new())?;
        let entry = &sources.units[0];
        let place = entry.root.get(heading::KEY).map_or(named, |heading| heading.place);
        if entry.version == Version::V1_0 {
            report
                .error(place, "csar", format!("a CSAR of {} needs `{}`, found none", entry.version, METAS[0]))
                .hint("name the template itself, if this is no CSAR");
        } else if entry.version.is_simple() {
            let metadata = entry.root.get("metadata");
            let has = |key: &str| metadata.is_some_and(|metadata| metadata.name(key).is_some());
            if let Some(missing) = ["template_name", "template_version"].into_iter().find(|key| !has(key)) {
                let message = format!("a CSAR without `{}` needs `{missing}` in `metadata`", METAS[0]);
                report.warning(place, "csar", message);
            }
        }
        Ok(sources)
    }

    /// The only template at the root.
    fn only_template(&mut self, named: Place) -> Option<Named> {
        let mut names = self.folder.names("");
        names.retain(|name| path::is_yaml(name));
        match &names[..] {
            [name] => Some((name.as_str().into(), named)),
            [] => {
                let message = format!("found no `{}` and no template at the root, expected one of them", METAS[0]);
                self.report.error(named, "csar", message);
                None
            }
            [..] => {
                let found = names.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let message = format!("found {} templates at the root ({found}), expected one", names.len());
                self.report.error(named, "csar", message).hint(format!("say in `{}` which one is the entry", METAS[0]));
                None
            }
        }
    }
}
