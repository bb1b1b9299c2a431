//! The one thread that spawns jobs.
//!
//! Owns a thread that has given up new privileges (setuid programs gain nothing), so that every job inherits that
//! without any code between fork and exec: std keeps its posix_spawn path. Spawning from one thread also means that
//! no half-spawned sibling ever holds a script open for writing that is about to be run.

use std::sync::mpsc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Error;

type Task = Box<dyn FnOnce() + Send>;

/// A handle on the thread; the thread ends with its last handle.
#[derive(Clone)]
pub(crate) struct Spawner {
    tasks: mpsc::Sender<Task>,
}

impl Spawner {
    /// Starts the thread.
    pub(crate) fn start() -> Result<Self, Error> {
        let (tasks, inbox) = mpsc::channel::<Task>();
        let (ready, answer) = mpsc::channel();
        let body = move || {
            let given_up = rustix::thread::set_no_new_privs(true);
            if ready.send(given_up).is_ok() && given_up.is_ok() {
                inbox.iter().for_each(|task| task());
            }
        };
        std::thread::Builder::new().name("gorch-spawner".to_owned()).spawn(body).map_err(Error::Thread)?;
        let given_up = answer.recv().map_err(|gone| Error::Thread(std::io::Error::other(gone)))?;
        given_up.map_err(|errno| Error::Privileges(errno.into()))?;
        Ok(Spawner { tasks })
    }

    /// Does something on the thread, inside this runtime; `None` if it panicked.
    pub(crate) async fn perform<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, result) = oneshot::channel();
        let runtime = Handle::current();
        let task: Task = Box::new(move || {
            let _inside = runtime.enter();
            // One job's panic must not take the thread from all others; its caller sees the closed channel.
            if let Ok(done) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task)) {
                let _ = answer.send(done);
            }
        });
        self.tasks.send(task).ok()?;
        result.await.ok()
    }
}
