//! The threads that look.
//!
//! Owns a few connections that can only read, each on a thread of its own, and one queue in front of them. Promises:
//! a slow question keeps no writer and no task of the runtime waiting; a question whose asker has gone is not asked.
//! Never sees what is not committed and synced: in WAL mode a reader cannot.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use futures::future::{BoxFuture, FutureExt};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::append::Trouble;
use super::open;
use crate::journal::error::Error;

/// Two readers may be busy with long lists and somebody still gets a short answer.
const READERS: usize = 4;

type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// The queue and its threads.
pub(super) struct Readers {
    queue: Option<mpsc::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Readers, open::Error> {
        let (sender, queue) = mpsc::channel::<Question>();
        let queue = Arc::new(Mutex::new(queue));
        let mut readers = Readers { queue: Some(sender), threads: Vec::new() };
        for _ in 0..READERS {
            let mut connection = open::reader(path)?;
            let queue = Arc::clone(&queue);
            let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let work = move || {
                while let Ok(question) = next() {
                    question(&mut connection);
                }
            };
            let thread = std::thread::Builder::new().name("journal-reader".into()).spawn(work);
            readers.threads.push(thread.map_err(open::Error::Thread)?);
        }
        Ok(readers)
    }

    /// Asks, and hands out a future for the answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (sender, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            if !sender.is_closed() {
                let answer = question(connection).map_err(|trouble| match trouble {
                    Trouble::Refused(error) => error,
                    Trouble::Failed(source) => Error::Store { doing: "read", source: Arc::new(source) },
                });
                // Whoever dropped the receiver meanwhile does not want it.
                _ = sender.send(answer);
            }
        });
        // Where the queue is gone, so is the sender inside the question, and the answer says so.
        _ = self.queue.as_ref().map(|queue| queue.send(question));
        async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }
}

impl Readers {
    /// Answers what is asked already, then closes.
    pub(super) fn stop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A reader that panicked has said so; there is nothing to add.
            _ = thread.join();
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop();
    }
}
