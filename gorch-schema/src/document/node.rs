//! A node: its fields, its defaults.
//!
//! Owns the table of a node's fields. Promises: one row per field, every field of the specification is here, those of
//! later issues refused by name. Never looks at other nodes.

use std::time::Duration;

use super::check::{Check, Sound};
use super::complaints::Path;
use super::engines;
use super::fields::{self, Field, Rule};
use super::flow;
use super::json::{Json, Quoted};
use super::settings;
use super::values::Zero;
use crate::digest::Digest;
use crate::nearest::counted;
use crate::wait::Wait;
use crate::workflow::{Engine, Fencing, Node, OnLost, Retry};

/// A node while it is being read.
#[derive(Debug)]
struct Draft {
    id: GivenId,
    node: Node,
    engine: String,
    artifact: String,
    /// Were both read? If not, nobody asks whether they fit.
    work: Sound,
    on_lost: Option<OnLost>,
    settings: settings::Draft,
}

impl Draft {
    /// What was read, or the knowledge that it could not be.
    fn worked(&mut self, read: Option<String>) -> String {
        if read.is_none() {
            self.work = Sound::No;
        }
        read.unwrap_or_default()
    }
}

/// What the document says of a node's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenId {
    Missing,
    /// Complained about already.
    Wrong,
    Is(u64),
}

static NODE: &[Field<Draft>] = &[
    Field {
        name: "id",
        rule: Rule::Read(|check, at, value, draft| {
            draft.id = match &value {
                Json::Number(number) if number.is_u64() => number.as_u64().map_or(GivenId::Wrong, GivenId::Is),
                Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => {
                    check.complaints.add("bad_node_id", at, value, "a whole number from 0");
                    GivenId::Wrong
                }
            }
        }),
    },
    Field {
        name: "name",
        rule: Rule::Read(|check, at, value, draft| draft.node.name = check.name(at, value).unwrap_or_default()),
    },
    Field {
        name: "engine",
        rule: Rule::Read(|check, at, value, draft| draft.engine = draft.worked(check.text(at, value, "a string"))),
    },
    Field {
        name: "artifact",
        rule: Rule::Read(|check, at, value, draft| {
            let read = match value {
                // A document inside a document; whether the engine takes one is asked when it is known.
                Json::Object(_) => Some(value.into_value().to_string()),
                value @ (Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::Array(_)) => {
                    check.job_text(at, value)
                }
            };
            draft.artifact = draft.worked(read);
        }),
    },
    Field {
        name: "args",
        rule: Rule::Read(|check, at, value, draft| {
            for (index, arg) in check.array(at, value, "strings").unwrap_or_default().into_iter().enumerate() {
                draft.node.args.extend(check.job_text(&at.item(index), arg));
            }
        }),
    },
    Field { name: "output", rule: Rule::Read(outputs) },
    Field { name: "outputs", rule: Rule::Read(outputs) },
    Field {
        name: "target",
        rule: Rule::Read(|check, at, value, draft| {
            draft.node.target = check.name(at, value).filter(|target| !target.is_empty() && target != "self");
        }),
    },
    Field { name: "env", rule: Rule::Read(env) },
    Field { name: "input", rule: Rule::Read(|_, _, value, draft| draft.node.input = value.into_value()) },
    Field {
        name: "timeout",
        rule: Rule::Read(|check, at, value, draft| draft.node.timeout = check.duration(at, value, Zero::Refused)),
    },
    Field {
        name: "deadline",
        rule: Rule::Read(|check, at, value, draft| draft.node.deadline = check.duration(at, value, Zero::Refused)),
    },
    Field { name: "retry", rule: Rule::Read(|check, at, value, draft| draft.node.retry = retry(check, at, value)) },
    Field {
        name: "join",
        rule: Rule::Read(|check, at, value, draft| {
            draft.node.join = flow::join(check, at, value).unwrap_or(draft.node.join);
        }),
    },
    Field {
        name: "priority",
        rule: Rule::Read(|check, at, value, draft| {
            draft.node.priority = check.whole(at, value, 1..=5).and_then(|p| u8::try_from(p).ok()).unwrap_or(3);
        }),
    },
    Field {
        name: "requires",
        rule: Rule::Read(|check, at, value, draft| draft.node.requires = check.text_map(at, value)),
    },
    Field {
        name: "on_lost",
        rule: Rule::Read(|check, at, value, draft| {
            draft.on_lost = check.word(at, value, "bad_value", &[("retry", OnLost::Retry), ("fail", OnLost::Fail)]);
        }),
    },
    Field {
        name: "fence",
        rule: Rule::Read(|check, at, value, draft| {
            let words = [("keep", Fencing::Keep), ("kill", Fencing::Kill)];
            draft.node.fence = check.word(at, value, "bad_value", &words).unwrap_or_default();
        }),
    },
    Field {
        name: "idempotent",
        rule: Rule::Read(|check, at, value, draft| draft.node.idempotent = check.flag(at, value).unwrap_or_default()),
    },
    Field { name: "labels", rule: Rule::Read(|check, at, value, draft| draft.node.labels = check.text_map(at, value)) },
    Field { name: "files", rule: Rule::Read(|check, at, value, draft| draft.settings.files(check, at, value)) },
    Field { name: "artifacts", rule: Rule::Read(|check, at, value, draft| draft.settings.artifacts(check, at, value)) },
    Field { name: "method", rule: Rule::Read(|check, at, value, draft| draft.settings.method(check, at, value)) },
    Field { name: "headers", rule: Rule::Read(|check, at, value, draft| draft.settings.headers(check, at, value)) },
    Field { name: "expect", rule: Rule::Read(|check, at, value, draft| draft.settings.expect(check, at, value)) },
    Field { name: "secrets", rule: Rule::Read(|check, at, value, draft| draft.settings.secrets(check, at, value)) },
    Field { name: "limits", rule: Rule::Read(|check, at, value, draft| draft.settings.limits(check, at, value)) },
    Field { name: "network", rule: Rule::Read(|check, at, value, draft| draft.settings.network(check, at, value)) },
    Field { name: "writable", rule: Rule::Read(|check, at, value, draft| draft.settings.writable(check, at, value)) },
    Field { name: "serve", rule: Rule::Read(|check, at, value, draft| draft.settings.serve(check, at, value)) },
    Field { name: "inventory", rule: Rule::Read(|check, at, value, draft| draft.settings.inventory(check, at, value)) },
    Field { name: "limit", rule: Rule::Read(|check, at, value, draft| draft.settings.limit(check, at, value)) },
    Field { name: "check", rule: Rule::Read(|check, at, value, draft| draft.settings.check(check, at, value)) },
    Field { name: "heartbeat", rule: Rule::Read(|check, at, value, draft| draft.settings.heartbeat(check, at, value)) },
    Field { name: "state", rule: Rule::Ignored },
    Field { name: "graph_id", rule: Rule::Ignored },
    Field {
        name: "each",
        rule: Rule::Read(|check, at, value, draft| draft.node.each = flow::each(check, at, value).map(Box::new)),
    },
    Field {
        name: "lock",
        rule: Rule::Read(|check, at, value, draft| draft.node.lock = flow::lock(check, at, value).map(Box::new)),
    },
    Field {
        name: "cache",
        rule: Rule::Read(|check, at, value, draft| draft.node.cache = flow::cache(check, at, value).map(Box::new)),
    },
    Field {
        name: "undo",
        rule: Rule::Read(|check, at, value, draft| draft.node.undo = flow::undo(check, at, value).map(Box::new)),
    },
    Field {
        name: "detached",
        rule: Rule::Read(|check, at, value, draft| draft.node.detached = check.flag(at, value).unwrap_or_default()),
    },
    Field {
        name: "choose",
        rule: Rule::Read(|check, at, value, draft| draft.node.choose = flow::choose(check, at, value)),
    },
];

/// Reads one node; complaints are collected, what is wrong is read as absent. A missing name is empty.
pub(super) fn read(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> (GivenId, Node) {
    let mut draft = Draft {
        id: GivenId::Missing,
        node: Node::nil(String::new()),
        engine: String::new(),
        artifact: String::new(),
        work: Sound::Yes,
        on_lost: None,
        settings: settings::Draft::default(),
    };
    let Some(object) = check.object(at, value, "a node: an object") else {
        return (GivenId::Wrong, draft.node);
    };
    fields::read(check, NODE, "a node", at, object, &mut draft);
    if draft.work == Sound::Yes {
        draft.node.engine = engines::settle(check, at, &draft.engine, &draft.artifact);
        engines::check_target(check, at, &draft.node.engine, draft.node.target.as_deref());
        draft.node.settings = draft.settings.settle(check, at, &draft.node.engine);
    }
    draft.node.artifact = std::mem::take(&mut draft.artifact);
    let default = if draft.node.idempotent { OnLost::Retry } else { OnLost::Fail };
    draft.node.on_lost = draft.on_lost.unwrap_or(default);
    check_args(check, at, &draft.node);
    check_flow(check, at, &draft.node);
    settings::check_secrets(check, at, &draft.node);
    settings::check_limit(check, at, &draft.node);
    settings::check_files(check, at, &draft.node);
    if let Some(method) = draft.node.settings.as_ref().and_then(|settings| settings.method.as_deref())
        && matches!(method, "GET" | "HEAD")
        && !draft.node.input.is_null()
    {
        let found = format_args!("`{method}` with an input").to_string();
        check.complaints.add("bad_value", &at.field("method"), found, "a method whose request has a body, or no input");
    }
    (draft.id, draft.node)
}

/// The engines that gorch runs itself say what their arguments mean.
fn check_args(check: &mut Check<'_>, node: &Path<'_>, read: &Node) {
    let at = node.field("args");
    let (most, expected) = match read.engine {
        Engine::Driver(_) => return,
        Engine::Nil | Engine::Approval | Engine::Gorch if read.args.is_empty() => return,
        Engine::Nil | Engine::Approval | Engine::Gorch => {
            let found = counted(read.args.len() as u64, "argument");
            let expected = format_args!("none: the engine `{}` does nothing with them", read.engine.name()).to_string();
            return check.warnings.add("bad_value", &at, found, expected);
        }
        Engine::Signal => {
            if read.args.is_empty() && read.each.is_none() {
                check.complaints.add("missing_field", &at, "nothing", "the names of the signals that it waits for");
            }
            for (index, name) in read.args.iter().enumerate() {
                check.check_signal(&at.item(index), name);
            }
            return;
        }
        Engine::Fail => (2, "a code and a message at most"),
        Engine::Sleep => (1, "one duration, or `until` and an instant"),
    };
    if read.args.len() > most {
        check.complaints.add("bad_value", &at, counted(read.args.len() as u64, "argument"), expected);
    }
    if let (Engine::Sleep, [wait]) = (&read.engine, read.args.as_slice())
        && wait.parse::<Wait>().is_err()
    {
        let expected = "how long to sleep, such as \"1.5s\", or until when: \"until 2030-01-31T09:00:00Z\", \"until 09:00 Europe/Berlin\"";
        check.complaints.add("bad_duration", &at.item(0), Quoted(wait), expected);
    }
}

/// Options that only some engines honour.
fn check_flow(check: &mut Check<'_>, node: &Path<'_>, read: &Node) {
    let name = read.engine.name();
    let mut refuse = |field: &str, found: &str, expected: String| {
        check.complaints.add("engine_and_artifact", &node.field(field), format_args!("{found}").to_string(), expected);
    };
    if read.detached && read.engine != Engine::Gorch {
        let found = format!("`detached` with the engine `{name}`");
        refuse("detached", &found, "no `detached`: only the engine `gorch` knows it".to_owned());
    }
    match read.engine {
        Engine::Driver(_) | Engine::Gorch => {}
        Engine::Nil | Engine::Fail | Engine::Sleep | Engine::Approval | Engine::Signal => {
            if read.cache.is_some() {
                let found = format!("`cache` with the engine `{name}`");
                refuse("cache", &found, format!("no `cache`: the engine `{name}` has nothing to save"));
            }
        }
    }
    if let Some(cache) = read.cache.as_deref()
        && cache.key.is_none()
        && !read.artifact.starts_with("#!")
        && Digest::of_artifact(&read.artifact).is_none()
        && matches!(read.engine, Engine::Driver(_))
    {
        let expected = "a `key`: what the artifact does may change, unless it is inline or `sha256:`".to_owned();
        refuse("cache", "no `key`", expected);
    }
    if read.engine == Engine::Gorch && read.cache.is_some() && read.lock.is_some() {
        let expected = "`cache` or `lock`: a run whose results are known holds no lock".to_owned();
        refuse("cache", "`cache` and `lock`", expected);
    }
    if let Some(engine) = read.undo.as_deref().and_then(|undo| undo.engine.as_deref()) {
        engines::is_known(check, &node.field("undo").field("engine"), engine);
    }
}

fn outputs(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>, draft: &mut Draft) {
    let outputs = check.value_map(at, value);
    if !draft.node.outputs.is_empty() && !outputs.is_empty() {
        check.complaints.add("duplicate_key", at, "`output` and `outputs`", "one of them");
    }
    draft.node.outputs.extend(outputs);
}

fn env(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>, draft: &mut Draft) {
    draft.node.env = check.text_map(at, value);
    for name in draft.node.env.keys().filter(|name| name.contains('=')) {
        check.complaints.add("bad_name", &at.field(name), Quoted(name), "the name of a variable, without `=`");
    }
}

/// `retry` as it is read: what is required may be missing.
struct RetryDraft {
    max_attempts: Option<u32>,
    /// Was there a `max_attempts`, right or wrong?
    given: Given,
    retry: Retry,
}

#[derive(PartialEq)]
enum Given {
    No,
    Yes,
}

static RETRY: &[Field<RetryDraft>] = &[
    Field {
        name: "max_attempts",
        rule: Rule::Read(|check, at, value, draft| {
            draft.given = Given::Yes;
            draft.max_attempts = check.whole(at, value, 1..=1000);
        }),
    },
    Field {
        name: "delay",
        rule: Rule::Read(|check, at, value, draft| {
            draft.retry.delay = check.duration(at, value, Zero::Allowed).unwrap_or_default();
        }),
    },
    Field {
        name: "multiplier",
        rule: Rule::Read(|check, at, value, draft| {
            draft.retry.multiplier = check.number(at, value, 1.0..=1000.0, "a number from 1 to 1000").unwrap_or(1.0);
        }),
    },
    Field {
        name: "max_delay",
        rule: Rule::Read(|check, at, value, draft| {
            draft.retry.max_delay = check.duration(at, value, Zero::Allowed).unwrap_or_default();
        }),
    },
    Field {
        name: "jitter",
        rule: Rule::Read(|check, at, value, draft| {
            draft.retry.jitter = if let Json::Flag(all) = value {
                f64::from(u8::from(all))
            } else {
                check.number(at, value, 0.0..=1.0, "a number from 0 to 1, or true or false").unwrap_or(0.0)
            };
        }),
    },
    Field {
        name: "on",
        rule: Rule::Read(|check, at, value, draft| {
            for (index, glob) in check.array(at, value, "code globs").unwrap_or_default().into_iter().enumerate() {
                let at = at.item(index);
                if let Some(text) = check.text(&at, glob, "a glob over failure codes") {
                    draft.retry.on.extend(check.glob(&at, &text, "bad_value"));
                }
            }
        }),
    },
];

fn retry(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> Option<Retry> {
    let object = check.object(at, value, "an object with `max_attempts`")?;
    let mut draft = RetryDraft {
        max_attempts: None,
        given: Given::No,
        retry: Retry {
            max_attempts: 1,
            delay: Duration::from_secs(1),
            multiplier: 2.0,
            max_delay: Duration::from_mins(5),
            jitter: 0.0,
            on: Vec::new(),
        },
    };
    fields::read(check, RETRY, "`retry`", at, object, &mut draft);
    if draft.given == Given::No {
        check.complaints.add("missing_field", &at.field("max_attempts"), "nothing", "a whole number from 1 to 1000");
    }
    draft.max_attempts.map(|max_attempts| Retry { max_attempts, ..draft.retry })
}
