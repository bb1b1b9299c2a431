//! A job's stream while it is being written.
//!
//! Owns the following: what is there is sent at once, then the reader waits to be told that the file grew. Promises to
//! send the raw bytes in order, to end after the last one once the job has ended, and to read no faster than its
//! reader takes. Never waits on a clock, except where the system has no more watches to give.

use std::io::{self, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::fs::inotify;
use rustix::io::Errno;
use tokio::fs::File;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;

use crate::descriptor::awaitable;

/// Which of a job's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stream {
    #[default]
    Stdout,
    Stderr,
}

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// How often to look where no watch is to be had.
const TICK: Duration = Duration::from_millis(250);

/// Sends a file from a byte on. `over` ends when nothing more will be written; what is there then is still sent.
/// Ends early, without an error, when nobody receives any more.
pub(crate) async fn follow(
    path: PathBuf,
    from: u64,
    over: impl Future<Output = ()>,
    to: mpsc::Sender<io::Result<Bytes>>,
) {
    if let Err(error) = send_all(&path, from, over, &to).await {
        // Nobody listens: nobody to tell.
        let _ = to.send(Err(error)).await;
    }
}

async fn send_all(
    path: &Path,
    from: u64,
    over: impl Future<Output = ()>,
    to: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let checked = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || super::open(&checked)).await.map_err(io::Error::other)?;
    let mut file = match opened {
        Ok(file) => File::from_std(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    // Watched before it is read: what is written after the last read is not missed.
    let mut growth = Growth::of(path);
    file.seek(SeekFrom::Start(from)).await?;
    let mut over = std::pin::pin!(over);
    let mut rest = Rest::Unknown;
    loop {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if file.read_buf(&mut chunk).await? > 0 {
            if to.send(Ok(chunk.freeze())).await.is_err() {
                return Ok(());
            }
            continue;
        }
        if rest == Rest::Written {
            return Ok(());
        }
        tokio::select! {
            () = &mut over => rest = Rest::Written,
            () = growth.more() => {}
            () = to.closed() => return Ok(()),
        }
    }
}

/// Is there more to come?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Unknown,
    Written,
}

/// Tells that a file has grown, perhaps.
enum Growth {
    Watch(AsyncFd<OwnedFd>),
    Tick,
}

impl Growth {
    fn of(path: &Path) -> Self {
        let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
        let watch = inotify::init(flags).map_err(io::Error::from).and_then(|watch| {
            inotify::add_watch(&watch, path, inotify::WatchFlags::MODIFY)?;
            awaitable(watch)
        });
        watch.map_or(Growth::Tick, Growth::Watch)
    }

    async fn more(&mut self) {
        let Growth::Watch(watch) = self else { return tokio::time::sleep(TICK).await };
        let Ok(mut ready) = watch.readable_mut().await else { return tokio::time::sleep(TICK).await };
        let mut events = [0_u8; 4096];
        let drained = ready.try_io(|watch| match rustix::io::read(watch.get_ref(), &mut events) {
            Ok(read) => Ok(read),
            Err(Errno::WOULDBLOCK) => Err(io::ErrorKind::WouldBlock.into()),
            Err(errno) => Err(errno.into()),
        });
        if let Ok(Err(_)) = drained {
            *self = Growth::Tick;
        }
    }
}
