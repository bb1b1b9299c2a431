//! Small rules of definitions that no template has to use: words that are one of a few, what a trigger and an artifact
//! cannot do without, names that two files define, and what may be a member of a group.

use std::rc::Rc;

use super::Resolver;
use crate::place::Place;
use crate::service::NodeIx;
use crate::source::{Origin, UnitIx};
use crate::types::{Kind, TypeIx, pairs};
use crate::version::Version;
use crate::yaml::{Entry, Node, Written};

/// How far a property is supported, as section 3.6.10 of the Simple Profile 1.3 and 2.0 have it.
const STATUS: [&str; 4] = ["supported", "unsupported", "experimental", "deprecated"];

/// Where a node comes from.
const DIRECTIVES: [&str; 5] = ["create", "select", "substitute", "selectable", "substitutable"];

/// Where the target of a requirement is looked for.
const OF_REQUIREMENTS: [&str; 2] = ["internal", "external"];

impl Resolver<'_, '_> {
    /// The details of a type, as its file says them.
    pub(super) fn check_type_details(&self, ix: TypeIx) {
        let of = self.world.get(ix);
        for section in ["properties", "attributes"] {
            of.node.entries(section).iter().for_each(|entry| self.check_status(entry));
        }
        if of.kind == Kind::Policy {
            self.check_triggers(&of.node);
        }
        if self.world.version_at(of.place) == Version::V2_0 {
            for (name, place, artifact) in pairs(of.node.get("artifacts")) {
                let missing = ["type", "file"]
                    .into_iter()
                    .filter(|key| artifact.as_map().is_some() && artifact.get(key).is_none());
                for key in missing {
                    self.world.report().error(place, "missing_key", format!("the artifact `{name}` has no `{key}`"));
                }
            }
        }
    }

    fn check_status(&self, entry: &Entry) {
        let Some(said) = entry.value.some("status").and_then(|status| Some((status, status.as_text()?))) else {
            return;
        };
        let (status, text) = said;
        if !STATUS.contains(&text.to_ascii_lowercase().as_str()) {
            let weight = self.world.loosely(status.place);
            let message = format!("`status`: found `{text}`, expected one of: {}", STATUS.join(", "));
            self.world.report().say(weight, status.place, "unknown_word", message);
        }
    }

    /// The directives of a node template, and of its requirements.
    pub(super) fn check_directives(&self, template: &Node) {
        let check = |node: &Node, known: &[&str]| {
            for directive in node.items("directives") {
                let text = directive.as_text().unwrap_or_default();
                if !known.contains(&text) {
                    // Other tools have their own.
                    let message = format!("the directive {} says nothing to gorch", directive.said());
                    self.world
                        .report()
                        .warning(directive.place, "unknown_word", message)
                        .near(text, known.iter().copied());
                }
            }
        };
        check(template, &DIRECTIVES);
        for (_, _, requirement) in pairs(template.get("requirements")) {
            check(requirement, &OF_REQUIREMENTS);
            if let Some(optional) = requirement.some("optional").filter(|_| requirement.as_map().is_some())
                && optional.as_text().is_some()
                && !matches!(optional.written(), Written::Bool(_))
            {
                let message = format!("`optional`: found {}, expected `true` or `false`", optional.said());
                self.world.report().error(optional.place, "wrong_form", message);
            }
        }
    }

    /// What triggers of a policy or its type cannot do without.
    pub(super) fn check_triggers(&self, policy: &Node) {
        for trigger in policy.entries("triggers") {
            if self.world.version_at(trigger.key.place) != Version::V2_0 || trigger.value.as_map().is_none() {
                continue;
            }
            for key in ["event", "action"] {
                if trigger.value.some(key).is_none() {
                    let message = format!("the trigger `{}` has no `{key}`", trigger.key);
                    self.world.report().error(trigger.key.place, "missing_key", message);
                }
            }
            if let Some(action) = trigger.value.some("action").filter(|action| action.as_list().is_none()) {
                let message = format!("`action`: found {}, expected a list of activities", action.said());
                self.world.report().error(action.place, "wrong_form", message);
            }
        }
    }

    /// From 2.0 on a name means one thing in a file: what it imports without a namespace has other names.
    pub(super) fn check_names(&self) {
        for (at, unit) in self.world.sources.units.iter().enumerate() {
            if unit.version != Version::V2_0 || unit.origin != Origin::Given {
                continue;
            }
            let plain = unit.imports.iter().filter(|import| import.namespace.is_none() && import.unit != UnitIx(at));
            for import in plain {
                for ix in self.world.all().filter(|ix| self.world.get(*ix).unit == UnitIx(at)) {
                    let own = self.world.get(ix);
                    if let Some(other) = self.world.find(import.unit, own.kind, &own.name).filter(|other| *other != ix)
                    {
                        let message =
                            format!("the {} `{}` is defined in an imported file, too", own.kind.name(), own.name);
                        let other = self.world.get(other).place;
                        self.world
                            .report()
                            .error(own.place, "duplicate_type", message)
                            .other(other, "it is defined here")
                            .hint("give the import a `namespace`");
                    }
                }
            }
        }
    }

    /// A relationship leads from and to what its type allows.
    pub(super) fn check_ends(&self, of: TypeIx, source: NodeIx, target: NodeIx, at: Place) {
        let definition = self.world.definition(of);
        for (node, wanted, side) in
            [(source, &definition.sources, "come from"), (target, &definition.target_nodes, "lead to")]
        {
            let draft = &self.nodes[node.0 as usize];
            let is_right = |of: TypeIx| wanted.is_empty() || wanted.iter().any(|ix| self.world.is_a(of, *ix));
            if draft.of.is_none_or(|of| is_right(of) || !self.world.is_whole(of)) {
                continue;
            }
            let names: Vec<Rc<str>> = wanted.iter().map(|ix| self.world.get(*ix).name.clone()).collect();
            let message = format!(
                "a `{}` cannot {side} `{}`: expected one of: {}",
                self.world.get(of).name,
                draft.name,
                names.join(", ")
            );
            let weight = self.world.loosely(at);
            self.world.report().say(weight, at, "relationship", message).other(draft.place, "it is defined here");
        }
    }

    /// Nodes in a group, or below a policy, are of the types that its type names.
    pub(super) fn check_members(&self, at: &Node, members: &[NodeIx], wanted: &[TypeIx]) {
        if wanted.is_empty() {
            return;
        }
        for member in members {
            let draft = &self.nodes[member.0 as usize];
            let Some(of) = draft.of.filter(|of| self.world.is_whole(*of)) else { continue };
            // A policy's type may name types of groups: their nodes are another matter.
            let nodes: Vec<TypeIx> =
                wanted.iter().copied().filter(|ix| self.world.get(*ix).kind == Kind::Node).collect();
            if nodes.len() == wanted.len() && !nodes.iter().any(|ix| self.world.is_a(of, *ix)) {
                let names: Vec<Rc<str>> = nodes.iter().map(|ix| self.world.get(*ix).name.clone()).collect();
                let message = format!(
                    "`{}` is a `{}`, expected one of: {}",
                    draft.name,
                    self.world.get(of).name,
                    names.join(", ")
                );
                let weight = self.world.loosely(at.place);
                self.world.report().say(weight, at.place, "member", message).other(draft.place, "it is defined here");
            }
        }
    }
}
