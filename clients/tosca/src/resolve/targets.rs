//! What a requirement can lead to: the nodes that offer what it asks for.
//!
//! Sources that ask for the same find it once: a service may have thousands of them.

use std::rc::Rc;

use super::Resolver;
use super::relations::Asked;
use crate::place::Place;
use crate::service::NodeIx;
use crate::types::{Need, RequirementDef, TypeIx};

/// What finds the same nodes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Same {
    source: Option<TypeIx>,
    of: Option<TypeIx>,
    /// What the definition asks for, and where the template says something else.
    need: Option<Need>,
    capability: Option<Place>,
}

/// Where a requirement may lead.
pub(super) struct Targets {
    nodes: Rc<[NodeIx]>,
    /// Which of them is the source itself, and no target.
    own: Option<usize>,
}

impl Targets {
    pub(super) fn all(nodes: Rc<[NodeIx]>) -> Self {
        Targets { nodes, own: None }
    }

    /// All but the source; they are in their order.
    pub(super) fn but(nodes: Rc<[NodeIx]>, source: NodeIx) -> Self {
        let own = nodes.binary_search(&source).ok();
        Targets { nodes, own }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len() - usize::from(self.own.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn get(&self, index: usize) -> Option<NodeIx> {
        let after = usize::from(self.own.is_some_and(|own| own <= index));
        self.nodes.get(index + after).copied()
    }
}

impl Resolver<'_, '_> {
    /// From 2.0 on a capability says from which nodes it takes relationships.
    pub(super) fn check_source(
        &self,
        target: NodeIx,
        draft: &super::Draft,
        asked: &Asked<'_>,
        capability: Option<&str>,
    ) {
        if self.world.version_at(asked.place).is_simple() {
            return;
        }
        let target = &self.nodes[target.0 as usize];
        let offered = capability.and_then(|name| target.capabilities.get(name)?.definition.as_ref());
        let (Some(offered), Some(source)) = (offered, draft.of) else { return };
        if offered.sources.is_empty() || offered.sources.iter().any(|of| self.world.is_a(source, *of)) {
            return;
        }
        let takes: Vec<&str> = offered.sources.iter().map(|of| &*self.world.get(*of).name).collect();
        let message = format!(
            "the capability `{}` of `{}` takes nodes of the type {}: `{}` is a `{}`",
            capability.unwrap_or_default(),
            target.name,
            takes.join(", "),
            draft.name,
            self.world.get(source).name,
        );
        let place = asked.node.map_or(asked.place, |node| node.place);
        self.world.report().error(place, "wrong_source", message).other(offered.place, "it is defined here");
    }

    /// The nodes that fit, where none is named.
    pub(super) fn found(
        &self,
        node: NodeIx,
        draft: &super::Draft,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
        of: Option<TypeIx>,
    ) -> Option<Targets> {
        let fitting = self.fitting(node, asked, definition, of);
        if fitting.is_empty() {
            let wanted = match (of, definition.and_then(|definition| definition.capability.as_ref())) {
                (Some(of), _) => format!("a `{}`", self.world.get(of).name),
                (None, Some(Need::Type(of))) => format!("the capability `{}`", self.world.get(*of).name),
                (None, Some(Need::Named(name))) => format!("the capability `{name}`"),
                (None, None) => "what it asks for".to_owned(),
            };
            let filter = asked.filter.or_else(|| definition?.filter.as_ref());
            let kept = filter.map_or("", |_| " and keeps the filter");
            let message = format!(
                "`{}` of `{}` stays open: no node of this service offers it {wanted}{kept}",
                asked.name, draft.name
            );
            self.world.report().warning(asked.place, "open_requirement", message);
            return None;
        }
        Some(fitting)
    }

    /// All nodes that a requirement could lead to, in the order of the templates.
    pub(super) fn fitting(
        &self,
        node: NodeIx,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
        of: Option<TypeIx>,
    ) -> Targets {
        let source = self.nodes[node.0 as usize].of;
        let filter = asked.filter.or_else(|| definition.and_then(|definition| definition.filter.as_ref()));
        // Whoever asks for the same finds the same; what a filter keeps may change while requirements are filled.
        let same = Same {
            source,
            of: of.or_else(|| definition.and_then(|definition| definition.node)),
            need: definition.and_then(|definition| definition.capability.clone()),
            capability: asked.capability.map(|capability| capability.place),
        };
        if filter.is_none()
            && let Some(known) = self.fitting.borrow().get(&same)
        {
            return Targets::but(known.clone(), node);
        }
        let wanted = same.of;
        let all = (0..self.nodes.len()).map(|at| NodeIx(u32::try_from(at).expect("a template has a bound")));
        let nodes: Rc<[NodeIx]> =
            all.filter(|target| self.does_fit(*target, source, asked, definition, wanted)).collect();
        if let Some(filter) = filter {
            let kept = nodes.iter().filter(|target| **target != node && self.keeps_filter(**target, filter));
            return Targets::all(kept.copied().collect());
        }
        self.fitting.borrow_mut().insert(same, nodes.clone());
        Targets::but(nodes, node)
    }

    /// Is a node of the wanted type, and does it offer what is asked for to this type of source?
    fn does_fit(
        &self,
        target: NodeIx,
        source: Option<TypeIx>,
        asked: &Asked<'_>,
        definition: Option<&RequirementDef>,
        wanted: Option<TypeIx>,
    ) -> bool {
        let other = &self.nodes[target.0 as usize];
        if !wanted.is_none_or(|wanted| other.of.is_some_and(|of| self.world.is_a(of, wanted))) {
            return false;
        }
        let Ok(capability) = self.capability_of(target, asked, definition) else { return false };
        // Without a type and a capability everything would fit.
        if wanted.is_none() && capability.is_none() {
            return false;
        }
        capability.as_ref().and_then(|name| other.capabilities.get(name)).is_none_or(|offer| {
            let sources = offer.definition.as_ref().map(|definition| definition.sources.as_slice()).unwrap_or_default();
            // The older versions' types name examples there.
            let is_open = sources.is_empty() || self.world.version_at(asked.place).is_simple();
            is_open || source.is_none_or(|source| sources.iter().any(|of| self.world.is_a(source, *of)))
        })
    }
}
