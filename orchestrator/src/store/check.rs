//! Looking a store through.
//!
//! Owns the order: its version, its rows, its unfinished runs, its artifacts. Promises to change nothing and to go on past
//! what is wrong, so that all of it is said. A store in a file must be nobody's meanwhile; one in PostgreSQL may be in use.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use gorch_schema::{Digest, ExecutorName, RunId};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::contents::{give, look};
use super::ends::Source;
use super::inspector::{Found, Inspector, Wrong};
use super::{Error, carry};
use crate::artifacts;
use crate::conductor::{self, fold};
use crate::config::Store;
use crate::journal::Journal;
use crate::journal::portable::contents::AHEAD;
use crate::journal::portable::rows::WAITING;
use crate::journal::portable::{self, Sum};
use crate::journal::postgres::{self, Postgres};
use crate::journal::sqlite::{self, Sqlite};

/// Bytes of an artifact that are read at a time.
const PIECE: usize = 128 << 10;

/// What a store is like.
#[derive(Debug)]
pub struct Checked {
    /// Its version; 0: it is empty.
    pub version: usize,
    /// The version that this gorch writes.
    pub expected: usize,
    /// The SQL that an orchestrator would run when it opens it; empty: none. Only a store without it is looked through.
    pub migration: String,
    /// What its tables come to.
    pub tables: Vec<Sum>,
    /// Runs that have not ended; all of them fold but those that are named below.
    pub unfinished: u64,
    /// Artifacts that were read.
    pub artifacts: u64,
    /// All that is wrong.
    pub wrong: Vec<Wrong>,
}

/// Looks a store through, and the artifacts in it and in these folders.
pub async fn check(store: &Store, data: &[PathBuf]) -> Result<Checked, Error> {
    let (version, expected, migration) = schema(store).await?;
    let mut checked =
        Checked { version, expected, migration, tables: Vec::new(), unfinished: 0, artifacts: 0, wrong: Vec::new() };
    if !checked.migration.is_empty() {
        return Ok(checked);
    }
    let source = match store {
        Store::Sqlite(_) => Source::alone(store).await?,
        Store::Postgres(_) => Source::open(store).await?,
    };
    let (sender, parts) = mpsc::channel(WAITING);
    let looking = tokio::task::spawn_blocking(move || Inspector::default().look(parts));
    let ((source, tables), found) = carry(source.rows(sender), async { Ok(looking.await??) }).await?;
    checked.tables = tables;
    let Found { unfinished, executors, needed, wrong } = found;
    checked.wrong = wrong;
    let (sender, mut parts) = mpsc::channel(AHEAD);
    let looking = tokio::task::spawn_blocking(move || look(&mut parts));
    let ((), kept) = carry(give(source.database(), Vec::new(), sender), async { looking.await? }).await?;
    drop(source);
    checked.unfinished = unfinished.len() as u64;

    let journal: Arc<dyn Journal> = match store {
        Store::Sqlite(dir) => Arc::new(Sqlite::look(dir).map_err(portable::Error::from)?),
        Store::Postgres(address) => Arc::new(Postgres::look((**address).clone()).await.map_err(database)?),
    };
    for run in unfinished {
        let place = "the run";
        match fold(&journal, run).await {
            Ok(folded) => {
                let out = folded.handed_out().map(|(_, executor)| executor.clone()).collect();
                checked.wrong.extend(strangers(&journal, &executors, out).await?.into_iter().map(|name| {
                    Wrong::of(run, place, format!("an attempt is out on executor `{name}`, which never registered"))
                }));
            }
            Err(conductor::Error::Quarantined { cause, .. }) => {
                checked.wrong.push(Wrong::of(run, place, format!("it cannot be folded: {cause}")));
            }
            // Others may go on with it meanwhile.
            Err(conductor::Error::Unknown(_) | conductor::Error::Forgotten { .. }) => {}
            Err(error) => return Err(Error::Run(error)),
        }
    }
    // A reader of the file ends with its threads, for which nobody here must wait in a task.
    tokio::task::spawn_blocking(move || drop(journal)).await?;

    let data = data.to_vec();
    let (read, wrong) = tokio::task::spawn_blocking(move || contents(&kept, &data, &needed)).await??;
    checked.artifacts = read;
    checked.wrong.extend(wrong);
    Ok(checked)
}

/// Those of these executors that never registered. What is folded may be younger than the rows in which these stand: who is not
/// among them is looked for once more.
async fn strangers(
    journal: &Arc<dyn Journal>,
    registered: &BTreeSet<String>,
    mut out: Vec<ExecutorName>,
) -> Result<Vec<ExecutorName>, Error> {
    out.retain(|name| !registered.contains(name.as_str()));
    if !out.is_empty() {
        let now = journal
            .executors()
            .await
            .map_err(|error| Error::Run(conductor::Error::Unavailable(crate::chain(&error))))?;
        out.retain(|name| now.known.iter().all(|known| known.name != *name));
    }
    Ok(out)
}

fn database(error: postgres::Error) -> portable::Error {
    portable::Error::Postgres(Box::new(error))
}

/// The version that is there, ours, and what lies between them.
async fn schema(store: &Store) -> Result<(usize, usize, String), Error> {
    Ok(match store {
        Store::Sqlite(dir) => {
            let (found, sql) = sqlite::copy::schema(dir)?;
            (found, sqlite::SCHEMA_VERSION, sql)
        }
        Store::Postgres(address) => {
            let (found, sql) = Postgres::schema((**address).clone()).await.map_err(database)?;
            (found, postgres::SCHEMA_VERSION, sql)
        }
    })
}

/// Reads every artifact of the folders, beside what the database has: each must be what it is called, and none that is needed
/// may be missing.
fn contents(
    kept: &[(Digest, Digest)],
    data: &[PathBuf],
    needed: &BTreeMap<Digest, Option<RunId>>,
) -> Result<(u64, Vec<Wrong>), Error> {
    let (mut missing, mut wrong, mut read) = (needed.clone(), Vec::new(), 0);
    for (digest, found) in kept {
        read += 1;
        missing.remove(digest);
        if found != digest {
            wrong.push(Wrong {
                run: needed.get(digest).copied().flatten(),
                place: format!("the artifact {digest}"),
                what: format!("its SHA-256 is {found}"),
            });
        }
    }
    for folder in data {
        let reading = |source| Error::Artifacts { doing: "read", path: folder.clone(), source };
        for (digest, path) in artifacts::there(folder).map_err(reading)? {
            let Some((mut content, _)) = artifacts::content(&path).map_err(reading)? else { continue };
            let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
            loop {
                match content.read(&mut piece).map_err(reading)? {
                    0 => break,
                    bytes => hash.update(&piece[..bytes]),
                }
            }
            read += 1;
            let found = Digest::from_bytes(hash.finalize().into());
            let run = missing.remove(&digest).or_else(|| needed.get(&digest).copied()).flatten();
            if found != digest {
                wrong.push(Wrong {
                    run,
                    place: format!("the artifact `{}`", path.display()),
                    what: format!("its SHA-256 is {found}"),
                });
            }
        }
    }
    let lost = missing.into_iter().map(|(digest, run)| Wrong {
        run,
        place: format!("the artifact {digest}"),
        what: "it is needed, and it is not there".to_owned(),
    });
    wrong.extend(lost);
    Ok((read, wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::given::{at, registration};
    use crate::journal::memory::Memory;

    #[tokio::test]
    async fn who_registered_while_the_store_was_looked_through_is_no_stranger() {
        let journal: Arc<dyn Journal> = Arc::new(Memory::new());
        let [early, late, never] = ["early", "late", "never"].map(|name| name.parse::<ExecutorName>().unwrap());
        journal.put_executor(late.clone(), registration("a"), at(1)).await.unwrap();
        let registered = BTreeSet::from(["early".to_owned()]);
        let found = strangers(&journal, &registered, vec![early, late, never.clone()]).await.unwrap();
        assert_eq!(found, [never]);
    }
}
