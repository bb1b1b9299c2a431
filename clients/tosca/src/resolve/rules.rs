//! The rules that values keep: constraints before 2.0, validations in it.

use super::values::function_of_another_version;
use super::{Resolver, Scope};
use crate::data::{Measure, Primitive};
use crate::function::{Call, Function, evaluate};
use crate::place::Place;
use crate::term::Term;
use crate::types::{Base, DataType, Schema};
use crate::version::Version;
use crate::yaml::{Entry, Node, Written};

/// The constraints of the versions before 2.0.
const CONSTRAINTS: &[&str] = &[
    "equal",
    "greater_than",
    "greater_or_equal",
    "less_than",
    "less_or_equal",
    "in_range",
    "valid_values",
    "length",
    "min_length",
    "max_length",
    "pattern",
    "schema",
];

impl Resolver<'_, '_> {
    /// Complains of each rule of a schema and of its type that a value does not keep.
    pub(super) fn keep_rules(&self, term: &Term, schema: &Schema, place: Place) {
        if !term.is_known() {
            return;
        }
        let of_type = match schema.of {
            DataType::Type(ix) => self.world.definition(ix).entries.clone(),
            DataType::Primitive(_) | DataType::Unknown => None,
        };
        let of_type = of_type.as_deref().map(|own| own.rules.as_slice()).unwrap_or_default();
        for rule in of_type.iter().chain(&schema.rules) {
            self.keep(term, schema.of, rule, place);
        }
    }

    fn keep(&self, term: &Term, of: DataType, rule: &Node, place: Place) {
        if self.world.version_at(rule.place).is_simple() {
            let entries = rule.as_list().map_or(rule.entries_of().iter().collect::<Vec<_>>(), |items| {
                items.iter().flat_map(Node::entries_of).collect()
            });
            for entry in entries {
                if self.holds(term, of, entry) == Some(false) {
                    self.broken(term, &format!("{}: {}", entry.key, entry.value), entry.key.place, place);
                }
            }
            return;
        }
        let scope = Scope { value: Some((term, of)), ..Scope::default() };
        match self.read(rule, None, scope) {
            Some(Term::Bool(false)) => self.broken(term, &rule.to_string(), rule.place, place),
            Some(said)
                if said.is_known() && !matches!(said, Term::Bool(_)) && Call::of(rule, Version::V2_0).is_some() =>
            {
                let said = crate::function::said(&said);
                let message = format!("`validation`: {rule} comes to {said}, expected `true` or `false`");
                self.world.report().error(rule.place, "wrong_type", message);
            }
            Some(_) | None => {}
        }
    }

    fn broken(&self, term: &Term, rule: &str, rule_place: Place, place: Place) {
        let message = format!("found {}, which breaks a rule: {rule}", crate::function::said(term));
        self.world.report().error(place, "rule", message).other(rule_place, "the rule stands here");
    }

    /// Does a value keep one constraint? Nothing where that cannot be known.
    pub(super) fn holds(&self, term: &Term, of: DataType, constraint: &Entry) -> Option<bool> {
        let name = constraint.key.as_text()?;
        if !term.is_known() || name == "schema" {
            return None;
        }
        let bound = |node: &Node| self.bound(node, of);
        let (function, arguments) = match name {
            "equal" => (Function::Equal, vec![term.clone(), bound(&constraint.value)?]),
            "greater_than" => (Function::GreaterThan, vec![term.clone(), bound(&constraint.value)?]),
            "greater_or_equal" => (Function::GreaterOrEqual, vec![term.clone(), bound(&constraint.value)?]),
            "less_than" => (Function::LessThan, vec![term.clone(), bound(&constraint.value)?]),
            "less_or_equal" => (Function::LessOrEqual, vec![term.clone(), bound(&constraint.value)?]),
            "in_range" => {
                let bounds: Option<Vec<Term>> =
                    constraint.value.as_list().filter(|ends| ends.len() == 2)?.iter().map(bound).collect();
                return self.is_in_range(term, of, &Term::List(bounds?), constraint);
            }
            "valid_values" => {
                let values: Option<Vec<Term>> = constraint.value.as_list()?.iter().map(bound).collect();
                (Function::ValidValues, vec![term.clone(), Term::List(values?)])
            }
            "pattern" if !matches!(term, Term::Text(_)) => {
                let message = format!("`pattern`: found {}, expected a text", crate::function::said(term));
                self.world.report().error(constraint.key.place, "function", message);
                return None;
            }
            "pattern" => (Function::Matches, vec![term.clone(), Term::text(constraint.value.as_text()?)]),
            "length" | "min_length" | "max_length" => {
                let length = self.calculate(
                    Function::Length,
                    std::slice::from_ref(term),
                    DataType::Unknown,
                    constraint.key.place,
                )?;
                let bound =
                    self.read_as(&constraint.value, DataType::Primitive(Primitive::Integer), Scope::default())?;
                let function = match name {
                    "length" => Function::Equal,
                    "min_length" => Function::GreaterOrEqual,
                    _ => Function::LessOrEqual,
                };
                (function, vec![length, bound])
            }
            _ => return None,
        };
        as_bool(self.calculate(function, &arguments, of, constraint.key.place)?)
    }

    /// A range is in another one if both of its ends are.
    fn is_in_range(&self, term: &Term, of: DataType, bounds: &Term, constraint: &Entry) -> Option<bool> {
        let one = |term: &Term| {
            let arguments = [term.clone(), bounds.clone()];
            as_bool(self.calculate(Function::InRange, &arguments, of, constraint.key.place)?)
        };
        let Term::List(ends) = term else { return one(term) };
        let known = ends.iter().filter(|end| !matches!(end, Term::Text(text) if &**text == "UNBOUNDED"));
        known.map(one).try_fold(true, |all, one| one.map(|one| all && one))
    }

    /// What a constraint compares with: read by the type of what it is about.
    fn bound(&self, node: &Node, of: DataType) -> Option<Term> {
        match self.world.base(of) {
            _ if node.as_text() == Some("UNBOUNDED") => Some(Term::text("UNBOUNDED")),
            Some(Base::Primitive(Primitive::Range)) if node.as_list().is_none() => {
                self.read_as(node, DataType::Primitive(Primitive::Integer), Scope::default())
            }
            // A number without a unit is one of the smallest.
            Some(Base::Primitive(Primitive::Unit(_)))
                if matches!(node.written(), Written::Integer(_) | Written::Float(_)) =>
            {
                self.read(node, None, Scope::default())
            }
            Some(Base::Primitive(primitive)) => self.read_as(node, DataType::Primitive(primitive), Scope::default()),
            Some(Base::Scalar(..) | Base::Complex(_)) | None => self.read(node, None, Scope::default()),
        }
    }

    /// A function over known values; complains where it cannot be calculated.
    pub(super) fn calculate(&self, function: Function, arguments: &[Term], of: DataType, place: Place) -> Option<Term> {
        let base = self.world.base(of);
        let by = match &base {
            Some(Base::Primitive(primitive)) => Measure::Of(*primitive),
            Some(Base::Scalar(units, _)) => Measure::Units(units),
            Some(Base::Complex(_)) | None => Measure::Plain,
        };
        match evaluate(function, arguments, by) {
            Ok(term) => Some(term),
            Err(message) => {
                self.world.report().error(place, "function", message);
                None
            }
        }
    }

    /// Complains of rules that say nothing, before any value comes.
    pub(super) fn check_rules(&self, schema: &Schema) {
        for rule in &schema.rules {
            if self.world.version_at(rule.place).is_simple() {
                self.check_constraints(rule);
            } else {
                self.check_validation(rule);
            }
        }
        for below in [&schema.key, &schema.entry].into_iter().flatten() {
            self.check_rules(below);
        }
    }

    fn check_constraints(&self, rule: &Node) {
        let entries: Vec<&Entry> = match rule.as_list() {
            Some(items) => items.iter().flat_map(Node::entries_of).collect(),
            None => rule.entries_of().iter().collect(),
        };
        if entries.is_empty() && !rule.is_null() && rule.as_list().is_none() {
            let message = format!("`constraints`: found {}, expected a list such as `- greater_than: 1`", rule.said());
            self.world.report().error(rule.place, "wrong_form", message);
        }
        for item in rule.as_list().unwrap_or_default().iter().filter(|item| item.entries_of().is_empty()) {
            let message = format!("found {}, expected a constraint such as `greater_than: 1`", item.said());
            self.world.report().error(item.place, "wrong_form", message);
        }
        for entry in entries {
            let name = entry.key.as_text().unwrap_or_default();
            let wants_list = matches!(name, "in_range" | "valid_values");
            self.check_constraint_name(&entry.key);
            if wants_list && entry.value.as_list().is_none_or(|items| name == "in_range" && items.len() != 2) {
                let expected = if name == "in_range" { "two bounds such as `[1, 10]`" } else { "a list of values" };
                let message = format!("`{name}`: found {}, expected {expected}", entry.value.said());
                self.world.report().error(entry.value.place, "wrong_form", message);
            }
            if let ("pattern", Some(pattern)) = (name, entry.value.as_text()) {
                self.calculate(
                    Function::Matches,
                    &[Term::text(""), Term::text(pattern)],
                    DataType::Unknown,
                    entry.key.place,
                );
            }
        }
    }

    /// Complains of a name that no constraint has.
    pub(super) fn check_constraint_name(&self, key: &Node) {
        let name = key.as_text().unwrap_or_default();
        if !CONSTRAINTS.contains(&name) {
            let message = format!("there is no constraint `{key}`");
            self.world.report().error(key.place, "unknown_constraint", message).near(name, CONSTRAINTS.iter().copied());
        }
    }

    /// A validation is a call that says true or false; here its functions are checked, without a value.
    fn check_validation(&self, rule: &Node) {
        let version = self.world.version_at(rule.place);
        if crate::function::Call::of(rule, version).is_none() {
            let message = format!(
                "`validation`: found {}, expected a function such as `$greater_than: [$value, 1]`",
                rule.said()
            );
            let mut report = self.world.report();
            let complaint = report.error(rule.place, "wrong_form", message);
            if let Some(hint) = function_of_another_version(rule, version) {
                complaint.hint(hint);
            }
            return;
        }
        self.read(rule, None, Scope::default());
    }
}

fn as_bool(term: Term) -> Option<bool> {
    if let Term::Bool(flag) = term { Some(flag) } else { None }
}
