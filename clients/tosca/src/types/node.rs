//! What node types define: capabilities and requirements.

use super::define::Typed;
use super::{CapabilityDef, Kind, Need, RequirementDef, World};
use crate::place::Place;
use crate::yaml::{Node, Written};

impl World<'_> {
    /// A capability: a map, or no more than the name of its type.
    pub(super) fn capability(&self, node: &Node, place: Place, refined: Option<&CapabilityDef>) -> CapabilityDef {
        let name = if node.as_map().is_some() { node.some("type") } else { Some(node).filter(|node| !node.is_null()) };
        let of = match name {
            Some(name) => self.named(Kind::Capability, name),
            None => refined.and_then(|old| old.of),
        };
        if name.is_none() && refined.is_none() {
            self.report().error(place, "missing_key", "a capability has no `type`");
        }
        if let (Some(new), Some(old), Some(name)) = (of, refined.and_then(|old| old.of), name)
            && !self.is_a(new, old)
            && !self.version_at(place).is_simple()
        {
            let (new, old_name) = (self.get(new).name.clone(), self.get(old).name.clone());
            let other = refined.map_or(place, |old| old.place);
            self.report()
                .error(name.place, "refinement", format!("`{new}` is not derived from `{old_name}`, which it refines"))
                .other(other, format!("it is `{old_name}` here"));
        }
        let definition = of.map(|ix| self.definition(ix)).unwrap_or_default();
        let refined = refined.filter(|old| old.of == of);
        let (properties, attributes) = match refined {
            Some(old) => (old.properties.clone(), old.attributes.clone()),
            None => (definition.properties.clone(), definition.attributes.clone()),
        };
        let key = if node.get("valid_source_node_types").is_some() {
            "valid_source_node_types"
        } else {
            "valid_source_types"
        };
        let sources = match node.some(key) {
            Some(names) => {
                names.as_list().unwrap_or_default().iter().filter_map(|name| self.named(Kind::Node, name)).collect()
            }
            None => refined.map_or_else(|| definition.sources.clone(), |old| old.sources.clone()),
        };
        CapabilityDef {
            place,
            of,
            properties: self.properties(node, "properties", &properties, Typed::Must),
            attributes: self.properties(node, "attributes", &attributes, Typed::Must),
            sources,
        }
    }

    /// A requirement: a map, or no more than the type of the capability that it asks for.
    pub(super) fn requirement(
        &self,
        name: &str,
        place: Place,
        node: &Node,
        refined: Option<&RequirementDef>,
    ) -> RequirementDef {
        let is_simple = self.version_at(place).is_simple();
        let wanted = match node.as_map() {
            Some(_) => node.some("capability").or_else(|| node.some("type").filter(|_| is_simple)),
            None => Some(node).filter(|node| !node.is_null()),
        };
        let target = node.some("node").and_then(|name| match is_simple {
            // In the older versions a type may require what a template is called.
            true => self.find(self.unit_of(name.place), Kind::Node, name.as_name()?),
            false => self.named(Kind::Node, name),
        });
        let capability = wanted.and_then(|wanted| self.need(wanted, target)).or_else(|| refined?.capability.clone());
        if wanted.is_none() && refined.is_none() {
            // The older versions may name only the type of the node.
            let says_enough = if is_simple { node.some("node").is_some() } else { node.as_map().is_none() };
            if !says_enough {
                self.report().error(place, "missing_key", format!("the requirement `{name}` has no `capability`"));
            }
        }
        let said = node.some("relationship").or_else(|| node.some("relationship_type").filter(|_| is_simple));
        let relationship_name =
            said.and_then(|said| if said.as_map().is_some() { said.some("type") } else { Some(said) });
        let relationship = match relationship_name {
            Some(name) => self.named(Kind::Relationship, name),
            None => refined.and_then(|old| old.relationship),
        };
        RequirementDef {
            name: name.into(),
            place,
            capability,
            node: target.or_else(|| refined?.node),
            relationship,
            relationship_node: said
                .filter(|said| said.as_map().is_some())
                .cloned()
                .or_else(|| refined?.relationship_node.clone()),
            filter: node.some("node_filter").cloned().or_else(|| refined?.filter.clone()),
            count: self.count(name, place, node, refined),
            is_counted: ["count_range", "occurrences"].iter().any(|key| node.some(key).is_some())
                || relationship.is_some_and(|of| crate::service::is_a(&self.names(of), "HostedOn"))
                || refined.is_some_and(|old| old.is_counted),
        }
    }

    /// The capability that a name asks for: a type, or what the required type of nodes calls one of its own.
    fn need(&self, wanted: &Node, target: Option<super::TypeIx>) -> Option<Need> {
        let text = wanted.as_name()?;
        if let Some(ix) = self.find(self.unit_of(wanted.place), Kind::Capability, text) {
            return Some(Need::Type(ix));
        }
        // Its own words are enough: nodes require each other in circles.
        let offers =
            |ix| self.get(ix).node.get("capabilities").is_some_and(|capabilities| capabilities.get(text).is_some());
        let has_it = target.is_none_or(|target| self.line(target).any(offers));
        let is_simple = self.version_at(wanted.place).is_simple();
        // The older versions' templates name node types here, too: what has any capability then fits.
        let is_node = is_simple && self.find(self.unit_of(wanted.place), Kind::Node, text).is_some();
        if is_node {
            return None;
        }
        if target.is_some() && has_it {
            return Some(Need::Named(text.into()));
        }
        self.unknown(Kind::Capability, wanted.place, text);
        None
    }

    /// How many targets: `occurrences` before 2.0, `count_range` in it.
    fn count(&self, name: &str, place: Place, node: &Node, refined: Option<&RequirementDef>) -> (u32, Option<u32>) {
        let is_simple = self.version_at(place).is_simple();
        let said = node.some("count_range").or_else(|| node.some("occurrences"));
        let Some(said) = said else {
            let bounds = (node.some("lower_bound"), node.some("upper_bound"));
            if let (Some(low), high) = bounds {
                let whole = |node: &Node| node.as_text().and_then(|text| text.parse::<u32>().ok());
                return (whole(low).unwrap_or(1), high.map_or(Some(1), whole));
            }
            let default = if is_simple { (1, Some(1)) } else { (0, None) };
            return refined.map_or(default, |old| old.count);
        };
        let bound = |node: &Node| match node.written() {
            Written::Integer(number) => u32::try_from(number).ok().map(Some),
            Written::Text("UNBOUNDED") => Some(None),
            Written::Null | Written::Bool(_) | Written::Float(_) | Written::Text(_) | Written::List | Written::Map => {
                None
            }
        };
        let bounds = match said.as_list() {
            Some([low, high]) => bound(low).flatten().zip(bound(high)),
            Some(_) | None => None,
        };
        match bounds {
            Some((low, high)) if high.is_none_or(|high| low <= high) => (low, high),
            Some(_) | None => {
                let message = format!("`{name}`: found {said}, expected a range such as `[0, 1]` or `[1, UNBOUNDED]`");
                self.report().error(said.place, "count_range", message);
                (0, None)
            }
        }
    }
}
