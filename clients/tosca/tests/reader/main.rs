//! The reader as its callers see it: what it says of small templates, word for word, and that nothing makes it fall.
//!
//! A file for each room of the reader. The goldens show whole messages: the place, the line, the other place, the hint.
//! Never looks at plans and documents beyond what a value came to: those have their own tests.

mod any;
mod data;
mod functions;
mod grammar;
mod inputs;
mod large;
mod requirements;
mod rest;
mod types;
mod workflows;

use std::fs;
use std::path::PathBuf;

use gorch_tosca::{Inputs, Options, Told, Whole};
use tempfile::TempDir;

/// A folder with the files of a test; `app.yaml` is the template.
pub(crate) struct Disk(TempDir);

impl Disk {
    pub(crate) fn with(files: &[(&str, &str)]) -> Disk {
        let disk = Disk(TempDir::new().expect("the disk has room"));
        for (path, text) in files {
            let at = disk.at(path);
            fs::create_dir_all(at.parent().expect("a file has a folder")).expect("the disk has room");
            fs::write(at, text).expect("the disk has room");
        }
        disk
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// What a check says: errors, then warnings; nothing where all is well.
    pub(crate) fn check(&self) -> String {
        self.check_at("app.yaml")
    }

    /// What a check says of another file, such as an archive.
    pub(crate) fn check_at(&self, path: &str) -> String {
        match gorch_tosca::check(&self.at(path), Whole::Whole) {
            Ok(told) | Err(told) => self.words(&told),
        }
    }

    /// What a conversion says, and the values that the operation `create` of the node `a` gets.
    pub(crate) fn convert(&self, inputs: &[Inputs]) -> String {
        let options = Options { inputs: inputs.to_vec(), ..Options::default() };
        match gorch_tosca::convert(&self.at("app.yaml"), &options, &|_, file| file.to_owned()) {
            Ok(converted) => format!("{}{}", self.words(&converted.told), given(&converted.document)),
            Err(told) => self.words(&told),
        }
    }

    /// Messages without the folder of the test.
    fn words(&self, told: &Told) -> String {
        let folder = self.0.path().display().to_string();
        let all = told.errors.iter().chain(&told.warnings).map(ToString::to_string);
        all.collect::<String>().replace(&format!("{folder}/"), "").replace(&folder, "FOLDER")
    }
}

/// What a check says of a template.
pub(crate) fn check(text: &str) -> String {
    Disk::with(&[("app.yaml", text)]).check()
}

/// What a conversion says of a template, and what the operation `create` of its node `a` gets.
pub(crate) fn convert(text: &str) -> String {
    Disk::with(&[("app.yaml", text), ("run.sh", "#!/bin/sh\n")]).convert(&[])
}

/// A template of TOSCA 1.3 with these lines below its heading.
pub(crate) fn v1_3(lines: &str) -> String {
    format!("tosca_definitions_version: tosca_simple_yaml_1_3\n{lines}")
}

/// A template of TOSCA 2.0 with these lines below its heading.
pub(crate) fn v2_0(lines: &str) -> String {
    format!("tosca_definitions_version: tosca_2_0\n{lines}")
}

/// The inputs of the only operation, one a line.
fn given(document: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(document).expect("a document is JSON");
    let nodes = document["nodes"].as_array().expect("a document has nodes");
    let create = nodes.iter().find(|node| node.get("artifact").is_some()).expect("there is work for `a`");
    let of = |name: &str| create.get(name).unwrap_or(&serde_json::Value::Null).clone();
    let text = |value: &serde_json::Value| value.as_str().expect("it is a text").to_owned();
    let mut lines: Vec<String> = of("args").as_array().into_iter().flatten().map(text).collect();
    lines.extend(of("env").as_object().into_iter().flatten().map(|(name, value)| format!("{name}={}", text(value))));
    lines.into_iter().map(|line| line + "\n").collect()
}
