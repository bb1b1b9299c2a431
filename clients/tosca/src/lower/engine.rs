//! What runs an artifact.
//!
//! Owns the choice of the engine by the type of an artifact, else by the end of its name, and what else an operation
//! comes to: its files, its variables, its time. What nothing can run is an error at its place.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::json::object;
use super::value::Need;
use super::{Lowering, Node, Via};
use crate::place::Place;
use crate::plan::{At, Call};
use crate::service::{Artifact, Implementation, NodeTemplate};
use crate::term::{Entity, Term};

/// An engine of gorch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Nil,
    Fail,
    Shell,
    Toscassh,
    Ansible(Inventory),
    Docker,
}

impl Engine {
    /// As a document names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::Nil => "nil",
            Engine::Fail => "fail",
            Engine::Shell => "shell",
            Engine::Toscassh => "toscassh",
            Engine::Ansible(_) => "ansible",
            Engine::Docker => "docker",
        }
    }
}

/// The hosts that a playbook sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inventory {
    /// Those that the executor knows; it runs on the node's target.
    Hosts,
    /// The executor's own machine.
    Local,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With what reads it where it does not say so itself.
    Script(Reader),
    Playbook,
    Image,
}

/// What reads a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// A shell, which may take it as its own lines.
    Shell(&'static str),
    Program(&'static str),
}

/// The shell that every machine has.
const SH: Reader = Reader::Shell("sh");

/// Ends of names, and what has them.
const ENDS: [(&str, Kind); 10] = [
    ("sh", Kind::Script(SH)),
    ("bash", Kind::Script(Reader::Shell("bash"))),
    ("ksh", Kind::Script(Reader::Shell("ksh"))),
    ("zsh", Kind::Script(Reader::Shell("zsh"))),
    ("py", Kind::Script(Reader::Program("python3"))),
    ("rb", Kind::Script(Reader::Program("ruby"))),
    ("pl", Kind::Script(Reader::Program("perl"))),
    ("yml", Kind::Playbook),
    ("yaml", Kind::Playbook),
    ("", Kind::Script(SH)),
];

/// Types that say nothing of what runs them.
const GENERAL: [&str; 5] = ["Root", "File", "Implementation", "Deployment", "Artifact"];

/// By its types, nearest first; if none of them says it, by the end of its name.
fn kind(artifact: &Artifact) -> Option<Kind> {
    let end = file_name(&artifact.file).rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    let by_end = ENDS.iter().find(|(known, _)| *known == end).map(|(_, kind)| *kind);
    for full in &*artifact.types {
        let last = full.rsplit(['.', '/', ':']).next().unwrap_or_default();
        match last {
            "Bash" => return Some(Kind::Script(Reader::Shell("bash"))),
            "Shell" | "Script" => {
                return Some(by_end.filter(|kind| matches!(kind, Kind::Script(_))).unwrap_or(Kind::Script(SH)));
            }
            "Python" => return Some(Kind::Script(Reader::Program("python3"))),
            "Docker" => return Some(Kind::Image),
            _ if last.contains("Ansible") => return Some(Kind::Playbook),
            _ => {}
        }
    }
    // A type of its own that is none of these is something else, however the file is called.
    let nearest = artifact.types.first().and_then(|full| full.rsplit(['.', '/', ':']).next());
    nearest.is_none_or(|name| GENERAL.contains(&name)).then_some(by_end).flatten()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Files that inputs name, and what these inputs are then.
type Given = BTreeMap<Rc<str>, (Rc<str>, Term)>;

impl Lowering<'_, '_> {
    /// An operation: what runs it, where, and with what.
    pub(super) fn operation(&mut self, node: &mut Node, call: &Call, index: usize) {
        let operation = self.survey.operation(&call.key);
        let Some((operation, implementation)) = operation.and_then(|one| Some((one, one.implementation.as_ref()?)))
        else {
            return;
        };
        let Some(primary) = &implementation.primary else { return };
        node.timeout = implementation.timeout.filter(|timeout| !timeout.is_zero());
        self.place(node, call.at);
        let mut inputs: BTreeMap<&Rc<str>, &Term> = operation.inputs.iter().collect();
        inputs.extend(&call.inputs);
        inputs.retain(|_, term| **term != Term::Null);
        let given = self.artifacts_among(call, &inputs);
        inputs.extend(given.iter().map(|(name, (_, path))| (name, path)));
        let inputs = self.variables(&inputs, operation.place);
        match kind(primary) {
            Some(Kind::Script(reader)) => {
                self.script(node, primary, implementation, reader);
                self.give(node, &given, operation.place);
                for (name, term) in inputs {
                    let text = self.values.text(term, index);
                    self.check_length(&text, operation.place);
                    match node.engine {
                        Engine::Toscassh => node.args.push(format!("{name}={text}")),
                        Engine::Nil | Engine::Fail | Engine::Shell | Engine::Ansible(_) | Engine::Docker => {
                            node.env.insert(name, text);
                        }
                    }
                }
            }
            Some(Kind::Playbook) => {
                // Without a machine there is one host: the executor's own.
                node.engine = Engine::Ansible(match (call.at, self.options.via) {
                    (At::Host(_), Via::Host) => Inventory::Hosts,
                    (At::Executor, _) | (_, Via::Executor) => Inventory::Local,
                });
                if let Some(path) = self.path(primary) {
                    node.artifact = self.named(&path);
                    self.beside(node, &path, &implementation.dependencies);
                }
                self.give(node, &given, operation.place);
                let mut values = Vec::new();
                for (name, term) in inputs {
                    let mut value = String::new();
                    self.values.json(term, index, Need::Must, &mut value);
                    self.check_length(&value, operation.place);
                    values.push((name, value));
                }
                if !values.is_empty() {
                    let fields = values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                    node.input = Some(object(fields));
                }
            }
            Some(Kind::Image) => {
                node.engine = Engine::Docker;
                node.artifact = primary.file.to_string();
                if let Some(dependency) = implementation.dependencies.first() {
                    let message =
                        format!("found `{}` as a dependency of an image, which gets no files", dependency.file);
                    self.report.warning(dependency.place, "left_out", message);
                }
                for (name, term) in inputs {
                    let text = self.values.text(term, index);
                    self.check_length(&text, operation.place);
                    node.env.insert(name, text);
                }
            }
            None => self.tell_of_no_engine(primary),
        }
    }

    fn tell_of_no_engine(&mut self, primary: &Artifact) {
        let what = match primary.types.first() {
            Some(kind) => format!("`{}`, a `{kind}`", primary.file),
            None => format!("`{}`", primary.file),
        };
        let message = format!("found {what}, expected something that gorch has an engine for");
        self.report.error(primary.place, "no_engine", message).hint(
            "there are: scripts (types `Bash`, `Python`; .sh, .bash, .ksh, .zsh, .py, .rb, .pl), playbooks of Ansible \
             (types with `Ansible` in their name; .yml, .yaml) and images (type `Docker`)",
        );
    }

    /// A script, with what stands beside it. One that does not say what reads it, and is not read by the shell that the
    /// engine has, is given to its reader by a script of ours: its own text is never changed.
    fn script(&mut self, node: &mut Node, primary: &Artifact, implementation: &Implementation, reader: Reader) {
        let Some(path) = self.path(primary) else { return };
        let first_line = (self.options.first_line)(&path);
        let says_itself = first_line.is_some_and(|line| line.starts_with("#!"));
        // Only that engine reads a text without `#!`, by `sh`.
        if says_itself || (node.engine == Engine::Toscassh && reader == SH) {
            node.artifact = self.named(&path);
        } else {
            let file = file_name(&path).to_owned();
            let here = format!("'./{}'", file.replace('\'', r"'\''"));
            node.artifact = match reader {
                // What it leaves as variables is left by ours then, and can be an output.
                Reader::Shell(shell) => format!("#!/usr/bin/env {shell}\n. {here}\n"),
                Reader::Program(program) => format!("#!/bin/sh\n{program} {here}\n"),
            };
            self.put(node, file, &path, primary.place);
        }
        self.beside(node, &path, &implementation.dependencies);
    }

    /// Where a file is. What is elsewhere is nothing that the document could take along.
    fn path(&mut self, artifact: &Artifact) -> Option<Rc<str>> {
        let is_elsewhere = artifact.repository.is_some() || artifact.file.contains("://");
        match &artifact.path {
            Some(path) => Some(path.clone()),
            // It is missing, which was said when it was looked for.
            None if !is_elsewhere => Some(artifact.file.clone()),
            None => {
                let message =
                    format!("found `{}`, which is elsewhere, expected a file beside the template", artifact.file);
                self.report
                    .error(artifact.place, "remote_file", message)
                    .hint("get it, put it into the template's folder, and name it there");
                None
            }
        }
    }

    /// Files that stand beside another: where they do in the template, if that is in its folder; else by their own paths.
    fn beside(&mut self, node: &mut Node, primary: &str, dependencies: &[Artifact]) {
        let folder = primary.strip_suffix(file_name(primary)).unwrap_or_default();
        for dependency in dependencies {
            let Some(path) = self.path(dependency) else { continue };
            let place = path.strip_prefix(folder).unwrap_or(&path).to_owned();
            self.put(node, place, &path, dependency.place);
        }
    }

    /// A file for the job, at a place of its own.
    fn put(&mut self, node: &mut Node, place: String, path: &Rc<str>, at: Place) {
        let named = self.named(path);
        let message = format!("found two files that would stand at `{place}` for `{}`", node.name);
        if node.files.insert(place, named.clone()).is_some_and(|other| other != named) {
            self.report.error(at, "file_clash", message);
        }
    }

    /// Inputs that name a file of their node, as `get_artifact` does: each with the file, and where the job finds it.
    fn artifacts_among(&self, call: &Call, inputs: &BTreeMap<&Rc<str>, &Term>) -> Given {
        let nodes: Vec<&NodeTemplate> = match call.key.of {
            Entity::Node(node) => vec![self.survey.service.node(node)],
            Entity::Relation(relation) => {
                let relation = self.survey.service.relation(relation);
                vec![self.survey.service.node(relation.source), self.survey.service.node(relation.target)]
            }
        };
        let given = |(name, term): (&&Rc<str>, &&Term)| {
            let Term::Text(text) = term else { return None };
            let mut artifacts = nodes.iter().flat_map(|node| node.artifacts.values());
            let path = artifacts.find(|artifact| artifact.file == *text)?.path.clone()?;
            Some(((*name).clone(), (path.clone(), Term::Text(path))))
        };
        inputs.iter().filter_map(given).collect()
    }

    fn give(&mut self, node: &mut Node, given: &Given, at: Place) {
        for (path, _) in given.values() {
            self.put(node, path.to_string(), path, at);
        }
    }

    /// How the document names a file, which it needs then.
    fn named(&mut self, path: &Rc<str>) -> String {
        self.files.insert(path.clone());
        (self.options.name)(path)
    }

    /// Inputs by the names of variables. What cannot be one is one with `_`, and told of.
    fn variables<'t>(&mut self, inputs: &BTreeMap<&Rc<str>, &'t Term>, place: Place) -> BTreeMap<String, &'t Term> {
        let mut variables = BTreeMap::new();
        for (name, term) in inputs {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let mut variable = name.replace(|c| !is_word(c), "_");
            if variable.starts_with(|c: char| c.is_ascii_digit()) || variable.is_empty() {
                variable.insert(0, '_');
            }
            if *variable != ***name {
                let message =
                    format!("the input `{name}` cannot be the name of a variable; its variable is `{variable}`");
                self.report.warning(place, "input_renamed", message);
            }
            if variables.insert(variable.clone(), *term).is_some() {
                let message = format!("found two inputs whose variable would be `{variable}`");
                self.report.error(place, "input_clash", message);
            }
        }
        variables
    }
}
