//! Tests of the room: templates on a disk, archives that are made here, and what is said about them.

mod any;
mod archives;
mod files;
mod imports;
mod profiles;
mod refused;

use std::fmt::Write;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::report::Report;

/// A folder with files of a test.
struct Disk(TempDir);

impl Disk {
    fn with(files: &[(&str, &str)]) -> Disk {
        let disk = Disk(TempDir::new().expect("the disk has room"));
        for (path, text) in files {
            disk.put(path, text.as_bytes());
        }
        disk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let at = self.at(path);
        fs::create_dir_all(at.parent().expect("a file has a folder")).expect("the disk has room");
        fs::write(at, bytes).expect("the disk has room");
    }

    /// What comes of opening a path: units and what they import, then what is wrong.
    fn tell(&self, path: &str) -> String {
        let (sources, mut told) = open(&self.at(path));
        if let Ok(sources) = sources {
            told.insert_str(0, &units(&sources));
        }
        told.replace(&format!("{}/", self.0.path().display()), "").replace(&self.0.path().display().to_string(), "DISK")
    }

    /// The sources of a path that is right.
    fn sources(&self, path: &str) -> Sources {
        let (sources, told) = open(&self.at(path));
        assert_eq!(told, "");
        sources.expect("nothing is wrong with it")
    }
}

fn open(at: &Path) -> (Result<Sources, ()>, String) {
    let mut report = Report::default();
    let (sources, files) = match Sources::open(at, &mut report) {
        Ok(mut sources) => {
            let files = std::mem::take(&mut sources.files);
            (Ok(sources), files)
        }
        Err(files) => (Err(()), files),
    };
    let told = report.told(&files);
    let lines = told.errors.iter().chain(&told.warnings).map(ToString::to_string);
    (sources, lines.collect())
}

/// Units with what they import; the normative types of TOSCA 1.x only where they are asked for.
fn units(sources: &Sources) -> String {
    let mut text = String::new();
    for unit in &sources.units {
        if unit.origin == Origin::Normative && unit.version.is_simple() {
            continue;
        }
        let state = if unit.incomplete { ", incomplete" } else { "" };
        writeln!(text, "{}: {}{state}", unit.path, unit.version).expect("a text takes all");
        // The last one of 1.x is what every template has.
        let implied = usize::from(unit.version.is_simple());
        for import in &unit.imports[..unit.imports.len() - implied] {
            let namespace = import.namespace.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
            writeln!(text, "  {}{namespace}", sources.units[import.unit.0].path).expect("a text takes all");
        }
    }
    text
}

/// A file of TOSCA 1.3 with these lines below its heading.
macro_rules! v1_3 {
    ($lines:literal) => {
        concat!("tosca_definitions_version: tosca_simple_yaml_1_3\n", $lines)
    };
}

/// A file of TOSCA 2.0 with these lines below its heading.
macro_rules! v2_0 {
    ($lines:literal) => {
        concat!("tosca_definitions_version: tosca_2_0\n", $lines)
    };
}

use {v1_3, v2_0};

/// An archive of these files, in this order.
fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        zip.start_file(*path, SimpleFileOptions::default()).expect("the name is free");
        zip.write_all(text.as_bytes()).expect("a vector takes all");
    }
    zip.finish().expect("a vector takes all").into_inner()
}

/// What comes of opening an archive.
fn tell_packed(bytes: &[u8]) -> String {
    let disk = Disk::with(&[]);
    disk.put("app.csar", bytes);
    disk.tell("app.csar")
}
