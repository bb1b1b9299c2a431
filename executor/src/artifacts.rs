//! Artifacts that travel, on the executor's side: fetched once, checked, kept for the next attempt.
//!
//! Owns the folder `artifacts` of the data folder and what is known of its files. Promises that a file is given out only
//! if its content is what its name says: it is checked when it comes, and again whenever the system says that it was
//! changed; that one content is fetched once however many attempts want it; and that a file in use is not removed for
//! room. Of several orchestrators each is asked in turn. Where none answers, they are waited for: whoever waits may be
//! stopped.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gorch_certs::Caller;
use gorch_schema::Digest;
use gorch_schema::view::Stored;
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};
use slog::{Logger, info, warn};
use tokio::task::spawn_blocking;
use tokio_util::io::ReaderStream;

use crate::chain::Chain;
use crate::config::Orchestrators;

/// Waits between two tries to reach the orchestrator.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// No byte of an answer for so long is none.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes a second below which a way is none.
const SLOWEST: u64 = 64 * 1024;
/// A file is written when so much of it is there.
const PIECE: usize = 256 * 1024;

/// Why there is no such file here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the orchestrator has no artifact {0}")]
    Missing(Digest),
    #[error("the orchestrator sent another content for artifact {expected} (its SHA-256 is {found})")]
    Mismatch { expected: Digest, found: Digest },
    #[error("the file cannot be read")]
    Unread {
        #[source]
        source: io::Error,
    },
    #[error("the orchestrator does not take it: {said}")]
    Refused { said: String },
    #[error("artifact {digest} cannot be kept here")]
    Io {
        digest: Digest,
        #[source]
        source: io::Error,
    },
}

/// Why a try to fetch came to nothing.
enum Failed {
    /// So will the next.
    For(Error),
    /// The next may not.
    Now(String),
}

/// The folder.
pub(crate) struct Artifacts {
    root: PathBuf,
    orchestrators: Orchestrators,
    /// Counts on from one orchestrator to the next.
    turn: AtomicUsize,
    caller: Arc<Caller>,
    /// Bytes that are kept; files in use may be more.
    room: u64,
    files: Mutex<HashMap<Digest, Known>>,
    /// Who fetches a content, for those who want the same.
    fetching: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    incoming: AtomicU64,
    log: Logger,
}

/// A file of the folder.
struct Known {
    /// `None` until it is checked.
    mark: Option<Mark>,
    length: u64,
    used: Instant,
    in_use: Arc<()>,
}

/// A file as it was when it was checked: one that anybody wrote to since has another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(path)?;
        if !facts.is_file() {
            return Err(io::Error::other("it is no plain file"));
        }
        Ok(Mark { inode: facts.ino(), length: facts.len(), changed: (facts.ctime(), facts.ctime_nsec()) })
    }
}

/// A file that stays for as long as this does.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    _in_use: Arc<()>,
}

#[cfg(test)]
impl Kept {
    pub(crate) fn for_test(path: PathBuf) -> Self {
        Kept { path, _in_use: Arc::default() }
    }
}

impl Artifacts {
    /// Opens the folder, or makes it. What was there is checked when it is first wanted.
    pub(crate) fn open(
        data: &Path,
        orchestrators: Orchestrators,
        caller: Arc<Caller>,
        room: u64,
        log: Logger,
    ) -> io::Result<Self> {
        let root = data.join("artifacts");
        let incoming = root.join("incoming");
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&incoming)?;
        let (files, fetching) = (Mutex::new(found(&root)?), Mutex::default());
        let (turn, incoming) = (AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Artifacts { root, orchestrators, turn, caller, room, files, fetching, incoming, log })
    }

    /// The file of this content. Waits for the orchestrator for as long as it is waited for.
    pub(crate) async fn get(self: &Arc<Self>, digest: Digest) -> Result<Kept, Error> {
        let turn = Arc::clone(locked(&self.fetching).entry(digest).or_default());
        let kept = {
            let _turn = turn.lock().await;
            self.here_or_fetched(digest).await
        };
        drop(turn);
        locked(&self.fetching).retain(|_, turn| Arc::strong_count(turn) > 1);
        kept
    }

    async fn here_or_fetched(self: &Arc<Self>, digest: Digest) -> Result<Kept, Error> {
        let this = Arc::clone(self);
        let looked = spawn_blocking(move || this.look(digest)).await.unwrap_or_default();
        if let Some(kept) = looked {
            return Ok(kept);
        }
        let mut wait = FIRST_WAIT;
        // A file is with the orchestrator that it was brought to.
        let mut unasked = self.orchestrators.urls().len();
        loop {
            match self.fetch(digest).await {
                Ok(kept) => return Ok(kept),
                Err(Failed::For(Error::Missing(_))) if unasked > 1 => {
                    unasked -= 1;
                    self.next_turn();
                }
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::Now(cause)) => {
                    warn!(self.log, "artifact not fetched yet"; "artifact" => %digest, "cause" => cause);
                    self.next_turn();
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Brings a file to the orchestrator. Waits for it for as long as it is waited for.
    pub(crate) async fn bring(&self, file: File) -> Result<Stored, Error> {
        let unread = |source: io::Error| Error::Unread { source };
        let mut wait = FIRST_WAIT;
        loop {
            let (again, hashed) = (file.try_clone().map_err(unread)?, file.try_clone().map_err(unread)?);
            let stored = spawn_blocking(move || measure(hashed)).await;
            let stored = stored.map_err(|panic| unread(io::Error::other(panic)))?.map_err(unread)?;
            match self.send(&stored, again).await {
                Ok(()) => return Ok(stored),
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::Now(cause)) => {
                    warn!(self.log, "artifact not brought yet"; "artifact" => %stored.sha256, "cause" => cause);
                    self.next_turn();
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Who is asked now.
    fn orchestrator(&self) -> &str {
        let urls = self.orchestrators.urls();
        &urls[self.turn.load(Ordering::Relaxed) % urls.len()]
    }

    fn next_turn(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    async fn send(&self, stored: &Stored, file: File) -> Result<(), Failed> {
        let now = |error: &dyn std::error::Error| Failed::Now(Chain(error).to_string());
        let client = self.caller.client().map_err(|error| now(&error))?;
        let url = format!("{}/v1/artifacts/{}", self.orchestrator(), stored.sha256);
        let head = client.head(&url).timeout(PATIENCE).send().await.map_err(|error| now(&error))?;
        if head.status() == StatusCode::OK {
            return Ok(());
        }
        let mut file = tokio::fs::File::from_std(file);
        tokio::io::AsyncSeekExt::rewind(&mut file).await.map_err(|error| now(&error))?;
        // No more than was measured: it may be growing.
        let body = ReaderStream::with_capacity(tokio::io::AsyncReadExt::take(file, stored.size), PIECE);
        // A slow way is given its time; no way at all ends by itself.
        let patience = PATIENCE + Duration::from_secs(stored.size / SLOWEST);
        let sent = client.put(&url).body(reqwest::Body::wrap_stream(body)).timeout(patience).send().await;
        let answer = sent.map_err(|error| now(&error))?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => Ok(()),
            // Somebody wrote to it between the measuring and the sending, or the orchestrator cannot now.
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(Failed::Now(format!("the orchestrator answers {}", answer.status())))
            }
            status if status.is_client_error() => {
                let said = answer.text().await.unwrap_or_default();
                Err(Failed::For(Error::Refused { said }))
            }
            other => Err(Failed::Now(format!("the orchestrator answers {other}"))),
        }
    }

    /// The file, if it is here and right. One that is not right is removed.
    fn look(&self, digest: Digest) -> Option<Kept> {
        let path = self.root.join(digest.to_string());
        let mark = Mark::of(&path).ok()?;
        if let Some(known) = locked(&self.files).get_mut(&digest).filter(|known| known.mark == Some(mark)) {
            known.used = Instant::now();
            return Some(Kept { path, _in_use: Arc::clone(&known.in_use) });
        }
        if hash(&path).is_ok_and(|found| found == digest) && Mark::of(&path).is_ok_and(|now| now == mark) {
            return Some(self.know(digest, path, mark));
        }
        warn!(self.log, "artifact was changed here"; "artifact" => %digest);
        // What cannot be removed is replaced.
        let _ = fs::remove_file(&path);
        locked(&self.files).remove(&digest);
        None
    }

    fn know(&self, digest: Digest, path: PathBuf, mark: Mark) -> Kept {
        let mut files = locked(&self.files);
        // Whoever uses the file of before still uses this one: it is the same content.
        let in_use = files.get(&digest).map_or_else(Arc::default, |known| Arc::clone(&known.in_use));
        let mark = Some(mark);
        files.insert(
            digest,
            Known {
                mark,
                length: mark.map_or(0, |mark| mark.length),
                used: Instant::now(),
                in_use: Arc::clone(&in_use),
            },
        );
        drop(files);
        Kept { path, _in_use: in_use }
    }

    async fn fetch(self: &Arc<Self>, digest: Digest) -> Result<Kept, Failed> {
        let now = |error: &dyn std::error::Error| Failed::Now(Chain(error).to_string());
        let kept_not = move |source| Failed::For(Error::Io { digest, source });
        let client = self.caller.client().map_err(|error| now(&error))?;
        let asked = client.get(format!("{}/v1/artifacts/{digest}", self.orchestrator())).send();
        let mut answer = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| Failed::Now("the orchestrator does not answer".to_owned()))?
            .map_err(|error| now(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Failed::For(Error::Missing(digest))),
            other => return Err(Failed::Now(format!("the orchestrator answers {other}"))),
        }
        let mut incoming = self.begin().map_err(kept_not)?;
        let mut piece = Vec::new();
        loop {
            let chunk = next(&mut answer).await?;
            let is_last = chunk.is_none();
            piece.extend_from_slice(&chunk.unwrap_or_default());
            if piece.len() >= PIECE || is_last {
                let whole = std::mem::take(&mut piece);
                let written = spawn_blocking(move || incoming.write(&whole).map(|()| incoming)).await;
                incoming = written.map_err(|panic| Failed::Now(panic.to_string()))?.map_err(kept_not)?;
            }
            if is_last {
                break;
            }
        }
        let this = Arc::clone(self);
        let kept = spawn_blocking(move || this.settle(digest, incoming)).await;
        let kept = kept.map_err(|panic| Failed::Now(panic.to_string()))?.map_err(Failed::For)?;
        info!(self.log, "artifact fetched"; "artifact" => %digest);
        Ok(kept)
    }

    fn begin(&self) -> io::Result<Incoming> {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join("incoming").join(number.to_string());
        let file = File::options().write(true).create_new(true).mode(0o700).open(&path)?;
        Ok(Incoming { path, file, hash: Sha256::new() })
    }

    fn settle(&self, digest: Digest, incoming: Incoming) -> Result<Kept, Error> {
        let found = Digest::from_bytes(incoming.hash.clone().finalize().into());
        if found != digest {
            return Err(Error::Mismatch { expected: digest, found });
        }
        let path = self.root.join(digest.to_string());
        let placed = fs::rename(&incoming.path, &path).and_then(|()| Mark::of(&path));
        // Closed before anybody may run it.
        drop(incoming);
        let mark = placed.map_err(|source| Error::Io { digest, source })?;
        let kept = self.know(digest, path, mark);
        self.make_room();
        Ok(kept)
    }

    /// Removes what was not used for longest, until the rest fits.
    fn make_room(&self) {
        let mut files = locked(&self.files);
        let mut total: u64 = files.values().map(|known| known.length).sum();
        let mut idle: Vec<(Instant, Digest, u64)> = files
            .iter()
            .filter(|(_, known)| Arc::strong_count(&known.in_use) == 1)
            .map(|(digest, known)| (known.used, *digest, known.length))
            .collect();
        idle.sort_unstable();
        for (_, digest, length) in idle {
            if total <= self.room {
                return;
            }
            // Counted as gone: what cannot be removed would not be removed by a second try either.
            let _ = fs::remove_file(self.root.join(digest.to_string()));
            files.remove(&digest);
            total -= length;
        }
    }
}

/// What an executor before this one has kept: unchecked, and counted.
fn found(root: &Path) -> io::Result<HashMap<Digest, Known>> {
    let mut files = HashMap::new();
    for entry in fs::read_dir(root)?.flatten() {
        let digest = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok());
        if let (Some(digest), Ok(facts)) = (digest, entry.metadata()) {
            let (length, used, in_use) = (facts.len(), Instant::now(), Arc::default());
            files.insert(digest, Known { mark: None, length, used, in_use });
        }
    }
    Ok(files)
}

/// A file on its way in. Dropped unfinished, it never was.
struct Incoming {
    path: PathBuf,
    file: File,
    hash: Sha256,
}

impl Incoming {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hash.update(piece);
        self.file.write_all(piece)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already where it was settled.
        let _ = fs::remove_file(&self.path);
    }
}

async fn next(answer: &mut Response) -> Result<Option<bytes::Bytes>, Failed> {
    match tokio::time::timeout(PATIENCE, answer.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(Failed::Now(Chain(&error).to_string())),
        Err(_) => Err(Failed::Now("the orchestrator stopped sending".to_owned())),
    }
}

fn hash(path: &Path) -> io::Result<Digest> {
    measure(File::open(path)?).map(|stored| stored.sha256)
}

/// Digest and length of all of a file.
fn measure(mut file: File) -> io::Result<Stored> {
    file.rewind()?;
    let (mut size, mut hash, mut piece) = (0, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Stored { sha256: Digest::from_bytes(hash.finalize().into()), size }),
            read => {
                hash.update(&piece[..read]);
                size += read as u64;
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Single inserts and removals: a panic leaves both tables right.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
