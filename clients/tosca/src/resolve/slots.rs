//! Properties and attributes of nodes, capabilities and relationships: what is assigned, and what it comes to.
//!
//! A value is calculated when it is asked for, once; one that needs itself is complained of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use litemap::LiteMap;

use super::{Found, Holder, Resolver, Scope};
use crate::place::Place;
use crate::report::Weight;
use crate::term::Term;
use crate::types::{DataType, Property, Props};
use crate::yaml::Node;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Field {
    Property,
    Attribute,
}

impl Field {
    pub(super) fn name(self) -> &'static str {
        match self {
            Field::Property => "property",
            Field::Attribute => "attribute",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Field::Property => "properties",
            Field::Attribute => "attributes",
        }
    }

    fn of<'s>(self, properties: &'s Slots, attributes: &'s Slots) -> &'s Slots {
        match self {
            Field::Property => properties,
            Field::Attribute => attributes,
        }
    }
}

/// Those of one holder, by name.
pub(super) type Slots = BTreeMap<Rc<str>, Slot>;

/// One of them: what it has to be, and what is assigned or assumed.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) property: Option<Rc<Property>>,
    pub(super) value: Option<Node>,
    calculated: RefCell<Calculated>,
}

/// How far the calculation of a value is.
#[derive(Debug, Clone, Default)]
enum Calculated {
    #[default]
    No,
    Busy(Place),
    Done(Found),
}

impl Slot {
    fn new(property: Option<Rc<Property>>, value: Option<Node>) -> Self {
        Slot { property, value, calculated: RefCell::default() }
    }
}

impl Resolver<'_, '_> {
    /// The values below `properties` or `attributes` of an assignment, with what their definitions say besides.
    ///
    /// What nobody declared weighs as much as is said.
    ///
    /// `owner` names whose they are in a message. Where the type is not known nothing is missing, and all is taken.
    pub(super) fn slots(
        &self,
        field: Field,
        weight: Weight,
        known: Option<&Props>,
        assigned: Option<&Node>,
        owner: &str,
    ) -> Slots {
        let mut slots = Slots::new();
        for (name, property) in known.into_iter().flatten() {
            let value = property.value.clone().or_else(|| property.default.clone());
            slots.insert(name.clone(), Slot::new(Some(property.clone()), value));
        }
        for entry in assigned.map(|node| node.entries(field.key())).unwrap_or_default() {
            let Some(name) = entry.key.as_name() else { continue };
            let is_simple = self.world.version_at(entry.key.place).is_simple();
            // An attribute may be assigned with a description, and with nothing else.
            let value = match field {
                Field::Attribute if says_more(&entry.value) => match entry.value.get("value") {
                    Some(value) => value,
                    None => continue,
                },
                Field::Attribute | Field::Property => &entry.value,
            };
            match (slots.get_mut(name), known) {
                (Some(_), _) if is_simple && entry.value.is_null() => {}
                (Some(slot), _) => {
                    let fixed = slot.property.as_ref().and_then(|property| property.value.as_ref());
                    if let Some(fixed) = fixed.filter(|fixed| !is_simple && !fixed.same(value)) {
                        let message = format!("`{name}` of {owner} is always {fixed}: it cannot become {value}");
                        self.world
                            .report()
                            .error(value.place, "refinement", message)
                            .other(fixed.place, "its value is fixed here");
                    }
                    slot.value = Some(value.clone());
                }
                // Tools of the older versions set attributes that nobody declared.
                (None, Some(known)) if field == Field::Property || !is_simple => {
                    let message = format!("{owner} has no {} `{name}`", field.name());
                    let known = known.keys().map(|known| &**known);
                    self.world.report().say(weight, entry.key.place, "unknown_property", message).near(name, known);
                    if weight == Weight::Warning {
                        slots.insert(name.into(), Slot::new(None, Some(value.clone())));
                    }
                }
                (None, _) => {
                    slots.insert(name.into(), Slot::new(None, Some(value.clone())));
                }
            }
        }
        slots
    }

    /// Complains of each property that is required and has no value.
    pub(super) fn check_missing(&self, weight: Weight, slots: &Slots, owner: &str, at: Place) {
        for (name, slot) in slots {
            let Some(property) = slot.property.as_ref().filter(|of| of.is_required && slot.value.is_none()) else {
                continue;
            };
            self.world
                .report()
                .say(weight, at, "missing_property", format!("{owner} has no `{name}`"))
                .other(property.place, format!("`{name}` is required here, and has no default"));
        }
    }

    /// Looks at those of a holder; none where it has no such capability.
    fn of_holder<T>(&self, holder: &Holder, look: impl FnOnce(&Slots, &Slots) -> T) -> Option<T> {
        match holder {
            Holder::Node(ix) => {
                let draft = &self.nodes[ix.0 as usize];
                Some(look(&draft.properties, &draft.attributes))
            }
            Holder::Capability(ix, name) => {
                let capability = self.nodes[ix.0 as usize].capabilities.get(name)?;
                Some(look(&capability.properties, &capability.attributes))
            }
            Holder::Relation(ix) => {
                let link = self.link(*ix);
                Some(look(&link.properties, &link.attributes))
            }
        }
    }

    fn look_at<T>(&self, holder: &Holder, field: Field, name: &str, look: impl FnOnce(&Slot) -> T) -> Option<T> {
        self.of_holder(holder, |properties, attributes| field.of(properties, attributes).get(name).map(look))?
    }

    /// Is there one of this name?
    pub(super) fn has(&self, holder: &Holder, field: Field, name: &str) -> bool {
        self.look_at(holder, field, name, |_| ()).is_some()
    }

    /// Is the type of what has them unknown?
    pub(super) fn is_unknown(&self, holder: &Holder) -> bool {
        match holder {
            Holder::Node(ix) => self.nodes[ix.0 as usize].of.is_none_or(|of| !self.world.is_whole(of)),
            Holder::Capability(ix, name) => self.nodes[ix.0 as usize]
                .capabilities
                .get(name)
                .is_none_or(|capability| capability.of.is_none_or(|of| !self.world.is_whole(of))),
            Holder::Relation(ix) => self.link(*ix).of.is_none_or(|of| !self.world.is_whole(of)),
        }
    }

    /// Whose, in a message.
    pub(super) fn said(&self, holder: &Holder) -> String {
        match holder {
            Holder::Node(ix) => format!("`{}`", self.nodes[ix.0 as usize].name),
            Holder::Capability(ix, name) => format!("the capability `{name}` of `{}`", self.nodes[ix.0 as usize].name),
            Holder::Relation(ix) => {
                let link = self.link(*ix);
                format!("the relationship `{}` of `{}`", link.name, self.nodes[link.source.0 as usize].name)
            }
        }
    }

    /// What a property or attribute comes to; none where there is none of this name.
    pub(super) fn field(&self, holder: &Holder, field: Field, name: &str, asked: Place) -> Option<Found> {
        let slot = self.look_at(holder, field, name, |slot| match &*slot.calculated.borrow() {
            Calculated::Done(found) => Err(found.clone()),
            Calculated::Busy(began) => Err(self.circle(holder, name, asked, *began)),
            Calculated::No => Ok((slot.property.clone(), slot.value.clone())),
        })?;
        let (property, value) = match slot {
            Ok(slot) => slot,
            Err(found) => return Some(found),
        };
        let now = |state: Calculated| self.look_at(holder, field, name, |slot| slot.calculated.replace(state));
        now(Calculated::Busy(value.as_ref().map_or(asked, |value| value.place)));
        let schema = property.as_ref().map(|property| &property.schema);
        let term = match &value {
            Some(value) => self.read(value, schema.map(|schema| &**schema), Scope::of(holder)),
            None => Some(Term::Null),
        };
        let found = Found { term, of: schema.map_or(DataType::Unknown, |schema| schema.of) };
        // What was not known before the requirements had found their targets may be later.
        now(match found.term {
            None if !self.is_linked.get() => Calculated::No,
            None | Some(_) => Calculated::Done(found.clone()),
        });
        Some(found)
    }

    fn circle(&self, holder: &Holder, name: &str, asked: Place, began: Place) -> Found {
        let message = format!("`{name}` of {} needs its own value", self.said(holder));
        self.world.report().error(asked, "circle", message).other(began, "its calculation begins here");
        Found::NOTHING
    }

    /// The names of all that may be asked for; an attribute of the older versions may be a property.
    pub(super) fn names(&self, holder: &Holder, field: Field) -> Vec<Rc<str>> {
        let names = |properties: &Slots, attributes: &Slots| match field {
            Field::Property => properties.keys().cloned().collect(),
            Field::Attribute => attributes.keys().chain(properties.keys()).cloned().collect(),
        };
        self.of_holder(holder, names).unwrap_or_default()
    }

    /// All of one kind, calculated; those without a value, too.
    pub(super) fn fields(&self, holder: &Holder, field: Field) -> LiteMap<Rc<str>, Option<Term>> {
        let place = |slot: &Slot| slot.value.as_ref().map(|value| value.place);
        let of = |properties: &Slots, attributes: &Slots| -> Vec<(Rc<str>, Option<Place>)> {
            let slots = field.of(properties, attributes).iter();
            slots.map(|(name, slot)| (name.clone(), place(slot))).collect()
        };
        let start = Place::start_of(self.world.sources.units[0].file);
        self.of_holder(holder, of)
            .unwrap_or_default()
            .into_iter()
            .map(|(name, given)| {
                let found = self.field(holder, field, &name, given.unwrap_or(start));
                (name, found.and_then(|found| found.term).filter(|_| given.is_some()))
            })
            .collect()
    }
}

/// Is it the long form of an assignment: a description, with or without a value?
fn says_more(node: &Node) -> bool {
    let is_known = |key: Option<&str>| matches!(key, Some("description" | "value"));
    node.get("description").is_some() && node.entries_of().iter().all(|entry| is_known(entry.key.as_text()))
}
