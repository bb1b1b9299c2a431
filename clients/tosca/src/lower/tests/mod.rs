//! Documents of small services, as texts that the orchestrator's own reader accepts.

mod documents;
mod functions;
mod random;
mod values;

use gorch_schema::document::{self, Engines};
use gorch_schema::{Limits, Submission};
use serde_json::Value;

use super::{HostParallel, Lowered, Options, Via, lower};
use crate::place::Files;
use crate::plan::{Survey, plans};
use crate::report::{Report, Told};
use crate::service::Service;

/// A plan of a service, lowered.
fn lowered(service: &Service, name: &str, via: Via) -> (Lowered, Told) {
    lowered_with(service, name, via, HostParallel::No)
}

/// Likewise. A file does not say what reads it if its name has `silent` in it.
fn lowered_with(service: &Service, name: &str, via: Via, host_parallel: HostParallel) -> (Lowered, Told) {
    let first_line = |path: &str| (!path.contains("silent")).then(|| "#!/bin/bash -e".to_owned());
    let file = |path: &str| format!("file:{path}");
    let options = Options { via, host_parallel, attributes: None, name: &file, first_line: &first_line };
    let mut report = Report::default();
    let survey = Survey::of(service);
    let plan = plans(&survey, &mut report).remove(name).unwrap();
    let lowered = lower(&survey, &plan, &options, &mut report);
    let mut files = Files::default();
    files.add("service.yaml", "".into());
    (lowered, report.told(&files))
}

/// The nodes and outputs of a document, each on its line.
fn lines(document: &str) -> String {
    let parts = document.lines().filter(|line| line.starts_with("    ") && !line.contains("\"from\""));
    parts.map(|line| format!("{}\n", line.trim())).collect()
}

/// The document, read as the orchestrator reads it; it has no warnings.
fn accepted(document: &str) -> Submission {
    // A document names files by their content; these here are not uploaded.
    let mut value: Value = serde_json::from_str(document).unwrap();
    for node in value["nodes"].as_array_mut().unwrap() {
        node.as_object_mut().unwrap().remove("files");
        if node["artifact"].as_str().is_some_and(|artifact| artifact.starts_with("file:")) {
            node["artifact"] = format!("sha256:{}", "0".repeat(64)).into();
        }
    }
    let engines = Engines::with(std::iter::empty::<&str>());
    let submission = document::read(value.to_string().as_bytes(), &Limits::default(), &engines)
        .unwrap_or_else(|refused| panic!("{refused:?}\n{document}"));
    assert!(submission.warnings.is_empty(), "{:?}\n{document}", submission.warnings);
    submission
}
