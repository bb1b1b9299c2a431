//! How a node takes its place in the flow: joins, items, locks, caches, undoing.
//!
//! Owns the reading of these options. Promises: what is given in a short form and in a long one means the same. Never
//! looks at other nodes or at edges: whether a number fits them is asked in `shape`.

use serde_json::Value;

use super::check::Check;
use super::complaints::Path;
use super::fields::{self, Field, Rule};
use super::json::{Json, Quoted};
use super::values::Zero;
use crate::expression::Expression;
use crate::reference::{self, Reference};
use crate::workflow::{Cache, Choice, Each, IfBusy, Join, Lock, Losers, Undo};

/// A `need` beyond this is a slip.
const MOST: u32 = 1_000_000;

/// `join` by count as it is read.
#[derive(Default)]
struct NeedDraft {
    need: Option<u32>,
    losers: Losers,
    given: Given,
}

/// Was there what must be there, right or wrong?
#[derive(Default, PartialEq)]
enum Given {
    #[default]
    No,
    Yes,
}

static NEED: &[Field<NeedDraft>] = &[
    Field {
        name: "need",
        rule: Rule::Read(|check, at, value, draft| {
            draft.given = Given::Yes;
            draft.need = check.whole(at, value, 1..=MOST);
        }),
    },
    Field {
        name: "cancel_losers",
        rule: Rule::Read(|check, at, value, draft| {
            let cancelled = check.flag(at, value).unwrap_or_default();
            draft.losers = if cancelled { Losers::Cancelled } else { Losers::GoOn };
        }),
    },
];

/// `all`, `any`, a number, or an object with `need`.
pub(super) fn join(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Join> {
    match value {
        Json::Number(_) => {
            let need = check.whole(at, value, 1..=MOST)?;
            Some(Join::Need { need, losers: Losers::GoOn })
        }
        Json::Object(object) => {
            let mut draft = NeedDraft::default();
            fields::read(check, NEED, "`join`", at, object, &mut draft);
            missing(check, &at.field("need"), &draft.given, "how many edges must have fired");
            draft.need.map(|need| Join::Need { need, losers: draft.losers })
        }
        value @ (Json::Text(_) | Json::Null | Json::Flag(_) | Json::Array(_)) => {
            check.word(at, value, "bad_join", &[("all", Join::All), ("any", Join::Any)])
        }
    }
}

fn missing(check: &mut Check<'_>, at: &Path<'_>, given: &Given, expected: &str) {
    if *given == Given::No {
        check.complaints.add("missing_field", at, "nothing", expected);
    }
}

#[derive(Default)]
struct EachDraft {
    items: Option<Value>,
    max_parallel: Option<u32>,
    need: Option<u32>,
    given: Given,
}

static EACH: &[Field<EachDraft>] = &[
    Field {
        name: "items",
        rule: Rule::Read(|check, at, value, draft| {
            draft.given = Given::Yes;
            match value {
                Json::Array(_) | Json::Text(_) => draft.items = Some(value.into_value()),
                Json::Null | Json::Flag(_) | Json::Number(_) | Json::Object(_) => {
                    check.wrong_type(at, &value, "an array, or a text that refers to one");
                }
            }
        }),
    },
    Field {
        name: "max_parallel",
        rule: Rule::Read(|check, at, value, draft| draft.max_parallel = check.whole(at, value, 1..=MOST)),
    },
    Field { name: "need", rule: Rule::Read(|check, at, value, draft| draft.need = check.whole(at, value, 1..=MOST)) },
];

/// An object with `items`.
pub(super) fn each(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Each> {
    let object = check.object(at, value, "an object with `items`")?;
    let mut draft = EachDraft::default();
    fields::read(check, EACH, "`each`", at, object, &mut draft);
    missing(check, &at.field("items"), &draft.given, "an array, or a text that refers to one");
    draft.items.map(|items| Each { items, max_parallel: draft.max_parallel, need: draft.need })
}

#[derive(Default)]
struct LockDraft {
    name: Option<String>,
    if_busy: IfBusy,
    given: Given,
}

static LOCK: &[Field<LockDraft>] = &[
    Field {
        name: "name",
        rule: Rule::Read(|check, at, value, draft| {
            draft.given = Given::Yes;
            draft.name = lock_name(check, at, value);
        }),
    },
    Field {
        name: "if_busy",
        rule: Rule::Read(|check, at, value, draft| {
            let words = [("wait", IfBusy::Wait), ("skip", IfBusy::Skip), ("fail", IfBusy::Fail)];
            draft.if_busy = check.word(at, value, "bad_value", &words).unwrap_or_default();
        }),
    },
];

/// A name, or an object with one.
pub(super) fn lock(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Lock> {
    match value {
        Json::Text(_) => lock_name(check, at, value).map(|name| Lock { name, if_busy: IfBusy::Wait }),
        value @ (Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            let object = check.object(at, value, "the name of a lock, or an object with `name` and `if_busy`")?;
            let mut draft = LockDraft::default();
            fields::read(check, LOCK, "`lock`", at, object, &mut draft);
            missing(check, &at.field("name"), &draft.given, "the name of a lock");
            draft.name.map(|name| Lock { name, if_busy: draft.if_busy })
        }
    }
}

fn lock_name(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<String> {
    let name = check.name(at, value)?;
    if name.is_empty() {
        check.complaints.add("bad_name", at, Quoted(&name), "the name of a lock");
    }
    Some(name).filter(|name| !name.is_empty())
}

static CACHE: &[Field<Cache>] = &[
    Field { name: "key", rule: Rule::Read(|check, at, value, cache| cache.key = check.text(at, value, "a string")) },
    Field {
        name: "ttl",
        rule: Rule::Read(|check, at, value, cache| cache.ttl = check.duration(at, value, Zero::Refused)),
    },
];

/// `true`, or an object of `key` and `ttl`; `false` is none.
pub(super) fn cache(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Cache> {
    match value {
        Json::Flag(wanted) => wanted.then(Cache::default),
        value @ (Json::Null | Json::Number(_) | Json::Text(_) | Json::Array(_) | Json::Object(_)) => {
            let object = check.object(at, value, "true, or an object of `key` and `ttl`")?;
            let mut cache = Cache::default();
            fields::read(check, CACHE, "`cache`", at, object, &mut cache);
            Some(cache)
        }
    }
}

#[derive(Default)]
struct UndoDraft {
    engine: Option<String>,
    artifact: Option<String>,
    args: Vec<String>,
    given: Given,
}

static UNDO: &[Field<UndoDraft>] = &[
    Field { name: "engine", rule: Rule::Read(|check, at, value, draft| draft.engine = check.name(at, value)) },
    Field {
        name: "artifact",
        rule: Rule::Read(|check, at, value, draft| {
            draft.given = Given::Yes;
            draft.artifact = check.job_text(at, value);
        }),
    },
    Field {
        name: "args",
        rule: Rule::Read(|check, at, value, draft| {
            for (index, arg) in check.array(at, value, "strings").unwrap_or_default().into_iter().enumerate() {
                draft.args.extend(check.job_text(&at.item(index), arg));
            }
        }),
    },
];

/// An artifact of the node's own engine, or an object with `artifact`.
pub(super) fn undo(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Undo> {
    match value {
        Json::Text(_) => {
            let artifact = check.job_text(at, value)?;
            Some(Undo { engine: None, artifact, args: Vec::new() })
        }
        value @ (Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            let object = check.object(at, value, "an artifact, or an object with `artifact`")?;
            let mut draft = UndoDraft::default();
            fields::read(check, UNDO, "`undo`", at, object, &mut draft);
            missing(check, &at.field("artifact"), &draft.given, "what takes back what the node did");
            let UndoDraft { engine, artifact, args, .. } = draft;
            artifact.map(|artifact| Undo { engine, artifact, args })
        }
    }
}

#[derive(Default)]
struct ChoiceDraft {
    when: Option<String>,
    label: Option<String>,
    when_given: Given,
    label_given: Given,
}

static CHOICE: &[Field<ChoiceDraft>] = &[
    Field {
        name: "when",
        rule: Rule::Read(|check, at, value, draft| {
            draft.when_given = Given::Yes;
            draft.when = check.text(at, value, "an expression").filter(|text| holds(check, at, text));
        }),
    },
    Field {
        name: "label",
        rule: Rule::Read(|check, at, value, draft| {
            draft.label_given = Given::Yes;
            draft.label = check.name(at, value).filter(|label| !label.is_empty());
            if draft.label.is_none() {
                check.complaints.add("bad_name", at, "no label", "the label that `chose:` edges look at");
            }
        }),
    },
];

/// What a `when` sees besides what every expression does.
const OWN: &[&str] = &["output", "outcome", "failure"];

/// The expression in a `when`: written alone, or as everywhere else.
pub fn condition(text: &str) -> &str {
    match reference::parse(text) {
        Ok(Some(Reference::Expression(inner))) => inner,
        Ok(_) | Err(_) => text,
    }
}

fn holds(check: &mut Check<'_>, at: &Path<'_>, text: &str) -> bool {
    let known: Vec<&str> = reference::CONTEXT.iter().chain(OWN).copied().collect();
    let read = Expression::parse(condition(text)).and_then(|expression| expression.reads_only(&known));
    if let Err(error) = &read {
        let expected = format_args!("an expression ({error})").to_string();
        check.complaints.add("bad_expression", at, Quoted(text), expected);
    }
    read.is_ok()
}

/// An array of objects with `when` and `label`.
pub(super) fn choose(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (index, item) in
        check.array(at, value, "objects with `when` and `label`").unwrap_or_default().into_iter().enumerate()
    {
        let at = at.item(index);
        let Some(object) = check.object(&at, item, "an object with `when` and `label`") else { continue };
        let mut draft = ChoiceDraft::default();
        fields::read(check, CHOICE, "a choice", &at, object, &mut draft);
        missing(check, &at.field("when"), &draft.when_given, "an expression");
        missing(check, &at.field("label"), &draft.label_given, "the label that `chose:` edges look at");
        choices.extend(draft.when.zip(draft.label).map(|(when, label)| Choice { when, label }));
    }
    choices
}
