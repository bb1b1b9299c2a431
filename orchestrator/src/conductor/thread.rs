//! The conductor's thread.
//!
//! Owns a runtime of one thread for the conductor, the tasks of the attempts that are out and the sessions with the
//! executors. They wake each other all the time: on one thread that costs a place in a queue, between threads it costs
//! a system call and a cold cache. The API and the journal have threads of their own.

use std::sync::Arc;

use slog::Logger;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Conductor, Handle, Settings};
use crate::artifacts::Artifacts;
use crate::dispatch::Links;
use crate::journal::{self, Journal};

/// Why there is no conductor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gave no thread, or no way to wait.
    #[error("failed to start the conductor's thread")]
    Thread(#[source] std::io::Error),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] journal::Error),
}

/// Resolves when the conductor has ended and nothing of it is under way.
pub(crate) type Ended = oneshot::Receiver<()>;

impl Conductor {
    /// Starts the loop, as [`Conductor::start`] does, on a thread of its own.
    pub(crate) async fn start_on_its_thread(
        settings: Settings,
        journal: Arc<dyn Journal>,
        artifacts: Artifacts,
        links: Links,
        shutdown: CancellationToken,
        log: Logger,
    ) -> Result<(Handle, Ended), Error> {
        let (ready, started) = oneshot::channel();
        let (over, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Thread)?;
        let body = move || {
            runtime.block_on(async {
                match Conductor::start(settings, journal, artifacts, links, shutdown, log).await {
                    Ok((handle, conducting)) => {
                        // Whoever starts it waits for this.
                        let _ = ready.send(Ok(handle));
                        let _ = conducting.await;
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
            drop(runtime);
            let _ = over.send(());
        };
        std::thread::Builder::new().name("conductor".to_owned()).spawn(body).map_err(Error::Thread)?;
        let handle = started.await.map_err(|gone| Error::Thread(std::io::Error::other(gone)))??;
        Ok((handle, ended))
    }
}
