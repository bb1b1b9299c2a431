//! What `ansible-playbook` is given: files, arguments, environment.
//!
//! Owns the folder of an attempt (playbook, extra vars, inventory, our plug-in and its pipe) and the limit. Promises
//! that values of extra vars never stand on a command line, and that no settings of ansible count but those of the
//! node and of the work folder. Never starts anything.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use gorch_schema::settings::is_limit;
use gorch_schema::work::Work;
use gorch_schema::{FilePath, Files, failure_code};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::{Map, Value, json};
use tokio::net::unix::pipe;

use super::super::Settings;
use super::super::local::write_new;
use super::super::{environment, fetch, files};
use super::inventory;
use crate::ledger::Place;

/// Our plug-in.
const PLUGIN: &str = include_str!("gorch_progress.py");

/// The longest path below which ssh can make its sockets: a path of a socket has at most 107 bytes, and ssh adds a name
/// and, for a moment, an ending of its own.
const LONGEST_SOCKETS: usize = 107 - 1 - 10 - 17;

/// Why there is nothing to run. The texts are what the run's owner reads.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the argument `{found}` is no extra var (expected `name=value`)")]
    NoPair { found: String },
    #[error("the input is {found}, expected an object of extra vars")]
    Input { found: &'static str },
    #[error(
        "no limit: a playbook runs on hosts that are named (expected a `target`, or a `limit` with an `inventory`)"
    )]
    NoLimit,
    #[error("`{found}` is no limit (expected a pattern of hosts, such as `web:!web3`)")]
    Limit { found: String },
    #[error("`{found}` is no host and no group of this executor's hosts file ({known})")]
    Unknown { found: String, known: String },
    #[error("the inventory `{path}` was not found in the work folder `{workdir}`")]
    NoInventory { path: String, workdir: PathBuf },
    #[error("{what} is refused where this executor's `playbook` lists playbooks")]
    Listed { what: String },
    #[error(
        "the playbook `{path}` is one of this executor, and `files` are put beside playbooks that travel (expected \
         `sha256:`, or the playbook itself)"
    )]
    HasFiles { path: String },
    #[error("the playbook `{path}` was not found in the work folder `{workdir}`")]
    NoPlaybook { path: String, workdir: PathBuf },
    #[error("the job's files cannot be made")]
    Files(#[from] io::Error),
}

impl Error {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Error::NoPair { .. }
            | Error::Input { .. }
            | Error::Listed { .. }
            | Error::HasFiles { .. }
            | Error::NoLimit
            | Error::Limit { .. } => failure_code::REFUSED,
            Error::Unknown { .. } => failure_code::REFUSED,
            Error::NoInventory { .. } | Error::NoPlaybook { .. } => failure_code::PLAYBOOK_FAILED,
            Error::Files(_) => failure_code::SPAWN_FAILED,
        }
    }
}

/// What the work says, checked.
pub(super) struct Terms {
    limit: String,
    vars: Map<String, Value>,
    inventory: Inventory,
}

enum Inventory {
    /// A file or folder of the executor.
    At(PathBuf),
    /// To be written.
    Text(String),
}

impl Terms {
    pub(super) fn of(work: &Work, settings: &Settings) -> Result<Self, Error> {
        let given = &work.settings.inventory;
        let limit = match (&work.settings.limit, &work.target) {
            (Some(limit), _) if !given.is_null() => limit,
            (_, Some(target)) => target,
            (_, None) => return Err(Error::NoLimit),
        };
        if !is_limit(limit) {
            return Err(Error::Limit { found: limit.escape_debug().to_string() });
        }
        let inventory = match given {
            Value::Null => {
                let hosts = &settings.hosts;
                if !hosts.is_host_or_group(limit) {
                    let known: Vec<&str> = hosts.names().chain(hosts.groups()).collect();
                    let known = match known.as_slice() {
                        [] => "there is none".to_owned(),
                        some => format!("known: {}", some.join(", ")),
                    };
                    return Err(Error::Unknown { found: limit.clone(), known });
                }
                Inventory::Text(inventory::of(hosts).to_string())
            }
            Value::String(text) if text.contains('\n') => Inventory::Text(text.clone()),
            Value::String(path) => {
                let at = fetch::below(&settings.workdir, path).unwrap_or_default();
                // A comma would make it a list of hosts.
                if !at.exists() || at.as_os_str().as_encoded_bytes().contains(&b',') {
                    return Err(Error::NoInventory { path: path.clone(), workdir: settings.workdir.clone() });
                }
                Inventory::At(at)
            }
            Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
                Inventory::Text(given.to_string())
            }
        };
        // One elsewhere is there only for those whose list names it.
        let is_listed = || !settings.playbooks.is_empty() && settings.workdir.join(&work.artifact).is_file();
        let is_here = || fetch::below(&settings.workdir, &work.artifact).is_some_and(|path| path.is_file());
        if !is_brought(work) && !is_listed() && !is_here() {
            return Err(Error::NoPlaybook { path: work.artifact.clone(), workdir: settings.workdir.clone() });
        }
        Ok(Terms { limit: limit.clone(), vars: vars(work)?, inventory })
    }
}

/// The arguments over the input. Values of arguments are texts, whatever they look like.
fn vars(work: &Work) -> Result<Map<String, Value>, Error> {
    let mut vars = match &work.input {
        Value::Null => Map::new(),
        Value::Object(fields) => fields.clone(),
        Value::Bool(_) => return Err(Error::Input { found: "true or false" }),
        Value::Number(_) => return Err(Error::Input { found: "a number" }),
        Value::String(_) => return Err(Error::Input { found: "a text" }),
        Value::Array(_) => return Err(Error::Input { found: "an array" }),
    };
    for arg in &work.args {
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match arg.split_once('=').filter(|(name, _)| is_name(name)) {
            Some((name, value)) => vars.insert(name.to_owned(), value.into()),
            // What stands after the name may be a secret.
            None => {
                let found = arg.split('=').next().unwrap_or_default();
                return Err(Error::NoPair { found: found.chars().take(60).collect() });
            }
        };
    }
    Ok(vars)
}

/// A value whose texts ansible never takes for templates: they may come from other nodes, and a template can run programs
/// here. The form is that of ansible's own JSON.
fn literal(value: &Value) -> Value {
    match value {
        Value::String(_) => json!({"__ansible_unsafe": value}),
        Value::Array(items) => items.iter().map(literal).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), literal(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Where playbooks are listed, a node says what they work with and not how ansible works: that could be any program.
pub(super) fn check_listed(work: &Work) -> Result<(), Error> {
    let refused = |what: String| Err(Error::Listed { what });
    if !work.settings.inventory.is_null() {
        return refused("an `inventory` of its own".to_owned());
    }
    let names = work.args.iter().filter_map(|arg| arg.split('=').next());
    let fields = work.input.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    if let Some(name) = names.chain(fields).find(|name| name.starts_with("ansible_")) {
        return refused(format!("the extra var `{name}`"));
    }
    match work.env.keys().find(|name| environment::steers(name)) {
        Some(name) => refused(format!("the variable `{name}`")),
        None => Ok(()),
    }
}

/// A playbook that is here has its own files beside it.
pub(super) fn check_no_files(work: &Work) -> Result<(), Error> {
    if work.settings.files.is_empty() { Ok(()) } else { Err(Error::HasFiles { path: work.artifact.clone() }) }
}

/// What a playbook is called that stands among files.
pub(super) fn name_among(files: &Files) -> FilePath {
    let mut names = (0..).map(|number| match number {
        0 => "playbook.yml".to_owned(),
        number => format!("playbook-{number}.yml"),
    });
    let free = names.find(|name| !files.is_taken(name)).and_then(|name| name.parse().ok());
    free.expect("files have an end, and each of these names is a path")
}

/// Does the playbook come with the work?
pub(super) fn is_brought(work: &Work) -> bool {
    is_inline(work) || is_by_content(work)
}

/// Is the artifact the playbook itself?
fn is_inline(work: &Work) -> bool {
    let text = work.artifact.trim_start();
    work.artifact.contains('\n') && (text.starts_with("- ") || text.starts_with("---") || text.starts_with('#'))
}

fn is_by_content(work: &Work) -> bool {
    work.artifact.starts_with("sha256:")
}

/// The files of an attempt.
pub(super) struct Folder {
    root: PathBuf,
    /// What `-i` names.
    inventory: PathBuf,
    /// Where the node's files are.
    files: Option<PathBuf>,
}

impl Folder {
    /// Makes it, with everything in it.
    pub(super) fn furnish(
        place: &Place,
        work: &Work,
        workdir: &Path,
        terms: &Terms,
        files: Option<PathBuf>,
    ) -> Result<Self, Error> {
        // Goes with all that a job has for itself.
        let root = place.tmp().join("ansible");
        for folder in [root.clone(), root.join("plugins"), root.join("local"), root.join("c")] {
            DirBuilder::new().mode(0o700).create(folder)?;
        }
        write_new(&root.join("plugins/gorch_progress.py"), 0o600, PLUGIN.as_bytes())?;
        let vars = literal(&Value::Object(terms.vars.clone())).to_string();
        write_new(&root.join("vars.json"), 0o600, vars.as_bytes())?;
        if !workdir.join("ansible.cfg").is_file() {
            write_new(&root.join("ansible.cfg"), 0o600, b"")?;
        }
        let inventory = match &terms.inventory {
            Inventory::At(path) => path.clone(),
            Inventory::Text(text) => {
                // Without an ending any of ansible's readers of inventories may find it its own.
                write_new(&root.join("inventory"), 0o600, text.as_bytes())?;
                root.join("inventory")
            }
        };
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(CWD, root.join("progress"), FileType::Fifo, mode, 0).map_err(io::Error::from)?;
        let folder = Folder { root, inventory, files };
        if is_inline(work) {
            write_new(&folder.playbook(work, workdir), 0o600, work.artifact.as_bytes())?;
        }
        Ok(folder)
    }

    /// What our plug-in tells. Open for writing, too: it does not end while nobody writes.
    pub(super) fn listen(&self) -> io::Result<pipe::Receiver> {
        pipe::OpenOptions::new().read_write(true).open_receiver(self.root.join("progress"))
    }

    /// The playbook, unless it is one that is kept for others, too.
    pub(super) fn playbook(&self, work: &Work, workdir: &Path) -> PathBuf {
        match &self.files {
            Some(files) => files.join(name_among(&work.settings.files).as_str()),
            None if is_inline(work) => self.root.join("playbook.yml"),
            None => workdir.join(&work.artifact),
        }
    }

    pub(super) fn args(&self, playbook: &Path, work: &Work, terms: &Terms) -> Vec<OsString> {
        let mut vars = OsString::from("@");
        vars.push(self.root.join("vars.json"));
        let mut args: Vec<OsString> = vec!["-i".into(), self.inventory.clone().into(), "-e".into(), vars];
        args.push(format!("--limit={}", terms.limit).into());
        if work.settings.check {
            args.push("--check".into());
        }
        args.push(playbook.into());
        args
    }

    /// The job's clean one, and what ansible has to know. A node may say what it likes but for what we need ourselves.
    pub(super) fn environment(&self, work: &Work, place: &Place, workdir: &Path) -> BTreeMap<OsString, OsString> {
        let mut all: BTreeMap<OsString, OsString> = [
            // Ansible runs in UTF-8 only.
            ("LC_ALL", "C.UTF-8"),
            ("ANSIBLE_HOST_KEY_CHECKING", "True"),
            ("ANSIBLE_RETRY_FILES_ENABLED", "False"),
            ("ANSIBLE_NOCOLOR", "1"),
            ("ANSIBLE_STDOUT_CALLBACK", "default"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        all.extend(environment::of(work, place));
        let own = workdir.join("ansible.cfg");
        let settings = if own.is_file() { own } else { self.root.join("ansible.cfg") };
        let mut plugins = self.root.join("plugins").into_os_string();
        if let Some(more) = work.env.get("ANSIBLE_CALLBACK_PLUGINS") {
            plugins.push(":");
            plugins.push(more);
        }
        all.insert("ANSIBLE_CONFIG".into(), settings.into());
        all.insert("ANSIBLE_CALLBACK_PLUGINS".into(), plugins);
        all.insert("ANSIBLE_LOCAL_TEMP".into(), self.root.join("local").into());
        all.insert("GORCH_PROGRESS".into(), self.root.join("progress").into());
        if let Some(files) = &self.files {
            all.insert(files::VARIABLE.into(), files.into());
        }
        // Connections are kept between tasks, and end with the attempt: whoever holds one open is a process of it.
        let sockets = self.root.join("c");
        if sockets.as_os_str().len() <= LONGEST_SOCKETS {
            all.insert("ANSIBLE_SSH_CONTROL_PATH_DIR".into(), sockets.into());
        } else {
            all.entry("ANSIBLE_SSH_ARGS".into()).or_insert_with(|| "-C -o ControlMaster=no".into());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn work(args: &[&str], input: Value) -> Work {
        let attempt = "0000000000000000000000000000000a.0.0.0.1";
        let work = json!({"attempt": attempt, "epoch": 1, "node": "n", "engine": "ansible", "artifact": "x",
            "args": args, "input": input});
        serde_json::from_value(work).unwrap()
    }

    #[test]
    fn arguments_are_texts_over_the_input() {
        let given = work(&["a=1", "b=x=y 'z'", "c="], json!({"a": 0, "d": [1]}));
        let vars = vars(&given).unwrap();
        assert_eq!(Value::from(vars), json!({"a": "1", "b": "x=y 'z'", "c": "", "d": [1]}));
    }

    #[test]
    fn what_is_no_extra_var_is_named_without_its_value() {
        for arg in ["", "=secret", "a b=secret", "-x=secret", "1a=secret"] {
            let said = vars(&work(&[arg], Value::Null)).unwrap_err().to_string();
            assert!(said.contains("is no extra var") && !said.contains("secret"), "{said}");
        }
        assert!(matches!(vars(&work(&[], json!([1]))), Err(Error::Input { found: "an array" })));
    }

    #[test]
    fn a_playbook_among_files_takes_the_place_of_none() {
        let name = |paths: &[&str]| {
            let mut given = work(&[], Value::Null);
            let files: Map<String, Value> =
                paths.iter().map(|path| ((*path).to_owned(), format!("sha256:{}", "0".repeat(64)).into())).collect();
            given.settings.files = serde_json::from_value(Value::Object(files)).unwrap();
            name_among(&given.settings.files).to_string()
        };
        assert_eq!(name(&["roles/playbook.yml", "playbook.yml2"]), "playbook.yml");
        assert_eq!(name(&["playbook.yml", "playbook-1.yml/x"]), "playbook-2.yml");
    }

    #[test]
    fn a_playbook_is_inline_if_it_looks_like_one() {
        let inline = |artifact: &str| is_inline(&Work { artifact: artifact.to_owned(), ..work(&[], Value::Null) });
        assert!(inline("- hosts: all\n  tasks: []\n") && inline("---\n- hosts: all") && inline("# it\n- hosts: all"));
        assert!(!inline("site.yml") && !inline("- odd name.yml") && !inline("a\nb"));
    }
}
