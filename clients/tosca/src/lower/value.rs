//! Values in a document: what is known as it is, what will be had as references and expressions.
//!
//! Owns how a term is written. Promises that a literal is never taken for a reference; that an attribute is what the
//! latest step before has said of it, else what an earlier workflow said, else what the template says; and that where
//! nobody has said it the failure names it.

use std::fmt::Write as _;
use std::rc::Rc;

use super::json::quoted;
use super::said::{DERIVED, Said};
use super::{ATTRIBUTES, Saying, function};
use crate::plan::{DEPLOY, OperationKey, Plan, Slot, Survey, each_term};
use crate::term::{Attribute, Entity, Key, Term};

/// So many bytes an expression may have.
pub(super) const MOST: usize = 16 << 10;

/// So many attributes may be made of each other.
const DEEPEST: usize = 64;

/// What if a value cannot be had?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The step fails.
    Must,
    /// It is null then.
    Wanted,
}

/// What terms come to in a plan. A step is known by its number: what is calculated for it sees those before it.
pub(super) struct Values<'v, 's> {
    pub(super) survey: &'v Survey<'s>,
    pub(super) plan: &'v Plan,
    pub(super) said: &'v Said,
}

/// How an expression came to where it is being written.
struct Way {
    /// The attributes whose values it stands in.
    inside: Vec<Slot>,
    /// So many terms may follow: attributes that are made of others twice double with each.
    left: usize,
}

/// A text of which gorch makes nothing else.
pub(super) fn literal(text: &str) -> String {
    let is_word = ["get_attribute ", "get_input ", "get_item "].iter().any(|word| text.starts_with(word));
    let is_expression = text.strip_prefix("${").is_some_and(|rest| rest.starts_with(char::is_whitespace));
    if is_word || is_expression || text == "get_item" { format!("${{ {} }}", quoted(text)) } else { text.to_owned() }
}

impl Values<'_, '_> {
    /// As a text: of an argument, of a variable.
    pub(super) fn text(&self, term: &Term, before: usize) -> String {
        if let Term::Text(text) = term {
            literal(text)
        } else if term.is_known() {
            plain(term)
        } else {
            self.reference(term, before).unwrap_or_else(|| format!("${{ {} }}", self.expression(term, before)))
        }
    }

    /// As JSON, in which texts may be references.
    pub(super) fn json(&self, term: &Term, before: usize, need: Need, out: &mut String) {
        match term {
            Term::Text(text) => out.push_str(&quoted(&literal(text))),
            Term::Null | Term::Bool(_) | Term::Integer(_) | Term::Float(_) => out.push_str(&plain(term)),
            Term::List(items) => {
                let mut between = "[";
                for item in items {
                    out.push_str(between);
                    self.json(item, before, need, out);
                    between = ", ";
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Term::Map(entries) if entries.iter().all(|(key, _)| key.is_known()) => {
                let mut between = "{";
                for (key, value) in entries {
                    write!(out, "{between}{}: ", quoted(&plain(key))).expect("a text takes all that is written to it");
                    self.json(value, before, need, out);
                    between = ", ";
                }
                out.push_str(if entries.is_empty() { "{}" } else { "}" });
            }
            Term::Map(_) | Term::Attribute(_) | Term::OperationOutput { .. } | Term::Call(..) => {
                let reference = match need {
                    Need::Must => self.reference(term, before),
                    Need::Wanted => None,
                };
                let text = reference.unwrap_or_else(|| match need {
                    Need::Must => format!("${{ {} }}", self.expression(term, before)),
                    Need::Wanted => format!("${{ {} }}", wanted(&self.expression(term, before))),
                });
                out.push_str(&quoted(&text));
            }
        }
    }

    /// As a condition.
    pub(super) fn truth(&self, term: &Term, before: usize) -> String {
        function::truth(&self.expression(term, before))
    }

    /// The short form: of what one step says, if nothing stands in its place otherwise.
    fn reference(&self, term: &Term, before: usize) -> Option<String> {
        if &*self.plan.name != DEPLOY {
            return None;
        }
        let (step, output) = match term {
            Term::Attribute(attribute) if attribute.path.is_empty() => {
                let slot = Slot::from(attribute);
                if self.given(&slot).is_some() || DERIVED.contains(&&*slot.name) {
                    return None;
                }
                only(self.said.attribute(&slot, before).map(|(step, output)| (*step, output)))?
            }
            Term::OperationOutput { of, interface, operation, output } => {
                let key = OperationKey { of: *of, interface: interface.clone(), operation: operation.clone() };
                only(self.said.operations(&key, before).map(|step| (step, output)))?
            }
            Term::Attribute(_)
            | Term::Null
            | Term::Bool(_)
            | Term::Integer(_)
            | Term::Float(_)
            | Term::Text(_)
            | Term::List(_)
            | Term::Map(_)
            | Term::Call(..) => return None,
        };
        // The last colon is what separates the two.
        (!output.contains(':')).then(|| format!("get_attribute {}:{output}", self.plan.steps[step].name))
    }

    /// The expression that calculates a term.
    pub(super) fn expression(&self, term: &Term, before: usize) -> String {
        let mut way = Way { inside: Vec::new(), left: MOST };
        let expression = self.calculated(term, before, &mut way);
        // What was given up is as long as what is refused for its length.
        if way.left == 0 { " ".repeat(MOST) } else { expression }
    }

    fn calculated(&self, term: &Term, before: usize, way: &mut Way) -> String {
        if way.left == 0 || way.inside.len() > DEEPEST {
            way.left = 0;
            return String::new();
        }
        way.left -= 1;
        match term {
            Term::Integer(number) if *number < 0 => format!("({number})"),
            Term::Float(number) if *number < 0.0 => format!("({})", plain(term)),
            Term::Null | Term::Bool(_) | Term::Integer(_) | Term::Float(_) => plain(term),
            Term::Text(text) => quoted(text),
            Term::List(items) => format!("[{}]", self.several(items, before, way).join(", ")),
            Term::Map(entries) => {
                let entry = |(key, value): &(Term, Term)| {
                    let (key, value) = (self.calculated(key, before, way), self.calculated(value, before, way));
                    format!("({key} | tostring): ({value})")
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            Term::Attribute(attribute) => self.attribute(attribute, before, way),
            Term::OperationOutput { of, interface, operation, output } => {
                let key = OperationKey { of: *of, interface: interface.clone(), operation: operation.clone() };
                let mut found: Vec<String> =
                    self.said.operations(&key, before).map(|step| self.output(step, output)).collect();
                found.extend(self.of_earlier(*of, &format!("{interface}.{operation}.{output}")));
                let whose = self.survey.label(*of);
                first(found, failure(&format!("the operation `{operation}` of `{whose}` has not said `{output}`")))
            }
            Term::Call(function, arguments) => function::call(*function, &self.several(arguments, before, way)),
        }
    }

    fn several(&self, terms: &[Term], before: usize, way: &mut Way) -> Vec<String> {
        terms.iter().map(|term| self.calculated(term, before, way)).collect()
    }

    fn attribute(&self, attribute: &Attribute, before: usize, way: &mut Way) -> String {
        let slot = Slot::from(attribute);
        let mut found: Vec<String> =
            self.said.attribute(&slot, before).map(|(step, output)| self.output(*step, output)).collect();
        let derived = self.derived(&slot, before);
        if derived.is_none() || &*slot.name == "state" && self.state_before(&slot, before).is_none() {
            found.extend(self.of_earlier(slot.of, &key_of(&slot)));
        }
        let whose = self.survey.label(slot.of);
        let end = match (derived, self.given(&slot)) {
            (Some(derived), _) => quoted(&derived),
            (None, Some(_)) if way.inside.contains(&slot) => {
                failure(&format!("the attribute `{}` of `{whose}` is made of itself", slot.name))
            }
            (None, Some(term)) => {
                way.inside.push(slot);
                let given = self.calculated(term, before, way);
                way.inside.pop();
                given
            }
            (None, None) => failure(&format!("nobody has said the attribute `{}` of `{whose}`", slot.name)),
        };
        let value = first(found, end);
        if attribute.path.is_empty() { value } else { within(&value, &attribute.path) }
    }

    /// What the template says of an attribute: itself, or by a property of its name.
    fn given(&self, slot: &Slot) -> Option<&Term> {
        let service = self.survey.service;
        let (attributes, properties) = match (slot.of, &slot.capability) {
            (Entity::Node(node), None) => (&service.node(node).attributes, &service.node(node).properties),
            (Entity::Node(node), Some(capability)) => {
                let capability = service.node(node).capabilities.get(capability)?;
                (&capability.attributes, &capability.properties)
            }
            (Entity::Relation(relation), _) => {
                (&service.relation(relation).attributes, &service.relation(relation).properties)
            }
        };
        let assigned = attributes.get(&slot.name).and_then(Option::as_ref);
        assigned.or_else(|| properties.get(&slot.name)).filter(|term| **term != Term::Null)
    }

    /// What follows from the plan, or from the template.
    fn derived(&self, slot: &Slot, before: usize) -> Option<Rc<str>> {
        let (Entity::Node(node), None) = (slot.of, &slot.capability) else { return None };
        match &*slot.name {
            "state" => Some(
                self.state_before(slot, before)
                    .unwrap_or_else(|| if &*self.plan.name == DEPLOY { "initial".into() } else { "started".into() }),
            ),
            "tosca_id" | "tosca_name" => Some(self.survey.service.node(node).name.clone()),
            _ => None,
        }
    }

    fn state_before(&self, slot: &Slot, before: usize) -> Option<Rc<str>> {
        match slot.of {
            Entity::Node(node) => self.said.state(node, before).cloned(),
            Entity::Relation(_) => None,
        }
    }

    /// `.nodes["app:create"].output.url`
    fn output(&self, step: usize, output: &str) -> String {
        format!(".nodes[{}].output{}", quoted(&self.plan.steps[step].name), field(output))
    }

    /// What an earlier workflow said, of workflows that are not the first.
    fn of_earlier(&self, of: Entity, key: &str) -> Option<String> {
        let whose = self.survey.label(of);
        (&*self.plan.name != DEPLOY).then(|| format!(".inputs.{ATTRIBUTES}{}{}", field(whose), field(key)))
    }

    /// The attributes in a term that nothing sets: no step, nothing before it, not the template.
    pub(super) fn said_by_nobody(&self, term: &Term) -> Vec<Slot> {
        let end = self.plan.steps.len();
        let mut slots = Vec::new();
        each_term(term, &mut |term| {
            if let Term::Attribute(attribute) = term {
                let slot = Slot::from(attribute);
                let is_said = self.said.attribute(&slot, end).next().is_some()
                    || &*self.plan.name != DEPLOY
                    || self.given(&slot).is_some()
                    || self.derived(&slot, end).is_some();
                if !is_said && !slots.contains(&slot) {
                    slots.push(slot);
                }
            }
        });
        slots
    }

    /// All that the steps of the plan say, and that somebody may ask for later.
    pub(super) fn all_said(&self) -> Vec<Saying> {
        let end = self.plan.steps.len();
        let saying = |of: Entity, key: String, steps: Vec<(usize, Rc<str>)>| Saying {
            of: self.survey.label(of).to_owned(),
            key,
            said_by: steps.into_iter().map(|(step, output)| (self.plan.steps[step].name.clone(), output)).collect(),
        };
        let attributes = self.said.all_attributes().map(|slot| {
            let steps = self.said.attribute(slot, end).cloned().collect();
            saying(slot.of, key_of(slot), steps)
        });
        let outputs = self.survey.demand.outputs.iter().flat_map(|(key, outputs)| {
            outputs.iter().map(move |output| {
                let steps = self.said.operations(key, end).map(|step| (step, output.clone())).collect();
                saying(key.of, format!("{}.{}.{output}", key.interface, key.operation), steps)
            })
        });
        attributes.chain(outputs).filter(|saying| !saying.said_by.is_empty()).collect()
    }
}

impl Saying {
    /// The expression of what the latest of the nodes has said, or of null.
    pub(super) fn expression(&self) -> String {
        let said = |(node, output): &(String, Rc<str>)| format!(".nodes[{}].output{}", quoted(node), field(output));
        match self.said_by.iter().map(said).collect::<Vec<_>>().as_slice() {
            [one] => one.clone(),
            several => format!("first((({}) | values), null)", several.join(", ")),
        }
    }
}

/// How a later workflow knows an attribute.
fn key_of(slot: &Slot) -> String {
    match &slot.capability {
        None => slot.name.to_string(),
        Some(capability) => format!("{capability}.{}", slot.name),
    }
}

/// The way to a field: `.url`, where that cannot be read as anything else, or `["a:b"]`.
pub(super) fn field(name: &str) -> String {
    const WORDS: [&str; 18] = [
        "and", "as", "catch", "def", "elif", "else", "end", "false", "foreach", "if", "import", "include", "label",
        "null", "or", "reduce", "then", "try",
    ];
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name);
    if is_plain { format!(".{name}") } else { format!("[{}]", quoted(name)) }
}

/// The one of several, if it is only one.
fn only<T>(mut several: impl Iterator<Item = T>) -> Option<T> {
    let first = several.next()?;
    several.next().is_none().then_some(first)
}

/// The first that is not null, or what stands at the end.
fn first(mut found: Vec<String>, end: String) -> String {
    if found.is_empty() {
        return end;
    }
    found.push(end);
    format!("first(({}) | values)", found.join(", "))
}

/// A failure with these words.
fn failure(words: &str) -> String {
    format!("error({})", quoted(words))
}

/// What cannot be calculated is null.
fn wanted(expression: &str) -> String {
    format!("try ({expression}) catch null")
}

/// A part of a value. Most operations say texts, so what has parts is JSON in one.
fn within(value: &str, path: &[Key]) -> String {
    let steps: String = path
        .iter()
        .map(|key| match key {
            Key::Field(name) => format!("[{}]", quoted(name)),
            Key::Index(index) => format!("[{index}]"),
        })
        .collect();
    format!("({value} | if type == \"string\" then fromjson else . end | .{steps})")
}

/// What is known, as a text: a text as it is, all else as compact JSON.
fn plain(term: &Term) -> String {
    if let Term::Text(text) = term { text.to_string() } else { known(term) }
}

fn known(term: &Term) -> String {
    match term {
        Term::Null | Term::Attribute(_) | Term::OperationOutput { .. } | Term::Call(..) => "null".to_owned(),
        Term::Bool(truth) => truth.to_string(),
        Term::Integer(number) => number.to_string(),
        Term::Float(number) => serde_json::Value::from(*number).to_string(),
        Term::Text(text) => quoted(text),
        Term::List(items) => format!("[{}]", items.iter().map(known).collect::<Vec<_>>().join(",")),
        Term::Map(entries) => {
            let entry = |(key, value): &(Term, Term)| format!("{}:{}", quoted(&plain(key)), known(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
    }
}
