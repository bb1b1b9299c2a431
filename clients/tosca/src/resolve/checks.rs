//! What is checked although no template uses it: types, groups, policies, substitution; and the service as a whole.

use std::collections::BTreeMap;
use std::rc::Rc;

use litemap::LiteMap;

use super::slots::Field;
use super::{Holder, Resolver, Scope};
use crate::function::Call;
use crate::report::Weight;
use crate::service::{Capability, Group, NodeIx, NodeTemplate, Policy, Relation, Service};
use crate::source::Origin;
use crate::types::{Definition, InterfaceDef, Kind, Props, pairs};
use crate::version::Version;
use crate::yaml::{Entry, Node, Written};

impl Resolver<'_, '_> {
    /// All types of the user's files, and what stands beside them.
    pub(super) fn check_files(&self) {
        for ix in self.world.all().filter(|ix| self.world.is_given(*ix)) {
            let definition = self.world.definition(ix);
            self.check_definition(&definition);
            self.check_type_details(ix);
        }
        self.check_names();
        for unit in self.world.sources.units.iter().filter(|unit| unit.origin == Origin::Given) {
            if unit.version == Version::V2_0 {
                self.check_metadata(&unit.root);
                self.check_dsl(&unit.root);
            }
            self.check_repositories(&unit.root);
        }
    }

    fn check_definition(&self, definition: &Definition) {
        self.check_props(&definition.properties);
        self.check_props(&definition.attributes);
        if let Some(entries) = &definition.entries {
            self.check_rules(entries);
        }
        for capability in definition.capabilities.values() {
            self.check_props(&capability.properties);
            self.check_props(&capability.attributes);
        }
        definition.interfaces.values().for_each(|interface| self.check_interface(interface));
        self.check_interface(&definition.interface);
    }

    fn check_interface(&self, interface: &InterfaceDef) {
        let inputs = interface
            .inputs
            .values()
            .chain(interface.operations.values().flat_map(|operation| operation.inputs.values()));
        for input in inputs {
            if let (Some(definition), Some(value)) = (&input.definition, &input.value)
                && !definition.is_untyped()
            {
                self.check_rules(&definition.schema);
                self.read_default(value, definition);
            }
        }
    }

    fn check_props(&self, props: &Props) {
        for property in props.values() {
            self.check_rules(&property.schema);
            for value in [&property.default, &property.value].into_iter().flatten() {
                self.read_default(value, property);
            }
        }
    }

    /// A default is a value of its type. In the older versions many write an empty one where there is none.
    fn read_default(&self, value: &Node, property: &crate::types::Property) {
        let is_simple = self.world.version_at(value.place).is_simple();
        if !(is_simple && value.is_null()) {
            self.read(value, Some(&property.schema), Scope::default());
        }
    }

    fn check_metadata(&self, root: &Node) {
        for entry in root.entries("metadata") {
            // Those that the standard names are texts; of what others put there only nothing is wrong.
            let is_named =
                matches!(entry.key.as_text(), Some("template_name" | "template_author" | "template_version"));
            let is_right = match entry.value.written() {
                Written::Text(_) => true,
                Written::List | Written::Map => true,
                Written::Bool(_) | Written::Integer(_) | Written::Float(_) => !is_named,
                Written::Null => false,
            };
            if !is_right {
                let message = format!("`{}`: found {}, expected a text", entry.key, entry.value.said());
                self.world.report().error(entry.value.place, "wrong_form", message).hint("put it in quotes");
            }
        }
    }

    fn check_dsl(&self, root: &Node) {
        for entry in root.entries("dsl_definitions") {
            if matches!(
                entry.value.written(),
                Written::Bool(_) | Written::Integer(_) | Written::Float(_) | Written::Null
            ) {
                let message = format!(
                    "`{}`: found {}, expected something that is used again: a map or a list",
                    entry.key,
                    entry.value.said()
                );
                self.world.report().error(entry.value.place, "wrong_form", message);
            }
        }
    }

    /// The same name is the same repository in all files.
    fn check_repositories(&self, root: &Node) {
        for entry in root.entries("repositories") {
            for other in self.world.sources.units.iter().filter(|unit| unit.origin == Origin::Given) {
                let Some(same) = other.root.get("repositories").and_then(|all| all.entry(entry.key.as_text()?)) else {
                    continue;
                };
                if same.key.place > entry.key.place && !same.value.same(&entry.value) {
                    self.world
                        .report()
                        .error(
                            entry.key.place,
                            "repository",
                            format!("`{}` is another repository in another file", entry.key),
                        )
                        .other(same.key.place, "it says something else here");
                }
            }
        }
    }

    /// The nodes of a template or of a group.
    pub(super) fn members_named(&self, name: &str) -> Vec<NodeIx> {
        if let Some(nodes) = self.templates.get(name) {
            return nodes.clone();
        }
        let group = self.service.as_ref().and_then(|service| service.get("groups")?.get(name));
        let members = group.map(|group| group.items("members")).unwrap_or_default();
        members.iter().filter_map(|member| self.templates.get(member.as_name()?)).flatten().copied().collect()
    }

    fn groups(&self) -> BTreeMap<Rc<str>, Group> {
        let entries = self.service.as_ref().map(|service| service.entries("groups")).unwrap_or_default();
        let mut groups = BTreeMap::new();
        for entry in entries {
            let Some(name) = entry.key.as_name() else { continue };
            let of = entry.value.some("type").and_then(|name| self.world.named(Kind::Group, name));
            let definition = of.map(|of| self.world.definition(of)).unwrap_or_default();
            self.check_assigned(entry, of.is_some().then_some(&*definition));
            for member in entry.value.items("members") {
                if self.known_member(member, &["groups"]) {
                    self.check_members(
                        member,
                        &self.members_named(member.as_name().unwrap_or_default()),
                        &definition.members,
                    );
                }
            }
            let types = of.map(|of| self.world.names(of)).unwrap_or_default();
            groups.insert(name.into(), Group { types, members: self.members_named(name) });
        }
        groups
    }

    fn policies(&self) -> Vec<Policy> {
        let policies = self.service.as_ref().and_then(|service| service.get("policies"));
        let entries = policies.map(|policies| match policies.as_list() {
            Some(items) => items.iter().flat_map(Node::entries_of).collect::<Vec<_>>(),
            None => policies.entries_of().iter().collect(),
        });
        let mut all = Vec::new();
        for entry in entries.unwrap_or_default() {
            let Some(name) = entry.key.as_name() else { continue };
            let of = entry.value.some("type").and_then(|name| self.world.named(Kind::Policy, name));
            let definition = of.map(|of| self.world.definition(of)).unwrap_or_default();
            self.check_assigned(entry, of.is_some().then_some(&*definition));
            let mut targets = Vec::new();
            for target in entry.value.items("targets") {
                if self.known_member(target, &["groups"]) {
                    let named = self.members_named(target.as_name().unwrap_or_default());
                    self.check_members(target, &named, &definition.members);
                    targets.extend(named);
                }
            }
            self.check_triggers(&entry.value);
            let types = of.map(|of| self.world.names(of)).unwrap_or_default();
            all.push(Policy { name: name.into(), types, targets });
        }
        all
    }

    /// The properties of a group or a policy, by its type.
    fn check_assigned(&self, entry: &Entry, definition: Option<&Definition>) {
        let owner = format!("`{}`", entry.key);
        let properties = definition.map(|definition| &*definition.properties);
        let slots =
            self.slots(Field::Property, self.world.loosely(entry.key.place), properties, Some(&entry.value), &owner);
        self.check_missing(Weight::Error, &slots, &owner, entry.key.place);
        for slot in slots.values() {
            let schema = slot.property.as_ref().map(|property| property.schema.clone());
            if let Some(value) = &slot.value {
                self.read(value, schema.as_deref(), Scope::default());
            }
        }
    }

    /// Complains of a name that is no node template and stands in none of these sections.
    fn known_member(&self, name: &Node, sections: &[&str]) -> bool {
        let Some(text) = name.as_name() else { return false };
        let service = self.service.as_ref();
        let is_in = |section: &&str| service.and_then(|service| service.get(section)?.get(text)).is_some();
        let is_known = self.templates.contains_key(text) || sections.iter().any(is_in);
        if !is_known {
            let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
            let message = format!("there is neither a node template nor a group `{text}`");
            self.world
                .report()
                .error(name.place, "unknown_node", message)
                .near(text, known.iter().map(|known| &**known));
        }
        is_known
    }

    /// What another service may use this one for.
    fn check_substitution(&self) {
        let Some(node) = self.service.as_ref().and_then(|service| service.some("substitution_mappings")) else {
            return;
        };
        let of = node.some("node_type").and_then(|name| self.world.named(Kind::Node, name));
        let definition = of.map(|of| self.world.definition(of)).unwrap_or_default();
        if let Some(filter) = node.some("substitution_filter") {
            self.check_filter(filter);
        }
        for section in ["capabilities", "requirements"] {
            for (name, place, value) in pairs(node.get(section)) {
                let has = match section {
                    "capabilities" => definition.capabilities.contains_key(name),
                    _ => definition.requirements.iter().any(|known| *known.name == *name),
                };
                if of.is_some() && !has && !self.world.version_at(place).is_simple() {
                    let message = format!("the node type has none of its {section} called `{name}`");
                    self.world.report().error(place, "substitution", message);
                }
                let Some([template, ..]) = value.as_list() else { continue };
                if let Some(text) = template.as_name().filter(|text| !self.templates.contains_key(*text)) {
                    let known: Vec<Rc<str>> = self.templates.keys().cloned().collect();
                    let message = format!("there is no node template `{text}`");
                    self.world
                        .report()
                        .error(template.place, "unknown_node", message)
                        .near(text, known.iter().map(|known| &**known));
                }
            }
        }
        if self.world.version_at(node.place).is_simple() {
            self.check_substituted_inputs(node, of, &definition);
        }
    }

    /// Before 2.0 the properties of what is substituted become the inputs of the same names.
    fn check_substituted_inputs(&self, node: &Node, of: Option<crate::types::TypeIx>, definition: &Definition) {
        let is_whole = of.is_some_and(|of| self.world.is_whole(of));
        let is_missing = |name: &Rc<str>, property: &crate::types::Property| {
            property.is_required
                && property.default.is_none()
                && !self.inputs.contains_key(name)
                && node.get("properties").is_none_or(|mapped| mapped.get(name).is_none())
        };
        for (name, property) in
            definition.properties.iter().filter(|(name, property)| is_whole && is_missing(name, property))
        {
            let message = format!("the service has no input `{name}`, which is a property of what it stands for");
            self.world
                .report()
                .error(node.place, "substitution", message)
                .other(property.place, format!("`{name}` is required here"));
        }
    }

    /// The service, with everything in it calculated.
    pub(super) fn finish(self) -> Service {
        self.check_substitution();
        let nodes = (0..self.nodes.len())
            .map(|at| self.node(NodeIx(u32::try_from(at).expect("a template has a bound"))))
            .collect();
        let links = self.links.borrow().len();
        let relations = (0..links).map(|at| self.relation(super::relations::index(at))).collect();
        let outputs = self.outputs();
        let mut service = Service {
            name: self.name(),
            nodes,
            relations,
            groups: self.groups(),
            policies: self.policies(),
            workflows: self.workflows(),
            outputs,
        };
        self.substitute(&mut service);
        service
    }

    fn name(&self) -> String {
        let unit = &self.world.sources.units[self.unit.0];
        let said = unit.root.get("metadata").and_then(|metadata| metadata.name("template_name"));
        let said = said.or_else(|| unit.root.name("template_name"));
        let file = unit.path.rsplit('/').next().unwrap_or_default();
        said.unwrap_or_else(|| file.rsplit_once('.').map_or(file, |(stem, _)| stem)).to_owned()
    }

    fn node(&self, ix: NodeIx) -> NodeTemplate {
        let draft = &self.nodes[ix.0 as usize];
        let holder = Holder::Node(ix);
        let known = |fields: LiteMap<Rc<str>, Option<crate::term::Term>>| {
            fields.into_iter().filter_map(|(name, term)| Some((name, term?))).collect()
        };
        let capability = |name: &Rc<str>| {
            let holder = Holder::Capability(ix, name.clone());
            let capability = Capability {
                properties: known(self.fields(&holder, Field::Property)),
                attributes: self.fields(&holder, Field::Attribute),
            };
            (name.clone(), capability)
        };
        let artifact = |(name, node): (&Rc<str>, &Node)| Some((name.clone(), self.artifact(node)?));
        NodeTemplate {
            name: draft.name.clone(),
            place: draft.place,
            types: draft.of.map(|of| self.world.names(of)).unwrap_or_default(),
            properties: known(self.fields(&holder, Field::Property)),
            attributes: self.fields(&holder, Field::Attribute),
            capabilities: draft.capabilities.keys().map(capability).collect(),
            requirements: self.links_from(ix),
            interfaces: self.interfaces(&draft.interfaces, &holder, &draft.artifacts),
            artifacts: draft.artifacts.iter().filter_map(artifact).collect(),
        }
    }

    fn relation(&self, ix: crate::service::RelationIx) -> Relation {
        let link = self.link(ix);
        let holder = Holder::Relation(ix);
        let properties = self.fields(&holder, Field::Property);
        Relation {
            name: link.name.clone(),
            place: link.place,
            source: link.source,
            target: link.target,
            types: link.of.map(|of| self.world.names(of)).unwrap_or_default(),
            properties: properties.into_iter().filter_map(|(name, term)| Some((name, term?))).collect(),
            attributes: self.fields(&holder, Field::Attribute),
            interfaces: self.interfaces(&link.interfaces, &holder, &BTreeMap::new()),
        }
    }

    fn outputs(&self) -> Vec<(Rc<str>, crate::term::Term, crate::place::Place)> {
        let entries = self.service.as_ref().map(|service| service.entries("outputs")).unwrap_or_default();
        let mut outputs = Vec::new();
        for entry in entries {
            let Some(name) = entry.key.as_name() else { continue };
            let Some(value) = entry.value.get("value") else {
                let message = format!("the output `{name}` has no `value`");
                let mut report = self.world.report();
                let complaint = report.warning(entry.key.place, "missing_key", message);
                if Call::of(&entry.value, self.world.version_at(entry.key.place)).is_some() {
                    complaint.hint(format!("`{name}: {{value: ...}}`"));
                }
                continue;
            };
            let schema = entry.value.some("type").map(|_| self.world.schema(&entry.value, None));
            if let Some(term) = self.read(value, schema.as_deref(), Scope::default()) {
                outputs.push((name.into(), term, entry.key.place));
            }
        }
        outputs
    }
}
