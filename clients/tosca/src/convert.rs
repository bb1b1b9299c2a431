//! The conversion as its callers see it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::lower::{self, HostParallel, Node, Saying, Via, lower};
use crate::place::{Files, Place};
use crate::plan::{DEPLOY, Plan, Survey, plans};
use crate::read::{Inputs, Reading, read};
use crate::report::{Report, Told};
use crate::resolve::Wanted;
use crate::source::Folder;
use crate::types::Whole;

/// How a template is converted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Inputs of the service, later ones over earlier ones.
    pub inputs: Vec<Inputs>,
    /// `deploy`, `undeploy`, or a workflow of the template.
    pub workflow: String,
    /// How hosts are reached.
    pub via: Via,
    /// Whether operations of one host wait for each other.
    pub host_parallel: HostParallel,
    /// What a `deploy` said, by templates: the default of the input that other workflows have for it.
    pub attributes: Option<Value>,
}

/// A document, and what belongs to it.
#[derive(Debug)]
pub struct Converted {
    /// The gorch document, as JSON.
    pub document: String,
    /// What should be known.
    pub told: Told,
    /// The files that the document names, by their paths relative to the template's folder or archive, sorted.
    pub files: Vec<String>,
    /// The output of a `deploy` run that other workflows of the template take as their input of the same name.
    pub attributes: Option<String>,
    /// The same, node by node: a run that failed has no outputs, and its nodes have.
    pub said: Vec<Saying>,
    folder: Folder,
    plan: Plan,
    nodes: Vec<Node>,
    places: Files,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            inputs: Vec::new(),
            workflow: DEPLOY.to_owned(),
            via: Via::Host,
            host_parallel: HostParallel::No,
            attributes: None,
        }
    }
}

impl Converted {
    /// The content of one of [`Converted::files`].
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        self.folder.read(file)
    }

    /// The plan as a table for people.
    pub fn plan(&self) -> String {
        lower::table(&self.plan, &self.nodes, &self.places)
    }

    /// The folder that the files are in; none where they are in a packed archive.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.at()
    }
}

/// How a document names a file: by the folder that it is in, none for a packed archive, and its path there.
pub type Name<'n> = dyn Fn(Option<&Path>, &str) -> String + 'n;

/// Converts the template, folder or archive at a path; `name` says how the document names a file.
///
/// # Errors
/// All that is wrong with the template, its inputs and its plan.
pub fn convert(at: &Path, options: &Options, name: &Name<'_>) -> Result<Converted, Told> {
    let Reading { service, sources, mut report } = read(at, &options.inputs, Wanted::Run, Whole::Whole)?;
    let survey = Survey::of(&service);
    let mut plans = plans(&survey, &mut report);
    let plan = plans.remove(options.workflow.as_str());
    let lowered = plan.as_ref().map(|plan| {
        let known: RefCell<HashMap<String, Option<String>>> = RefCell::default();
        let first_line = |file: &str| {
            let read = || first_line(&sources.folder, file);
            known.borrow_mut().entry(file.to_owned()).or_insert_with(read).clone()
        };
        let options = lower::Options {
            via: options.via,
            host_parallel: options.host_parallel,
            attributes: options.attributes.as_ref(),
            name: &|file: &str| name(sources.folder.at(), file),
            first_line: &first_line,
        };
        lower(&survey, plan, &options, &mut report)
    });
    if plan.is_none() && !report.is_refused() {
        let known = plans.keys().map(|name| &**name);
        let message = format!("the template has no workflow `{}`", options.workflow);
        report
            .error(Place::start_of(sources.units[0].file), "unknown_workflow", message)
            .near(&options.workflow, known);
    }
    match (plan, lowered) {
        (Some(plan), Some(lowered)) if !report.is_refused() => Ok(Converted {
            files: lowered.files.iter().map(ToString::to_string).collect(),
            attributes: lowered.attributes,
            said: lowered.said,
            document: lowered.document,
            told: report.told(&sources.files),
            folder: sources.folder,
            nodes: lowered.nodes,
            plan,
            places: sources.files,
        }),
        _ => Err(report.told(&sources.files)),
    }
}

/// Checks a template without inputs: what should be known of it.
///
/// # Errors
/// All that is wrong with it.
pub fn check(at: &Path, whole: Whole) -> Result<Told, Told> {
    let Reading { service, sources, mut report } = read(at, &[], Wanted::Look, whole)?;
    // A template that cannot be deployed in the generated order may be right, and have a workflow of its own.
    let mut planning = Report::default();
    plans(&Survey::of(&service), &mut planning);
    planning.excuse(|_| true);
    report.absorb(planning);
    let is_refused = report.is_refused();
    let told = report.told(&sources.files);
    if is_refused { Err(told) } else { Ok(told) }
}

/// The first line of a text file.
fn first_line(folder: &Folder, file: &str) -> Option<String> {
    const ENOUGH: usize = 256;
    let content = folder.read(file).ok()?;
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Some(String::from_utf8_lossy(&line[..line.len().min(ENOUGH)]).into_owned())
}
