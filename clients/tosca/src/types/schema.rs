//! What a value has to be: its type, the types of its entries, and the rules that it keeps.

use std::rc::Rc;

use super::{Kind, Property, Props, TypeIx, World};
use crate::data::{Number, Primitive, Units};
use crate::place::Place;
use crate::source::UnitIx;
use crate::yaml::{Node, float, integer};

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    Primitive(Primitive),
    Type(TypeIx),
    /// Nothing says it, or what says it is wrong, of which was complained.
    Unknown,
}

/// What a value has to be.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) place: Place,
    pub(crate) of: DataType,
    pub(crate) key: Option<Rc<Schema>>,
    pub(crate) entry: Option<Rc<Schema>>,
    /// `constraints` and `validation`, also those of what it refines.
    pub(crate) rules: Vec<Node>,
}

/// What a data type comes to.
#[derive(Debug, Clone)]
pub(crate) enum Base {
    Primitive(Primitive),
    /// A map of properties.
    Complex(Rc<Props>),
    /// A number of a type, with a unit.
    Scalar(Rc<Units>, DataType),
}

impl World<'_> {
    /// The built-in type that a file knows by a name. A type of that name in the file itself comes first.
    pub(crate) fn primitive(&self, unit: UnitIx, name: &str) -> Option<Primitive> {
        let is_own = self.index.contains_key(&(unit, Kind::Data, Rc::from(name)));
        let primitive = Primitive::named(name, self.sources.units[unit.0].version);
        primitive.filter(|_| !is_own)
    }

    /// The data type that a name means; complains where there is none.
    pub(crate) fn data_type(&self, name: &Node) -> DataType {
        let Some(text) = name.as_name() else { return DataType::Unknown };
        let unit = self.unit_of(name.place);
        if let Some(primitive) = self.primitive(unit, text) {
            return DataType::Primitive(primitive);
        }
        match self.named(Kind::Data, name) {
            Some(ix) => DataType::Type(ix),
            None => DataType::Unknown,
        }
    }

    /// Reads a schema: a map, or no more than the name of a type. What it does not say is as in what it refines.
    pub(crate) fn schema(&self, node: &Node, refined: Option<&Schema>) -> Rc<Schema> {
        let name = if node.as_map().is_some() { node.some("type") } else { Some(node).filter(|node| !node.is_null()) };
        // Before 2.0 a definition stands instead of the one that it overrides.
        let refined = refined.filter(|_| name.is_none() || !self.version_at(node.place).is_simple());
        let of = match (name, refined) {
            (Some(name), _) => {
                let of = self.data_type(name);
                self.check_value_type(of, name);
                of
            }
            (None, Some(refined)) => refined.of,
            (None, None) => DataType::Unknown,
        };
        let below = |key: &str, refined: Option<&Rc<Schema>>| match node.some(key) {
            Some(schema) => Some(self.schema(schema, refined.map(|schema| &**schema))),
            None => refined.cloned(),
        };
        let key = below("key_schema", refined.and_then(|schema| schema.key.as_ref()));
        let entry = below("entry_schema", refined.and_then(|schema| schema.entry.as_ref()));
        let mut rules = refined.map(|schema| schema.rules.clone()).unwrap_or_default();
        let rule = if self.version_at(node.place).is_simple() { "constraints" } else { "validation" };
        rules.extend(node.some(rule).cloned());
        Rc::new(Schema { place: node.place, of, key, entry, rules })
    }

    fn check_value_type(&self, of: DataType, name: &Node) {
        if of == DataType::Primitive(Primitive::Scalar) {
            let message = "no value has the type `scalar` itself";
            self.report()
                .error(name.place, "abstract_type", message)
                .hint("derive a data type from it that says its units");
        }
    }

    /// What the values of a data type are.
    pub(crate) fn base(&self, of: DataType) -> Option<Base> {
        match of {
            DataType::Primitive(primitive) => Some(Base::Primitive(primitive)),
            DataType::Type(ix) => self.definition(ix).base.clone(),
            DataType::Unknown => None,
        }
    }

    /// The built-in type that a data type is derived from in the end, where it is one.
    fn root(&self, of: DataType) -> Option<Primitive> {
        match of {
            DataType::Primitive(primitive) => Some(primitive),
            DataType::Type(ix) => {
                let last = self.get(self.line(ix).last()?);
                self.primitive(last.unit, last.node.name("derived_from")?)
            }
            DataType::Unknown => None,
        }
    }

    /// Does a value of one type fit where the other one is expected?
    pub(crate) fn is_data(&self, of: DataType, other: DataType) -> bool {
        match (of, other) {
            (DataType::Unknown, _) | (_, DataType::Unknown) => true,
            (DataType::Primitive(one), DataType::Primitive(other)) => one == other,
            (DataType::Type(one), DataType::Type(other)) => self.is_a(one, other),
            (DataType::Type(_), DataType::Primitive(primitive)) => match self.base(of) {
                Some(Base::Primitive(base)) => base == primitive,
                Some(Base::Scalar(..)) => primitive == Primitive::Scalar,
                Some(Base::Complex(_)) => primitive == Primitive::Map,
                None => true,
            },
            (DataType::Primitive(_), DataType::Type(_)) => false,
        }
    }

    /// How a data type is called.
    pub(crate) fn data_name(&self, of: DataType) -> Rc<str> {
        match of {
            DataType::Primitive(primitive) => primitive.name().into(),
            DataType::Type(ix) => self.get(ix).name.clone(),
            DataType::Unknown => "an unknown type".into(),
        }
    }

    /// What a data type of a file comes to: what its nearest ancestor is, and what it adds.
    pub(super) fn own_base(&self, ix: TypeIx, inherited: Option<&Base>, properties: &Props) -> Option<Base> {
        let own = self.get(ix);
        let name = own.node.some("derived_from");
        let root = name.and_then(|name| self.primitive(own.unit, name.as_name()?));
        let base = match (inherited, root) {
            (Some(base), _) => base.clone(),
            (None, Some(primitive)) => Base::Primitive(primitive),
            (None, None) => Base::Complex(Rc::default()),
        };
        let says_units =
            ["units", "canonical_unit", "prefixes", "data_type"].iter().any(|key| own.node.get(key).is_some());
        match base {
            Base::Complex(_) if says_units => {
                self.complain_of_units(ix, "only types that are derived from `scalar` have units");
                None
            }
            Base::Complex(_) => Some(Base::Complex(Rc::new(properties.clone()))),
            Base::Primitive(primitive) => {
                self.check_native(ix, primitive);
                if primitive == Primitive::Scalar {
                    return self.units(ix, None).map(|(units, of)| Base::Scalar(Rc::new(units), of));
                }
                if says_units {
                    self.complain_of_units(ix, "only types that are derived from `scalar` have units");
                    return None;
                }
                Some(base)
            }
            Base::Scalar(units, of) if says_units => {
                self.check_native(ix, Primitive::Scalar);
                self.units(ix, Some((&units, of))).map(|(units, of)| Base::Scalar(Rc::new(units), of))
            }
            Base::Scalar(units, of) => {
                self.check_native(ix, Primitive::Scalar);
                Some(Base::Scalar(units, of))
            }
        }
    }

    fn check_native(&self, ix: TypeIx, primitive: Primitive) {
        let own = self.get(ix);
        // JSON and XML texts have properties in nobody's templates; a text with some has no place for them.
        if let Some(entry) = own.node.entry("properties").filter(|entry| !entry.value.entries_of().is_empty()) {
            let message = format!("a type that is derived from `{}` has no properties", primitive.name());
            self.report().error(entry.key.place, "native_properties", message);
        }
    }

    fn complain_of_units(&self, ix: TypeIx, message: &str) {
        let own = self.get(ix);
        let place = own.node.entry("units").map_or(own.place, |entry| entry.key.place);
        self.report().error(place, "scalar", message.to_owned());
    }

    /// The units of a scalar type: section 9.2.1 of TOSCA 2.0.
    fn units(&self, ix: TypeIx, inherited: Option<(&Units, DataType)>) -> Option<(Units, DataType)> {
        let own = self.get(ix);
        let said = own.node.some("data_type");
        let of = match said {
            Some(said) => self.data_type(said),
            None => inherited.map_or(DataType::Primitive(Primitive::Float), |(_, of)| of),
        };
        let number = match said {
            None => inherited.map_or(Number::Float, |(units, _)| units.number),
            Some(_) if of == DataType::Unknown => return None,
            Some(node) => match self.root(of) {
                Some(Primitive::Integer) => Number::Integer,
                Some(Primitive::Float) => Number::Float,
                Some(_) | None => {
                    let message = format!(
                        "`data_type`: found {}, expected `integer`, `float` or what is derived from them",
                        node.said()
                    );
                    self.report().error(node.place, "scalar", message);
                    return None;
                }
            },
        };
        let mut units = inherited.map(|(units, _)| units.units.clone()).unwrap_or_default();
        for entry in own.node.entries("units") {
            let name: Rc<str> = entry.key.as_text().unwrap_or_default().into();
            units.insert(name, self.multiplier(&entry.value, number)?);
        }
        let mut prefixes = inherited.map(|(units, _)| units.prefixes.clone()).unwrap_or_default();
        for entry in own.node.entries("prefixes") {
            let name: Rc<str> = entry.key.as_text().unwrap_or_default().into();
            prefixes.insert(name, self.multiplier(&entry.value, number)?);
        }
        let complain = |place: Place, message: String| {
            self.report().error(place, "scalar", message);
        };
        if units.is_empty() {
            complain(own.place, format!("`{}` has no units", own.name));
            return None;
        }
        let ones: Vec<&Rc<str>> = units.iter().filter(|(_, of)| **of == 1.0).map(|(name, _)| name).collect();
        if let Some(canonical) = own.node.some("canonical_unit") {
            match units.get(canonical.as_text().unwrap_or_default()) {
                Some(1.0) => {}
                Some(of) => complain(canonical.place, format!("the canonical unit is 1 of itself, found {of}")),
                None => complain(canonical.place, format!("there is no unit {}", canonical.said())),
            }
        } else if inherited.is_none() {
            match ones.as_slice() {
                [_] => {}
                [] => {
                    complain(own.place, "one of the units has the multiplier 1: the others are told in it".to_owned())
                }
                _ => complain(
                    own.place,
                    "several units have the multiplier 1: `canonical_unit` says which is meant".to_owned(),
                ),
            }
        }
        if let Some(entry) = own.node.entry("prefixes").filter(|_| units.len() > 1) {
            complain(entry.key.place, "prefixes stand before the only unit: there are several".to_owned());
        }
        Some((Units { number, units, prefixes }, of))
    }

    fn multiplier(&self, node: &Node, number: Number) -> Option<f64> {
        let text = node.as_plain().unwrap_or_default();
        let of = integer(text).map(|whole| whole as f64).or_else(|| float(text));
        let message = match (of, number) {
            (Some(of), _) if of <= 0.0 || !of.is_finite() => format!("found {of}, expected a number above 0"),
            (Some(of), Number::Integer) if of >= 1.0 && of.fract() != 0.0 => {
                format!("found {of}, expected a whole number: the values are whole")
            }
            (Some(of), Number::Integer) if of < 1.0 => {
                format!("found {of}, expected a whole number: the values are whole")
            }
            (Some(of), Number::Integer | Number::Float) => return Some(of),
            (None, _) => format!("found {}, expected a number", node.said()),
        };
        self.report().error(node.place, "scalar", format!("a multiplier: {message}"));
        None
    }
}

impl Property {
    /// Does nothing say what it is?
    pub(crate) fn is_untyped(&self) -> bool {
        self.schema.of == DataType::Unknown
    }
}
