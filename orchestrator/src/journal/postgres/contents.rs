//! What artifacts have in them: a row for each content, its bytes in pieces.
//!
//! Owns the statements, and sessions of its own for them: a large content keeps no append and no question waiting, and
//! locks nothing that either needs. Promises that a content is there whole or not at all, whoever else brings it, and that
//! one which was asked after is not collected for as long as was said, whichever orchestrator collects. A session that is
//! lost loses nothing that was answered. Never believes that a content is what its name says: who reads it looks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::try_join_all;
use gorch_schema::Digest;
use tokio::runtime::Handle;
use tokio_postgres::{Error as PgError, Row};
use uuid::Uuid;

use super::address::Address;
use super::connect::{Connector, Session, shared};
use super::group::{int, number};
use super::sessions::{Broken, Sessions};
use super::writer::{PATIENCE, PAUSE};
use super::{Trouble, migrate};
use crate::journal::error::Error;

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// So many pieces are on their way to the server, or from it, at a time.
const TOGETHER: usize = 4;

/// One reads a large content, and another still gets a short answer.
const ASKING: usize = 2;

/// So many contents are brought at a time; others wait with their files.
const BRINGING: usize = 2;

/// Whoever asks after a content again within this is not written down: what is asked after all the time would be one row
/// that all write to. Contents are kept for so much longer.
const FRESH: Duration = Duration::from_mins(1);

const LOOK: &str = "SELECT digest, length, touched >= now() - $2 * interval '1 second' FROM contents
    WHERE digest = ANY ($1::text[])";

/// In the order of their names, so that two who touch the same never wait for each other.
const TOUCH: &str = "
    WITH here AS (SELECT digest FROM contents WHERE digest = ANY ($1::text[]) ORDER BY digest FOR UPDATE)
    UPDATE contents SET touched = clock_timestamp() FROM here WHERE contents.digest = here.digest
    RETURNING contents.digest, contents.length";

const FIND: &str = "SELECT id, length FROM contents WHERE digest = $1";

const ALL: &str = "SELECT digest, id, length FROM contents ORDER BY digest COLLATE \"C\"";

const READ: &str = "SELECT body FROM pieces WHERE content = $1 AND at >= $2 ORDER BY at LIMIT $3";

const ADD: &str = "INSERT INTO pieces (content, at, body) VALUES ($1, $2, $3)";

/// Gives whose content has the name then.
const NAME: &str = "
    INSERT INTO contents (digest, id, length, touched) VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (digest) DO UPDATE SET touched = clock_timestamp() RETURNING id";

const DROP: &str = "DELETE FROM pieces WHERE content = $1";

const OLD: &str = "SELECT digest FROM contents WHERE touched < now() - $1 * interval '1 second' ORDER BY digest";

/// The age is looked at in the same breath: nobody comes between.
const COLLECT: &str = "
    WITH gone AS (DELETE FROM contents WHERE digest = $1 AND touched < now() - $2 * interval '1 second'
                  RETURNING id, length),
         rest AS (DELETE FROM pieces WHERE content IN (SELECT id FROM gone))
    SELECT length FROM gone";

/// A content that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    id: Uuid,
    /// Its bytes, as whoever brought it has counted.
    pub(crate) length: u64,
}

/// The contents of a store; clones share the sessions.
#[derive(Clone)]
pub(crate) struct Contents {
    asking: Arc<Sessions>,
    bringing: Arc<Sessions>,
}

impl Contents {
    /// Those of the store in this database, which is one of ours, of this version. Its sessions live in the runtime of
    /// whoever calls this.
    pub(crate) fn of(address: &Address) -> Result<Contents, Error> {
        let unfit = |source| Error::Store { doing: "reach PostgreSQL", source: shared(source) };
        let connector = Connector::new(address.clone()).map_err(unfit)?;
        let asking = Sessions::new(connector.clone(), ASKING, Broken::Again, Handle::current());
        Ok(Contents { asking, bringing: Sessions::new(connector, BRINGING, Broken::Again, Handle::current()) })
    }

    /// Which of these are here, and their lengths? They stay for the time of grace at least.
    pub(crate) async fn keep(&self, digests: Vec<Digest>) -> Result<Vec<(Digest, u64)>, Error> {
        let digests: Arc<[String]> = digests.iter().map(ToString::to_string).collect();
        let asked = self.asking.ask(move |session| {
            let digests = Arc::clone(&digests);
            async move { keep(session, &digests).await }.boxed()
        });
        asked.await
    }

    /// The content, if it is here.
    pub(crate) async fn find(&self, digest: Digest) -> Result<Option<Found>, Error> {
        let asked = self.asking.ask(move |session| {
            async move {
                let statement = session.statement(FIND).await?;
                let found = session.client.query_opt(&statement, &[&digest.to_string()]).await?;
                Ok(found.map(|row| found_in(&row, 0)).transpose()?)
            }
            .boxed()
        });
        asked.await
    }

    /// Some pieces that follow so many bytes of it; none: it is over, or gone.
    pub(crate) async fn pieces(&self, of: Found, after: u64) -> Result<Vec<Bytes>, Error> {
        self.asking.ask(move |session| async move { Ok(pieces(session, of, after).await?) }.boxed()).await
    }

    /// Brings the content of a file, durably, if the store is ours still. Where the server is away, it waits a while for it to come back. It is the open
    /// file that is brought: what has its path by then may be another.
    pub(crate) async fn bring(&self, file: Arc<File>, digest: Digest) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            let file = Arc::clone(&file);
            let asked = self.bringing.ask(move |session| {
                let file = Arc::clone(&file);
                async move { bring(session, &file, digest).await }.boxed()
            });
            match asked.await {
                Err(error) if migrate::is_left(&error) => return Err(error),
                Err(Error::Store { .. }) if begun.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                done => return done,
            }
        }
    }

    /// Those that were neither brought nor asked after for so long.
    pub(crate) async fn old(&self, grace: Duration) -> Result<Vec<Digest>, Error> {
        let asked = self.asking.ask(move |session| {
            async move {
                let rows = session.client.query(OLD, &[&(grace + FRESH).as_secs_f64()]).await?;
                rows.iter().map(|row| digest_in(row, 0)).collect()
            }
            .boxed()
        });
        asked.await
    }

    /// Removes a content, if it is as old still. Gives its length, if it went.
    pub(crate) async fn collect(&self, digest: Digest, grace: Duration) -> Result<Option<u64>, Error> {
        let asked = self.asking.ask(move |session| {
            async move {
                let statement = session.statement(COLLECT).await?;
                let bound = (digest.to_string(), (grace + FRESH).as_secs_f64());
                let gone = session.client.query_opt(&statement, &[&bound.0, &bound.1]).await?;
                Ok(gone.map(|row| row.try_get(0)).transpose()?.map(number))
            }
            .boxed()
        });
        asked.await
    }
}

fn found_in(row: &Row, at: usize) -> Result<Found, PgError> {
    Ok(Found { id: row.try_get(at)?, length: number(row.try_get(at + 1)?) })
}

fn digest_in(row: &Row, at: usize) -> Result<Digest, Trouble> {
    let text: &str = row.try_get(at)?;
    text.parse().map_err(|_| Trouble::Refused(unread(text)))
}

fn unread(text: &str) -> Error {
    let found = std::io::Error::other(format!("found the content `{text}`, expected a SHA-256"));
    Error::Store { doing: "read", source: shared(found) }
}

async fn keep(session: &Session, digests: &[String]) -> Result<Vec<(Digest, u64)>, Trouble> {
    let (mut kept, mut stale) = (Vec::new(), Vec::<String>::new());
    let statement = session.statement(LOOK).await?;
    for row in session.client.query(&statement, &[&digests, &FRESH.as_secs_f64()]).await? {
        if row.try_get(2)? {
            kept.push((digest_in(&row, 0)?, number(row.try_get(1)?)));
        } else {
            stale.push(row.try_get(0)?);
        }
    }
    if !stale.is_empty() {
        let statement = session.statement(TOUCH).await?;
        for row in session.client.query(&statement, &[&stale]).await? {
            kept.push((digest_in(&row, 0)?, number(row.try_get(1)?)));
        }
    }
    Ok(kept)
}

/// Every content of the store, by its name.
pub(super) async fn all(session: &Session) -> Result<Vec<(String, Found)>, PgError> {
    let rows = session.client.query(ALL, &[]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, found_in(row, 1)?))).collect()
}

/// Some pieces that follow so many bytes of a content.
pub(super) async fn pieces(session: &Session, of: Found, after: u64) -> Result<Vec<Bytes>, PgError> {
    let statement = session.statement(READ).await?;
    let rows = session.client.query(&statement, &[&of.id, &int(after), &(TOGETHER as i64)]).await?;
    rows.iter().map(|row| row.try_get::<_, &[u8]>(0).map(Bytes::copy_from_slice)).collect()
}

/// Some bytes of a file from this place on; none: it is over. By the place, so that whoever tries again begins at the
/// beginning, whatever became of the try before.
async fn part(file: &Arc<File>, at: u64) -> io::Result<Vec<u8>> {
    let file = Arc::clone(file);
    let read = move || {
        let mut bytes = vec![0; PIECE];
        let read = file.read_at(&mut bytes, at)?;
        bytes.truncate(read);
        Ok(bytes)
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

async fn bring(session: &Session, file: &Arc<File>, digest: Digest) -> Result<(), Trouble> {
    let unread = |source| Error::Store { doing: "read what was uploaded", source: shared(source) };
    session.client.batch_execute("BEGIN").await?;
    let bringing = async {
        let (mut incoming, mut at) = (Incoming::new(), 0);
        loop {
            let bytes = part(file, at).await.map_err(unread)?;
            if bytes.is_empty() {
                break;
            }
            at += bytes.len() as u64;
            incoming.take(session, &bytes).await?;
        }
        incoming.name(session, digest).await?;
        // After the name: whoever moves the store away waits for this, or has kept it waiting until it was gone.
        migrate::is_ours_still(session).await?;
        session.client.batch_execute("COMMIT").await?;
        Ok(())
    };
    let brought = bringing.await;
    if brought.is_err() {
        // Where the session is gone, so is the transaction.
        _ = session.client.batch_execute("ROLLBACK").await;
    }
    brought
}

/// A content on its way in, inside of somebody's transaction.
pub(super) struct Incoming {
    id: Uuid,
    /// Bytes that were sent.
    sent: u64,
    waiting: Vec<u8>,
}

impl Incoming {
    pub(super) fn new() -> Incoming {
        Incoming { id: Uuid::now_v7(), sent: 0, waiting: Vec::with_capacity(PIECE * TOGETHER) }
    }

    /// Takes what comes next.
    pub(super) async fn take(&mut self, session: &Session, mut bytes: &[u8]) -> Result<(), PgError> {
        while !bytes.is_empty() {
            let room = (PIECE * TOGETHER - self.waiting.len()).min(bytes.len());
            self.waiting.extend_from_slice(&bytes[..room]);
            bytes = &bytes[room..];
            if self.waiting.len() == PIECE * TOGETHER {
                self.send(session).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, session: &Session) -> Result<(), PgError> {
        let statement = session.statement(ADD).await?;
        let (id, sent) = (self.id, self.sent);
        let adding = self.waiting.chunks(PIECE).enumerate().map(|(at, piece)| {
            let statement = statement.clone();
            async move {
                let at = int(sent + (at * PIECE) as u64);
                session.client.execute(&statement, &[&id, &at, &piece]).await
            }
        });
        try_join_all(adding).await?;
        self.sent += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// That was all: with the commit it is there under this name. Gives its length.
    pub(super) async fn name(mut self, session: &Session, digest: Digest) -> Result<u64, PgError> {
        if !self.waiting.is_empty() {
            self.send(session).await?;
        }
        let row = session.client.query_one(NAME, &[&digest.to_string(), &self.id, &int(self.sent)]).await?;
        if row.try_get::<_, Uuid>(0)? != self.id {
            // Somebody else was first with the same.
            session.client.execute(DROP, &[&self.id]).await?;
        }
        Ok(self.sent)
    }
}
