//! Settings of drivers in a document: how each is read, and which engine knows it.
//!
//! Owns one row per setting. Promises that a setting is refused where the node's engine does not know it. Never
//! decides whether an executor allows it.

use std::collections::BTreeMap;

use super::check::Check;
use super::complaints::Path;
use super::engines::{self, Engines};
use super::fields::{self, Field, Rule};
use super::json::{Json, Quoted};
use super::values::Zero;
use crate::digest::Digest;
use crate::files::{FilePath, Files, MOST, NoFiles};
use crate::nearest::counted;
use crate::progress::TELLING;
use crate::secret::Secret;
use crate::settings::{Bytes, Limits, Settings, Statuses, is_limit, left_pattern};
use crate::workflow::{Engine, Node};

/// Settings while they are being read, and the names of those that were given.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) settings: Settings,
    given: Vec<&'static str>,
}

/// A setting and the engines that know it.
static KNOWN: &[(&str, &[&str])] = &[
    ("secrets", &["ansible", "docker", "http", "shell", "ssh", "toscassh"]),
    ("files", &["ansible", "shell", "ssh", "toscassh"]),
    ("artifacts", &["docker", "shell"]),
    ("method", &["http"]),
    ("headers", &["http"]),
    ("expect", &["http"]),
    ("limits", &["docker", "shell"]),
    ("heartbeat", TELLING),
    ("network", &["docker"]),
    ("writable", &["docker"]),
    ("serve", &["docker"]),
    ("inventory", &["ansible"]),
    ("limit", &["ansible"]),
    ("check", &["ansible"]),
];

/// Less memory than this no container is started with.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

static LIMITS: &[Field<Limits>] = &[
    Field {
        name: "memory",
        rule: Rule::Read(|check, at, value, limits| {
            let read = match &value {
                Json::Number(number) => number.as_u64().map(Bytes),
                Json::Text(text) => text.parse().ok(),
                Json::Null | Json::Flag(_) | Json::Array(_) | Json::Object(_) => None,
            };
            limits.memory = read.filter(|bytes| (LEAST_MEMORY..=i64::MAX as u64).contains(&bytes.0));
            if limits.memory.is_none() {
                check.complaints.add(
                    "bad_value",
                    at,
                    value,
                    "bytes, 6 MiB at least: 268435456, \"256m\" or \"256MiB\"",
                );
            }
        }),
    },
    Field {
        name: "cpus",
        rule: Rule::Read(|check, at, value, limits| {
            limits.cpus = check.number(at, value, 0.01..=1024.0, "a number of processors from 0.01 to 1024");
        }),
    },
    Field {
        name: "pids",
        rule: Rule::Read(|check, at, value, limits| limits.pids = check.whole(at, value, 1..=4_194_304)),
    },
];

/// Methods that the driver `http` sends.
const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
    ("OPTIONS", "OPTIONS"),
];

impl Draft {
    pub(super) fn method(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("method");
        self.settings.method = check.word(at, value, "bad_value", METHODS).map(str::to_owned);
    }

    pub(super) fn files(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("files");
        let mut files = BTreeMap::new();
        for (path, content) in check.text_map(at, value) {
            let at = at.field(&path);
            let content = engines::content(check, &at, &content);
            match path.parse::<FilePath>() {
                Ok(path) => files.extend(content.map(|digest| (path, digest))),
                Err(_) => check.complaints.add("bad_name", &at, Quoted(&path), FilePath::EXPECTED),
            }
        }
        match Files::try_from(files) {
            Ok(files) => self.settings.files = files,
            Err(NoFiles::TooMany(count)) => {
                let expected = format_args!("{MOST} files at most: more belong into an archive").to_string();
                check.complaints.add("bad_value", at, counted(count as u64, "file"), expected);
            }
            Err(NoFiles::Both(paths)) => {
                for path in &paths {
                    let found = "a file that is a folder of others, too";
                    check.complaints.add("bad_name", &at.field(path.as_str()), found, "a file or a folder");
                }
            }
        }
    }

    pub(super) fn artifacts(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("artifacts");
        for (name, pattern) in check.text_map(at, value) {
            if left_pattern(&pattern).is_none() {
                let expected = "a pattern for files below the work folder, such as `out/*.html`";
                check.complaints.add("bad_value", &at.field(&name), Quoted(&pattern), expected);
            }
            self.settings.artifacts.insert(name, pattern);
        }
    }

    pub(super) fn secrets(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("secrets");
        let Some(object) = check.object(at, value, "an object: references to secrets by variables") else { return };
        for (name, value) in object {
            let at = at.field(&name);
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word) {
                check.complaints.add("bad_name", &at, Quoted(&name), "the name of a variable, such as `DB_PASSWORD`");
                continue;
            }
            if name.starts_with("GORCH_") {
                check.complaints.add("bad_name", &at, Quoted(&name), "another name: `GORCH_` is for gorch's own");
                continue;
            }
            let read = match &value {
                Json::Text(text) => text.parse().ok().map(Secret::Variable),
                Json::Object(fields) => match fields.as_slice() {
                    [(key, Json::Text(text))] if key == "file" => text.parse().ok().map(|file| Secret::File { file }),
                    _ => None,
                },
                Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) => None,
            };
            match read {
                Some(secret) => {
                    self.settings.secrets.insert(name.to_string(), secret);
                }
                // What stands there instead may be a secret itself.
                None => {
                    let expected = "`secret://NAMESPACE/NAME`, or an object with that as `file`";
                    check.complaints.add("bad_value", &at, "something else", expected);
                }
            }
        }
    }

    pub(super) fn headers(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("headers");
        self.settings.headers = headers(check, at, value);
    }

    pub(super) fn expect(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("expect");
        let items = match value {
            Json::Array(items) => items,
            one @ (Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::Object(_)) => vec![one],
        };
        for (index, item) in items.into_iter().enumerate() {
            let read = match &item {
                Json::Number(number) => number.to_string().parse::<Statuses>().ok(),
                Json::Text(text) => text.parse().ok(),
                Json::Null | Json::Flag(_) | Json::Array(_) | Json::Object(_) => None,
            };
            if read.is_none() {
                let expected = "a status of HTTP: 204, \"200-204\" or \"2xx\"";
                check.complaints.add("bad_value", &at.item(index), item, expected);
            }
            self.settings.expect.extend(read);
        }
    }

    pub(super) fn limits(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("limits");
        let Some(object) = check.object(at, value, "an object of `memory`, `cpus` and `pids`") else { return };
        let mut limits = Limits::default();
        fields::read(check, LIMITS, "`limits`", at, object, &mut limits);
        self.settings.limits = Some(limits).filter(|limits| *limits != Limits::default());
    }

    pub(super) fn heartbeat(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("heartbeat");
        self.settings.heartbeat = check.duration(at, value, Zero::Refused);
    }

    pub(super) fn network(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("network");
        // `none` is what a container has that asks for nothing.
        self.settings.network = check.name(at, value).filter(|name| !name.is_empty() && name != "none");
    }

    pub(super) fn writable(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("writable");
        self.settings.writable = check.flag(at, value).unwrap_or_default();
    }

    pub(super) fn serve(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("serve");
        self.settings.serve = check.whole(at, value, 1..=65_535).and_then(|port| u16::try_from(port).ok());
    }

    pub(super) fn inventory(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("inventory");
        let is_given = match &value {
            Json::Text(text) => !text.trim().is_empty() && !text.contains('\0'),
            Json::Object(fields) => !fields.is_empty(),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) => false,
        };
        if is_given {
            self.settings.inventory = value.into_value();
        } else {
            let expected = "an inventory: its text, a path on the executor, or an object";
            check.complaints.add("bad_value", at, value, expected);
        }
    }

    pub(super) fn limit(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("limit");
        self.settings.limit = check.name(at, value).filter(|limit| {
            if !is_limit(limit) {
                check.complaints.add("bad_value", at, Quoted(limit), "a pattern of hosts, such as `web:!web3`");
            }
            is_limit(limit)
        });
    }

    pub(super) fn check(&mut self, check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) {
        self.given.push("check");
        self.settings.check = check.flag(at, value).unwrap_or_default();
    }

    /// The settings, if there are any; complains about those of other engines.
    pub(super) fn settle(self, check: &mut Check<'_>, node: &Path<'_>, engine: &Engine) -> Option<Box<Settings>> {
        for name in self.given {
            let knows = KNOWN.iter().find(|(setting, _)| *setting == name).map_or(&[][..], |(_, engines)| engines);
            if !knows.contains(&engine.name()) {
                let expected = match knows {
                    [one] => format_args!("no `{name}`: only the engine `{one}` knows it").to_string(),
                    some => format_args!("no `{name}`: only the engines `{}` know it", some.join("`, `")).to_string(),
                };
                let found = format_args!("`{name}` with the engine `{}`", engine.name()).to_string();
                check.complaints.add("engine_and_artifact", &node.field(name), found, expected);
            }
        }
        Some(Box::new(self.settings)).filter(|settings| !settings.is_empty())
    }
}

/// A variable has one value.
pub(super) fn check_secrets(check: &mut Check<'_>, node: &Path<'_>, read: &Node) {
    let Some(settings) = read.settings.as_deref() else { return };
    for name in settings.secrets.keys().filter(|name| read.env.contains_key(*name)) {
        let expected = "a variable in `env` or in `secrets`, not in both";
        check.complaints.add("duplicate_key", &node.field("secrets").field(name), Quoted(name), expected);
    }
}

/// A playbook never runs on whatever there is: somebody says where.
pub(super) fn check_limit(check: &mut Check<'_>, node: &Path<'_>, read: &Node) {
    // What was accepted once is not looked at again.
    if read.engine.name() != "ansible" || *check.engines == Engines::Any {
        return;
    }
    let settings = read.settings.as_deref();
    let has_inventory = settings.is_some_and(|settings| !settings.inventory.is_null());
    let limit = settings.and_then(|settings| settings.limit.as_deref());
    match (limit, read.target.as_deref()) {
        (Some(limit), _) if !has_inventory => {
            let expected = "no `limit` without an `inventory`: the limit is the `target` then";
            check.complaints.add("bad_value", &node.field("limit"), Quoted(limit), expected);
        }
        (Some(_), _) => {}
        (None, Some(target)) if is_limit(target) => {}
        (None, found) => {
            let (field, expected) = match has_inventory {
                true => ("limit", "a `limit`, or a `target`: a playbook runs on hosts that are named"),
                false => {
                    ("target", "a host or a group of an executor's hosts file: a playbook runs on hosts that are named")
                }
            };
            match found {
                Some(target) => check.complaints.add("bad_value", &node.field("target"), Quoted(target), expected),
                None => check.complaints.add("missing_field", &node.field(field), "nothing", expected),
            }
        }
    }
}

/// Files stand beside a playbook: one of an executor's own work folder has its own beside it.
pub(super) fn check_files(check: &mut Check<'_>, node: &Path<'_>, read: &Node) {
    let has_files = read.settings.as_deref().is_some_and(|settings| !settings.files.is_empty());
    if read.engine.name() != "ansible" || !has_files || *check.engines == Engines::Any {
        return;
    }
    let undo = node.field("undo");
    let taken_back = read.undo.as_deref().filter(|undo| undo.engine.is_none()).map(|of| (&undo, &of.artifact));
    for (of, artifact) in [(node, &read.artifact)].into_iter().chain(taken_back) {
        if !artifact.contains('\n') && Digest::of_artifact(artifact).is_none() {
            let expected = "a playbook that travels, `sha256:` or inline: `files` are put beside it";
            check.complaints.add("engine_and_artifact", &of.field("artifact"), Quoted(artifact), expected);
        }
    }
}

/// Names of headers are tokens and have one case; values hold no line breaks.
fn headers(check: &mut Check<'_>, at: &Path<'_>, value: Json<'_>) -> BTreeMap<String, String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let mut read = BTreeMap::new();
    for (name, text) in check.text_map(at, value) {
        let at = at.field(&name);
        if !name.bytes().all(token) {
            check.complaints.add("bad_name", &at, Quoted(&name), "the name of a header, such as `Accept`");
        } else if text.chars().any(|c| c.is_control() && c != '\t') {
            check.complaints.add("bad_value", &at, Quoted(&text), "a header's value: one line");
        } else if read.insert(name.to_ascii_lowercase(), text).is_some() {
            check.complaints.add("duplicate_key", &at, "a second value", "each header once, in whatever case");
        }
    }
    read
}
