//! Where secrets come from.
//!
//! Owns the two sources: a folder of files `NAMESPACE/NAME` that nobody but the executor's user may read, or a command
//! that prints one. Promises to refuse a file that others could read, and never to show a value, not even in part.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gorch_schema::SecretRef;
use rustix::fs::{Mode, OFlags};
use tokio::process::Command;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The largest secret.
const LARGEST: u64 = 64 * 1024;
/// The shortest: anything shorter is found in texts that have nothing to do with it, and cannot be redacted.
const SHORTEST: usize = 4;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Source {
    /// Nothing: no node gets a secret here.
    #[default]
    None,
    /// A folder of files `NAMESPACE/NAME`.
    Folder(PathBuf),
    /// A program that prints the secret whose reference is its argument.
    Command(PathBuf),
}

/// Why the source cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others may read it, or it is not there.
    #[error("the folder of secrets `{}` cannot be used: {why}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What was found, and what was expected.
        why: String,
    },
    /// It is not there.
    #[error("the command for secrets `{}` is not there", .0.display())]
    Command(PathBuf),
}

/// Why there is no such secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Missing {
    #[error("this executor has no secrets (`secrets` or `secret_command` in its configuration names where they are)")]
    NoSource,
    #[error("this executor has no secret `{0}`")]
    NotThere(SecretRef),
    #[error("the file of the secret `{0}` {1}")]
    Unfit(SecretRef, &'static str),
    #[error("the secret `{0}` cannot be read")]
    Unread(SecretRef, #[source] io::Error),
    #[error("the secret `{0}` is {1}")]
    Size(SecretRef, &'static str),
    #[error("the secret `{0}` is no text that a variable can hold (give it as a file)")]
    NoText(SecretRef),
    #[error("the command for secrets gives no `{0}`: it {1}")]
    Command(SecretRef, String),
}

/// The source, checked.
#[derive(Debug)]
pub(crate) struct Store(Source);

impl Store {
    pub(crate) fn open(source: Source) -> Result<Self, Error> {
        match &source {
            Source::None => {}
            Source::Folder(path) => {
                let fail = |why: String| Error::Folder { path: path.clone(), why };
                let facts = path.metadata().map_err(|error| fail(error.to_string()))?;
                if !facts.is_dir() {
                    return Err(fail("it is no folder".to_owned()));
                }
                if let Some(why) = unfit(facts.uid(), facts.mode()) {
                    return Err(fail(format!("it {why}")));
                }
            }
            Source::Command(path) if !path.is_file() => return Err(Error::Command(path.clone())),
            Source::Command(_) => {}
        }
        Ok(Store(source))
    }

    /// The folder, for those who must keep others out of it.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Source::Folder(path) => Some(path),
            Source::None | Source::Command(_) => None,
        }
    }

    /// What is kept there, byte by byte.
    pub(crate) async fn get(&self, reference: &SecretRef) -> Result<Vec<u8>, Missing> {
        let value = match &self.0 {
            Source::None => return Err(Missing::NoSource),
            Source::Folder(folder) => {
                let (folder, wanted) = (folder.clone(), reference.clone());
                let read = spawn_blocking(move || read(&folder, &wanted)).await;
                read.map_err(|panic| Missing::Unread(reference.clone(), io::Error::other(panic)))??
            }
            Source::Command(program) => ask(program, reference).await?,
        };
        if bare(&value).len() < SHORTEST {
            return Err(Missing::Size(reference.clone(), "shorter than 4 bytes: it could not be kept out of logs"));
        }
        Ok(value)
    }
}

/// Without the line break at its very end, as editors leave it.
pub(super) fn bare(value: &[u8]) -> &[u8] {
    let line = value.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    line.unwrap_or(value)
}

/// Why a file or folder is not the executor's alone.
fn unfit(owner: u32, mode: u32) -> Option<&'static str> {
    if owner != rustix::process::geteuid().as_raw() {
        Some("belongs to somebody else (expected the user of the executor)")
    } else if mode & 0o077 != 0 {
        Some("is open to others (expected mode 0600, of a folder 0700)")
    } else {
        None
    }
}

fn read(folder: &Path, reference: &SecretRef) -> Result<Vec<u8>, Missing> {
    let path = folder.join(reference.namespace()).join(reference.name());
    let unread = |error: io::Error| Missing::Unread(reference.clone(), error);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {
            return Err(Missing::NotThere(reference.clone()));
        }
        Err(errno) => return Err(unread(errno.into())),
    };
    let facts = file.metadata().map_err(unread)?;
    if !facts.is_file() {
        return Err(Missing::Unfit(reference.clone(), "is no plain file"));
    }
    if let Some(why) = unfit(facts.uid(), facts.mode()) {
        return Err(Missing::Unfit(reference.clone(), why));
    }
    let mut value = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut value).map_err(unread)?;
    check_size(reference, value)
}

async fn ask(program: &Path, reference: &SecretRef) -> Result<Vec<u8>, Missing> {
    let failed = |why: String| Missing::Command(reference.clone(), why);
    let asked = Command::new(program)
        .arg(reference.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, asked).await.map_err(|_| failed("did not answer in 30 seconds".to_owned()))?;
    let output = output.map_err(|error| failed(format!("cannot be started: {error}")))?;
    if !output.status.success() {
        // What it says may hold what must not be shown.
        return Err(failed(format!("ended with {}", output.status)));
    }
    check_size(reference, output.stdout)
}

fn check_size(reference: &SecretRef, value: Vec<u8>) -> Result<Vec<u8>, Missing> {
    if value.len() as u64 > LARGEST {
        return Err(Missing::Size(reference.clone(), "larger than 64 KiB"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use crate::chain::Chain;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    async fn get(store: &Store, reference: &str) -> Result<String, String> {
        let value = store.get(&reference.parse().unwrap()).await;
        value.map(|value| String::from_utf8(value).unwrap()).map_err(|missing| Chain(&missing).to_string())
    }

    #[tokio::test]
    async fn a_file_that_only_we_can_read_is_a_secret_and_any_other_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("secrets");
        fs::create_dir_all(root.join("prod/folder")).unwrap();
        mode(&root, 0o700);
        for (name, text) in [("db", "hunter2\r\n"), ("short", "abc\n"), ("open", "hunter2")] {
            fs::write(root.join("prod").join(name), text).unwrap();
            mode(&root.join("prod").join(name), 0o600);
        }
        fs::write(root.join("prod/large"), vec![b'x'; 65537]).unwrap();
        mode(&root.join("prod/large"), 0o400);
        mode(&root.join("prod/open"), 0o640);
        let store = Store::open(Source::Folder(root.clone())).unwrap();
        assert_eq!(get(&store, "secret://prod/db").await.unwrap(), "hunter2\r\n");
        assert_eq!([bare(b"a\r\n"), bare(b"a\n\n"), bare(b"a\r")], [&b"a"[..], b"a\n", b"a\r"]);
        let said = [
            ("none", "this executor has no secret `secret://prod/none`"),
            (
                "open",
                "the file of the secret `secret://prod/open` is open to others (expected mode 0600, of a folder 0700)",
            ),
            ("short", "the secret `secret://prod/short` is shorter than 4 bytes: it could not be kept out of logs"),
            ("large", "the secret `secret://prod/large` is larger than 64 KiB"),
            ("folder", "the file of the secret `secret://prod/folder` is no plain file"),
        ];
        for (name, said) in said {
            assert_eq!(get(&store, &format!("secret://prod/{name}")).await.unwrap_err(), said);
        }
        mode(&root, 0o755);
        assert!(Store::open(Source::Folder(root)).unwrap_err().to_string().contains("is open to others"));
        let none = get(&Store::open(Source::None).unwrap(), "secret://prod/db").await.unwrap_err();
        assert!(none.starts_with("this executor has no secrets"), "{none}");
    }

    #[tokio::test]
    async fn a_command_prints_what_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("vault");
        let script =
            "#!/bin/sh\n[ \"$1\" = secret://prod/db ] || { echo 'no hunter2 here' >&2; exit 3; }\necho hunter2\n";
        fs::write(&program, script).unwrap();
        mode(&program, 0o700);
        let store = Store::open(Source::Command(program)).unwrap();
        assert_eq!(get(&store, "secret://prod/db").await.unwrap(), "hunter2\n");
        let said = get(&store, "secret://prod/other").await.unwrap_err();
        assert_eq!(said, "the command for secrets gives no `secret://prod/other`: it ended with exit status: 3");
        assert!(Store::open(Source::Command("/no/such".into())).is_err());
    }
}
