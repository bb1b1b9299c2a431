//! Imperative workflows: steps with their targets, filters and activities.

use std::collections::BTreeMap;
use std::rc::Rc;

use litemap::LiteMap;

use super::{Found, Holder, Resolver, Scope};
use crate::function::Function;
use crate::place::Place;
use crate::service::{Activity, Step, Workflow};
use crate::term::{Entity, Term};
use crate::types::{DataType, Input, Side};
use crate::yaml::{Entry, Node};

use super::slots::Field;

impl Resolver<'_, '_> {
    pub(super) fn workflows(&self) -> BTreeMap<Rc<str>, Workflow> {
        let Some(service) = &self.service else { return BTreeMap::new() };
        let entries = service.entries("workflows");
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry.key.as_name()).collect();
        entries.iter().filter_map(|entry| Some((entry.key.as_name()?.into(), self.workflow(entry, &names)))).collect()
    }

    fn workflow(&self, entry: &Entry, names: &[&str]) -> Workflow {
        let node = &entry.value;
        let parameters = self.parameters(node);
        let steps = node.entries("steps");
        let known: Vec<&str> = steps.iter().filter_map(|step| step.key.as_text()).collect();
        Workflow {
            place: entry.key.place,
            preconditions: self.preconditions(node),
            steps: steps.iter().filter_map(|step| self.step_of(step, &known, names, &parameters)).collect(),
        }
    }

    /// What a workflow is given: what it assumes, as nobody can give it something here.
    fn parameters(&self, node: &Node) -> BTreeMap<Rc<str>, Found> {
        let mut inputs = BTreeMap::new();
        self.world.add_inputs(node, &mut inputs, Side::Type);
        let value = |(name, input): (&Rc<str>, &Rc<Input>)| {
            let schema = input.definition.as_ref().map(|definition| definition.schema.clone());
            let term = input.value.as_ref().and_then(|value| self.read(value, schema.as_deref(), Scope::default()));
            (name.clone(), Found { term, of: schema.map_or(DataType::Unknown, |schema| schema.of) })
        };
        inputs.iter().map(value).collect()
    }

    fn preconditions(&self, node: &Node) -> Vec<(Term, Place)> {
        let mut all = Vec::new();
        for precondition in node.items("preconditions") {
            let Some(target) = precondition.get("target") else { continue };
            for entity in self.targets_of(target, precondition.get("target_relationship")) {
                if let Some(term) =
                    precondition.some("condition").and_then(|condition| self.condition(condition, entity))
                {
                    all.push((term, precondition.place));
                }
            }
        }
        if let Some(condition) = node.some("precondition")
            && let Some(term) = self.read(condition, None, Scope::default())
        {
            all.push((term, condition.place));
        }
        all
    }

    fn step_of(
        &self,
        entry: &Entry,
        known: &[&str],
        names: &[&str],
        parameters: &BTreeMap<Rc<str>, Found>,
    ) -> Option<Step> {
        let node = &entry.value;
        let name: Rc<str> = entry.key.as_name()?.into();
        let targets = match node.some("target").or_else(|| node.some("node")) {
            Some(target) => self.targets_of(target, node.some("target_relationship")),
            None => Vec::new(),
        };
        let next = |keys: [&str; 2]| {
            let said = keys.iter().find_map(|key| node.some(key));
            let steps: Vec<&Node> = match said.map(|said| (said, said.as_list())) {
                Some((_, Some(items))) => items.iter().collect(),
                Some((one, None)) => vec![one],
                None => Vec::new(),
            };
            let index = |step: &Node| {
                let index = known.iter().position(|known| step.as_text() == Some(known));
                if index.is_none() {
                    let message = format!("this workflow has no step {}", step.said());
                    let name = step.as_text().unwrap_or_default();
                    self.world.report().error(step.place, "unknown_step", message).near(name, known.iter().copied());
                }
                index
            };
            steps.into_iter().filter_map(index).collect::<Vec<usize>>()
        };
        let activities = node.items("activities").iter().chain(node.some("activity"));
        let activities: Vec<(Activity, Place)> = activities
            .filter_map(|activity| Some((self.activity(activity, &targets, names, parameters)?, activity.place)))
            .collect();
        if targets.is_empty()
            && node.get("target").is_none()
            && node.get("node").is_none()
            && !activities.iter().all(|(activity, _)| matches!(activity, Activity::Inline(_)))
        {
            self.world.report().error(entry.key.place, "missing_key", format!("the step `{name}` has no `target`"));
        }
        let filter = node.some("filter").map(|filter| {
            targets
                .iter()
                .map(|target| self.condition(filter, *target).unwrap_or(Term::Bool(true)))
                .collect::<Vec<Term>>()
        });
        Some(Step {
            name,
            place: entry.key.place,
            filter,
            activities,
            on_success: next(["on_success", "on-success"]),
            on_failure: next(["on_failure", "on-failure"]),
            host: node.some("operation_host").and_then(|host| self.operation_host(host)),
            targets,
        })
    }

    /// A node, those of a group, or the relationships of a requirement of them.
    fn targets_of(&self, target: &Node, relationship: Option<&Node>) -> Vec<Entity> {
        let Some(name) = target.as_name() else {
            self.world.report().error(
                target.place,
                "wrong_form",
                format!("`target`: found {}, expected a name", target.said()),
            );
            return Vec::new();
        };
        let nodes = self.members_named(name);
        if nodes.is_empty() {
            let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
            let message = format!("there is neither a node template nor a group `{name}`");
            self.world
                .report()
                .error(target.place, "unknown_node", message)
                .near(name, known.iter().map(|known| &**known));
            return Vec::new();
        }
        let named = relationship.and_then(|node| Some((node.place, node.as_name()?)));
        let Some((place, relationship)) = named else {
            return nodes.into_iter().map(Entity::Node).collect();
        };
        let links: Vec<Entity> = nodes
            .iter()
            .flat_map(|node| self.links_from(*node))
            .filter(|ix| {
                let link = self.link(*ix);
                *link.name == *relationship || link.template.as_deref() == Some(relationship)
            })
            .map(Entity::Relation)
            .collect();
        if links.is_empty() && !nodes.iter().any(|ix| self.nodes[ix.0 as usize].asks_for(relationship)) {
            let message = format!("`{name}` has no requirement `{relationship}`");
            let known = nodes.iter().flat_map(|ix| &self.nodes[ix.0 as usize].definition.requirements);
            let known = known.map(|known| &*known.name);
            self.world.report().error(place, "unknown_requirement", message).near(relationship, known);
        }
        links
    }

    fn activity(
        &self,
        node: &Node,
        targets: &[Entity],
        names: &[&str],
        parameters: &BTreeMap<Rc<str>, Found>,
    ) -> Option<Activity> {
        let Some(entry) = node.entries_of().first() else {
            let message = format!(
                "found {}, expected an activity: `delegate`, `set_state`, `call_operation` or `inline`",
                node.said()
            );
            self.world.report().error(node.place, "wrong_form", message);
            return None;
        };
        let (kind, value) = (entry.key.as_text().unwrap_or_default(), &entry.value);
        // The short form is only a name; the long one has it below a key.
        let named = |key: &str| value.as_name().or_else(|| value.name(key)).map(Rc::<str>::from);
        let missing = |what: &str| {
            let message = format!("`{kind}`: found {}, expected {what}", value.said());
            self.world.report().error(value.place, "wrong_form", message);
        };
        match kind {
            "delegate" => match named("workflow") {
                Some(name) => Some(Activity::Delegate(name)),
                None => {
                    missing("the name of a workflow");
                    None
                }
            },
            "set_state" => match value.as_name() {
                Some(state) => Some(Activity::SetState(state.into())),
                None => {
                    missing("the name of a state");
                    None
                }
            },
            "inline" => match named("workflow") {
                Some(name) if names.contains(&&*name) => Some(Activity::Inline(name)),
                Some(name) => {
                    let message = format!("there is no workflow `{name}`");
                    self.world
                        .report()
                        .error(value.place, "unknown_workflow", message)
                        .near(&name, names.iter().copied());
                    None
                }
                None => {
                    missing("the name of a workflow");
                    None
                }
            },
            "call_operation" => match named("operation") {
                Some(name) => self.call_operation(&name, value, targets, parameters),
                None => {
                    missing("an operation, `INTERFACE.OPERATION`");
                    None
                }
            },
            other => {
                let message = format!("there is no activity `{other}`");
                let known = ["delegate", "set_state", "call_operation", "inline"];
                self.world.report().error(entry.key.place, "unknown_activity", message).near(other, known);
                None
            }
        }
    }

    fn call_operation(
        &self,
        name: &str,
        value: &Node,
        targets: &[Entity],
        parameters: &BTreeMap<Rc<str>, Found>,
    ) -> Option<Activity> {
        let Some((wanted, operation)) = name.rsplit_once('.') else {
            let message = format!("found `{name}`, expected an operation with its interface, `INTERFACE.OPERATION`");
            self.world.report().error(value.place, "wrong_form", message);
            return None;
        };
        let target = *targets.first()?;
        let (holder, interfaces) = match target {
            Entity::Node(ix) => (Holder::Node(ix), self.nodes[ix.0 as usize].interfaces.clone()),
            Entity::Relation(ix) => (Holder::Relation(ix), self.link(ix).interfaces.clone()),
        };
        // `Standard.create`, `tosca.interfaces.node.lifecycle.Standard.create`.
        let of_type = self.world.find(self.world.unit_of(value.place), crate::types::Kind::Interface, wanted);
        let found = interfaces.iter().find(|(known, of)| ***known == *wanted || (of.of.is_some() && of.of == of_type));
        let Some((interface, definition)) = found else {
            if !self.is_unknown(&holder) {
                let known = interfaces.keys().map(|known| &**known);
                let message = format!("{} has no interface `{wanted}`", self.said(&holder));
                let weight = self.world.loosely(value.place);
                self.world.report().say(weight, value.place, "unknown_interface", message).near(wanted, known);
            }
            return None;
        };
        let Some(operation_definition) = definition.operations.get(operation) else {
            let known = definition.operations.keys().map(|known| &**known);
            let message =
                format!("the interface `{interface}` of {} has no operation `{operation}`", self.said(&holder));
            self.world.report().error(value.place, "unknown_operation", message).near(operation, known);
            return None;
        };
        let scope = Scope { parameters: Some(parameters), ..Scope::of(&holder) };
        let mut inputs = definition.inputs.clone();
        inputs.extend(operation_definition.inputs.iter().map(|(name, input)| (name.clone(), input.clone())));
        let given: LiteMap<Rc<str>, Term> = value
            .entries("inputs")
            .iter()
            .filter_map(|entry| {
                let name = entry.key.as_name()?;
                let known = inputs.get(name);
                let schema = known.and_then(|input| input.definition.as_ref()).filter(|of| !of.is_untyped());
                self.check_optional(&entry.value, known.map(|known| &**known), parameters);
                let schema = schema.map(|of| of.schema.clone());
                Some((name.into(), self.read(&entry.value, schema.as_deref(), scope)?))
            })
            .collect();
        for (name, input) in &inputs {
            let is_missing = input.value.is_none() && value.get("inputs").is_none_or(|given| given.get(name).is_none());
            if is_missing && input.definition.as_ref().is_some_and(|of| of.is_required) {
                let message = format!("`{operation}` is called without its input `{name}`");
                self.world
                    .report()
                    .error(value.place, "missing_input", message)
                    .other(input.place, format!("`{name}` is required here"));
            }
        }
        Some(Activity::Call { interface: interface.clone(), operation: operation.into(), inputs: given })
    }

    /// An input of a workflow that may be missing cannot be what an operation cannot do without.
    fn check_optional(&self, value: &Node, input: Option<&Input>, parameters: &BTreeMap<Rc<str>, Found>) {
        let is_required = input.and_then(|input| input.definition.as_ref()).is_some_and(|of| of.is_required);
        let Some(call) = crate::function::Call::of(value, self.world.version_at(value.place)) else { return };
        let wanted = call.list();
        let [name] = wanted.as_slice() else { return };
        let Some(name) =
            name.as_name().filter(|name| call.name.ends_with("get_input") && parameters.contains_key(*name))
        else {
            return;
        };
        if is_required && self.is_optional_parameter(name) {
            let message = format!("the input `{name}` of the workflow may be missing, and is required here");
            self.world.report().error(value.place, "optional_input", message);
        }
    }

    fn is_optional_parameter(&self, name: &str) -> bool {
        let Some(service) = &self.service else { return false };
        service.entries("workflows").iter().any(|workflow| {
            let input = workflow.value.get("inputs").and_then(|inputs| inputs.get(name));
            input.is_some_and(|input| {
                matches!(input.name("required"), Some("false" | "False" | "FALSE")) && input.some("default").is_none()
            })
        })
    }

    /// A condition on a node: a list of clauses that all hold, or a function of 2.0.
    fn condition(&self, node: &Node, target: Entity) -> Option<Term> {
        let holder = match target {
            Entity::Node(ix) => Holder::Node(ix),
            Entity::Relation(ix) => Holder::Relation(ix),
        };
        if !self.world.version_at(node.place).is_simple() {
            return self.read(node, None, Scope::of(&holder));
        }
        let clauses: Vec<&Entry> = match node.as_list() {
            Some(items) => items.iter().flat_map(Node::entries_of).collect(),
            None => node.entries_of().iter().collect(),
        };
        let terms: Vec<Term> = clauses.into_iter().filter_map(|clause| self.clause(clause, &holder)).collect();
        (!terms.is_empty()).then(|| joined(Function::And, terms))
    }

    /// `and`, `or`, `not`, `assert`, or an attribute with its constraints.
    fn clause(&self, entry: &Entry, holder: &Holder) -> Option<Term> {
        let clauses = || {
            let entries = match entry.value.as_list() {
                Some(items) => items.iter().flat_map(Node::entries_of).collect::<Vec<_>>(),
                None => entry.value.entries_of().iter().collect(),
            };
            entries.into_iter().filter_map(|clause| self.clause(clause, holder)).collect::<Vec<Term>>()
        };
        let name = entry.key.as_name()?;
        match name {
            "and" | "assert" => Some(joined(Function::And, clauses())),
            "or" => Some(joined(Function::Or, clauses())),
            "not" => Some(Term::Call(Function::Not, vec![joined(Function::And, clauses())])),
            name => {
                let value = if self.has(holder, Field::Attribute, name) {
                    let of = match holder {
                        Holder::Node(ix) | Holder::Capability(ix, _) => Entity::Node(*ix),
                        Holder::Relation(ix) => Entity::Relation(*ix),
                    };
                    Term::Attribute(crate::term::Attribute {
                        of,
                        capability: None,
                        name: name.into(),
                        path: Vec::new(),
                    })
                } else {
                    self.field(holder, Field::Property, name, entry.key.place).and_then(|found| found.term).or_else(
                        || {
                            let message =
                                format!("{} has neither an attribute nor a property `{name}`", self.said(holder));
                            if !self.is_unknown(holder) {
                                self.world.report().error(entry.key.place, "unknown_property", message);
                            }
                            None
                        },
                    )?
                };
                let constraints: Vec<&Entry> = match entry.value.as_list() {
                    Some(items) => items.iter().flat_map(Node::entries_of).collect(),
                    None => entry.value.entries_of().iter().collect(),
                };
                let terms =
                    constraints.into_iter().filter_map(|constraint| self.constraint_term(&value, constraint)).collect();
                Some(joined(Function::And, terms))
            }
        }
    }

    /// A constraint as a function over a value that may not be known yet.
    fn constraint_term(&self, value: &Term, constraint: &Entry) -> Option<Term> {
        let name = constraint.key.as_text()?;
        let bound = self.read(&constraint.value, None, Scope::default())?;
        let function = match name {
            "pattern" => Function::Matches,
            "in_range" => Function::InRange,
            "length" => {
                return Some(Term::Call(
                    Function::Equal,
                    vec![Term::Call(Function::Length, vec![value.clone()]), bound],
                ));
            }
            "min_length" => {
                return Some(Term::Call(
                    Function::GreaterOrEqual,
                    vec![Term::Call(Function::Length, vec![value.clone()]), bound],
                ));
            }
            "max_length" => {
                return Some(Term::Call(
                    Function::LessOrEqual,
                    vec![Term::Call(Function::Length, vec![value.clone()]), bound],
                ));
            }
            name => match Function::named(name) {
                Some(function) => function,
                None => {
                    let message = format!("there is no constraint `{name}`");
                    self.world.report().error(constraint.key.place, "unknown_constraint", message);
                    return None;
                }
            },
        };
        Some(Term::Call(function, vec![value.clone(), bound]))
    }
}

/// Several terms as one.
fn joined(function: Function, mut terms: Vec<Term>) -> Term {
    match terms.len() {
        1 => terms.remove(0),
        0 => Term::Bool(true),
        _ => Term::Call(function, terms),
    }
}
