//! Plans of small services, as texts; and what holds for plans of any service.

mod generated;
mod imperative;
mod random;

pub(crate) use random::services;

use std::fmt::Write as _;
use std::rc::Rc;

use litemap::LiteMap;

use super::{DEPLOY, Plan, Survey, When, plans};
use crate::place::{FileId, Files, Place};
use crate::report::{Report, Told};
use crate::service::{
    Activity, Artifact, Implementation, Interface, NodeIx, NodeTemplate, Operation, Relation, RelationIx, Service,
    Step, Workflow,
};
use crate::term::{Attribute, Entity, Term};

/// A service of lines: `server is Compute`, `app: create start Backup.run`, `app -host-> server: add_target`.
pub(crate) fn service(text: &str) -> Service {
    let mut service = Service { name: "test".into(), ..Service::default() };
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = Place { file: FileId(0), line: number as u32 + 1, column: 1, width: 0 };
        let (head, operations) = line.split_once(": ").unwrap_or((line, ""));
        let words: Vec<&str> = head.trim().trim_end_matches(':').split_whitespace().collect();
        match words.as_slice() {
            [source, arrow, target] if arrow.starts_with('-') => {
                let name = arrow.trim_start_matches('-').trim_end_matches("->");
                relate(&mut service, source, name, target, place, operations);
            }
            [name, "is", kind] => add(&mut service, name, &format!("tosca.nodes.{kind}"), place, operations),
            [name] => add(&mut service, name, "tosca.nodes.SoftwareComponent", place, operations),
            other => panic!("{other:?} is no line of a service"),
        }
    }
    service
}

fn add(service: &mut Service, name: &str, kind: &str, place: Place, operations: &str) {
    service.nodes.push(NodeTemplate {
        name: name.into(),
        place,
        types: [kind.into(), "tosca.nodes.Root".into()].into(),
        properties: LiteMap::new(),
        attributes: LiteMap::new(),
        capabilities: LiteMap::new(),
        requirements: Vec::new(),
        interfaces: interfaces(operations, "Standard", name, place),
        artifacts: LiteMap::new(),
    });
}

fn relate(service: &mut Service, source: &str, name: &str, target: &str, place: Place, operations: &str) {
    let (source_ix, target_ix) = (node(service, source), node(service, target));
    let relation = RelationIx(service.relations.len() as u32);
    let kind = if name == "host" { "tosca.relationships.HostedOn" } else { "tosca.relationships.DependsOn" };
    service.relations.push(Relation {
        name: name.into(),
        place,
        source: source_ix,
        target: target_ix,
        types: [kind.into()].into(),
        properties: LiteMap::new(),
        attributes: LiteMap::new(),
        interfaces: interfaces(operations, "Configure", &format!("{source}-{name}"), place),
    });
    service.nodes[source_ix.0 as usize].requirements.push(relation);
}

fn interfaces(operations: &str, usual: &str, owner: &str, place: Place) -> LiteMap<Rc<str>, Interface> {
    let mut interfaces: LiteMap<Rc<str>, Interface> = LiteMap::new();
    for operation in operations.split_whitespace() {
        let (interface, operation) = operation.split_once('.').unwrap_or((usual, operation));
        let file: Rc<str> = format!("scripts/{owner}-{operation}.sh").into();
        let implementation =
            Implementation { primary: Some(artifact(&file)), dependencies: Vec::new(), timeout: None, host: None };
        interfaces.entry(interface.into()).or_default().operations.insert(
            operation.into(),
            Operation {
                place,
                implementation: Some(Box::new(implementation)),
                inputs: LiteMap::new(),
                outputs: LiteMap::new(),
            },
        );
    }
    interfaces
}

/// A script.
pub(crate) fn artifact(file: &str) -> Artifact {
    Artifact {
        place: Place::start_of(FileId(0)),
        file: file.into(),
        path: Some(file.into()),
        repository: None,
        types: ["tosca.artifacts.Implementation.Bash".into()].into(),
    }
}

/// The node of this name.
pub(crate) fn node(service: &Service, name: &str) -> NodeIx {
    let index = service.nodes.iter().position(|node| &*node.name == name).expect(name);
    NodeIx(index as u32)
}

/// An operation of a node's usual interface, or of another (`Backup.run`).
pub(crate) fn operation<'s>(service: &'s mut Service, of: &str, name: &str) -> &'s mut Operation {
    let (interface, name) = name.split_once('.').unwrap_or(("Standard", name));
    let node = node(service, of);
    let interfaces = &mut service.nodes[node.0 as usize].interfaces;
    interfaces.get_mut(interface).unwrap().operations.get_mut(name).unwrap()
}

/// What an attribute of a node will be.
pub(crate) fn attribute(service: &Service, of: &str, name: &str) -> Term {
    let of = Entity::Node(node(service, of));
    Term::Attribute(Attribute { of, capability: None, name: name.into(), path: Vec::new() })
}

/// A workflow of lines: `backup app: Backup.run, state backed_up, inline other, delegate deploy -> next !> failed`.
pub(crate) fn workflow(service: &Service, text: &str) -> Workflow {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let name = |line: &str| line.split_whitespace().next().unwrap().trim_end_matches(':').to_owned();
    let names: Vec<String> = lines.iter().map(|line| name(line)).collect();
    let index = |name: &str| names.iter().position(|other| other == name).expect(name);
    let place = Place::start_of(FileId(0));
    let step = |line: &&str| {
        let (head, rest) = line.split_once(':').unwrap();
        let (rest, failures) = rest.split_once("!>").unwrap_or((rest, ""));
        let (activities, successes) = rest.split_once("->").unwrap_or((rest, ""));
        let activity = |text: &str| match text.split_once(' ') {
            Some(("state", state)) => Activity::SetState(state.into()),
            Some(("inline", name)) => Activity::Inline(name.into()),
            Some(("delegate", name)) => Activity::Delegate(name.into()),
            Some(_) | None => {
                let (interface, operation) = text.split_once('.').unwrap_or(("Standard", text));
                let (interface, operation) = (interface.into(), operation.into());
                Activity::Call { interface, operation, inputs: LiteMap::new() }
            }
        };
        Step {
            name: name(line).into(),
            place,
            targets: head.split_whitespace().skip(1).map(|target| Entity::Node(node(service, target))).collect(),
            filter: None,
            activities: activities
                .split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(|text| (activity(text), place))
                .collect(),
            on_success: successes.split_whitespace().map(index).collect(),
            on_failure: failures.split_whitespace().map(index).collect(),
            host: None,
        }
    };
    Workflow { place, preconditions: Vec::new(), steps: lines.iter().map(step).collect() }
}

/// The plan of a workflow, and what was said about it.
pub(crate) fn planned(service: &Service, name: &str) -> (Option<Plan>, Told) {
    let mut report = Report::default();
    let plan = plans(&Survey::of(service), &mut report).remove(name);
    let mut files = Files::default();
    files.add("service.yaml", "".into());
    (plan, report.told(&files))
}

/// A plan as text: each step with those that it waits for.
pub(crate) fn shown(plan: &Plan) -> String {
    let mut text = String::new();
    let mut edges = plan.edges.iter().peekable();
    for (index, step) in plan.steps.iter().enumerate() {
        text.push_str(&step.name);
        let mut between = " <- ";
        while let Some(edge) = edges.next_if(|edge| edge.to.index() == index) {
            let when = match edge.when {
                When::Succeeded => "",
                When::Failed => " failed",
                When::Yes => " yes",
                When::No => " no",
            };
            write!(text, "{between}{}{when}", plan.step(edge.from).name).unwrap();
            between = match step.join {
                super::Join::All => ", ",
                super::Join::One => " | ",
            };
        }
        text.push('\n');
    }
    text
}

fn deployed(text: &str) -> String {
    shown(&planned(&service(text), DEPLOY).0.unwrap())
}
