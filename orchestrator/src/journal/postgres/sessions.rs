//! The few sessions that look, and those that bring contents.
//!
//! Owns small pools of them. Promises: a slow question keeps no writer waiting; a question whose asker has gone is not
//! asked; a session that died while nobody used it is nobody's trouble, where it is no harm to ask twice. All of them are
//! with the primary: what was answered as durable is seen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_postgres::Error as PgError;

use super::Trouble;
use super::connect::{Connector, Session, Unfit, shared};
use crate::journal::error::Error;

/// Two may be busy with long lists and somebody still gets a short answer.
pub(super) const READERS: usize = 4;

/// What becomes of a question on whose way the session broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is asked once more.
    Again,
    /// Nobody knows what it did; whoever asked is told.
    Told,
}

/// The answer of a question, to come.
pub(super) type Answer<'s, T> = BoxFuture<'s, Result<T, Trouble>>;

/// What makes several statements see the same moment.
const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The pool.
pub(super) struct Sessions {
    connector: Connector,
    idle: Mutex<Vec<Session>>,
    room: Semaphore,
    broken: Broken,
    runtime: Handle,
}

impl Sessions {
    /// So many at most.
    pub(super) fn new(connector: Connector, many: usize, broken: Broken, runtime: Handle) -> Arc<Sessions> {
        Arc::new(Sessions { connector, idle: Mutex::default(), room: Semaphore::new(many), broken, runtime })
    }

    /// Asks, and hands out a future for the answer.
    pub(super) fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl for<'s> Fn(&'s Session) -> Answer<'s, T> + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let (sender, answer) = oneshot::channel();
        let sessions = Arc::clone(self);
        self.runtime.spawn(async move {
            let Ok(_place) = sessions.room.acquire().await else { return };
            if !sender.is_closed() {
                // Whoever dropped the receiver meanwhile does not want it.
                _ = sender.send(sessions.answer(&question).await);
            }
        });
        async move { answer.await.unwrap_or(Err(Error::Closed)) }.boxed()
    }

    /// The same; all that it asks is of one moment.
    pub(super) fn ask_of_one_moment<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl for<'s> Fn(&'s Session) -> Answer<'s, T> + Send + Sync + 'static,
    ) -> BoxFuture<'static, Result<T, Error>> {
        let question = Arc::new(question);
        self.ask(move |session| {
            let question = Arc::clone(&question);
            async move {
                session.client.batch_execute(MOMENT).await?;
                let answer = question(session).await;
                session.client.batch_execute("ROLLBACK").await?;
                answer
            }
            .boxed()
        })
    }

    async fn answer<T>(&self, question: &impl for<'s> Fn(&'s Session) -> Answer<'s, T>) -> Result<T, Error> {
        let mut is_again = false;
        loop {
            let session = match self.session().await {
                Ok(session) => session,
                Err(unfit) => return Err(Error::Store { doing: "reach PostgreSQL", source: shared(unfit) }),
            };
            let answer = session.unless_silent(question(&session)).await;
            if let Err(Trouble::Failed(error)) = &answer
                && is_broken(error)
            {
                // It may have died long ago: the server was restarted, say.
                self.idle().clear();
                if self.broken == Broken::Again && !std::mem::replace(&mut is_again, true) {
                    continue;
                }
            } else {
                self.idle().push(session);
            }
            return answer.map_err(|trouble| match trouble {
                Trouble::Refused(error) => error,
                Trouble::Failed(source) => Error::Store { doing: "read", source: shared(source) },
            });
        }
    }

    async fn session(&self) -> Result<Session, Unfit> {
        let idle = self.idle().pop();
        match idle.filter(|session| !session.client.is_closed()) {
            Some(session) => Ok(session),
            None => self.connector.session().await,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        // A list of sessions is whole whatever its holder died of.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is the session of no use any more? The server ended it (class 57P), or nobody said anything. A question that took too
/// long (57014) leaves it as it was.
fn is_broken(error: &PgError) -> bool {
    error.as_db_error().is_none() || error.code().is_some_and(|code| code.code().starts_with("57P"))
}
