//! What other writers did.
//!
//! Owns the session that listens. Promises that followers hear of what somebody else wrote: at once where the server
//! says so, and within [`FALLBACK`] where its word was lost with a session. Never carries events: it looks where the runs
//! stand that somebody follows, and rings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use gorch_schema::RunId;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Trouble;
use super::connect::{Connector, Session};
use super::group::{number, uuid};
use super::sessions::Sessions;
use super::write::run_of;
use crate::journal::bell::Bell;
use crate::journal::contract::Cursor;

/// So often is looked even if nobody said anything.
const FALLBACK: Duration = Duration::from_secs(5);

/// After a look there is none for so long, whatever is said meanwhile: a neighbour that writes all the time is not looked at all
/// the time. What is said after a quiet while is looked at at once.
const REST: Duration = Duration::from_millis(50);

/// Where the followed runs stand, those that are there; and the newest event of all.
struct Standing {
    runs: HashMap<RunId, u64>,
    tail: Cursor,
}

/// Listens until the journal closes.
pub(super) async fn listen(
    connector: Connector,
    sessions: Arc<Sessions>,
    writer: Uuid,
    bell: Arc<Bell>,
    closing: CancellationToken,
) {
    let listening = async {
        let said = Arc::new(Notify::new());
        let mut session: Option<Session> = None;
        loop {
            if session.as_ref().is_none_or(|session| session.client.is_closed()) {
                session = listener(&connector, writer, Arc::clone(&said)).await;
            }
            // Once more after every new session: what was said before it was not heard.
            look(&sessions, &bell).await;
            next(&said).await;
        }
    };
    closing.run_until_cancelled(listening).await;
}

/// Resolves when it is time to look again.
async fn next(said: &Notify) {
    tokio::time::sleep(REST).await;
    // A word that was said meanwhile is remembered.
    _ = tokio::time::timeout(FALLBACK, said.notified()).await;
}

async fn listener(connector: &Connector, writer: Uuid, said: Arc<Notify>) -> Option<Session> {
    let own = writer.to_string();
    let hear = move |word: tokio_postgres::Notification| {
        if word.payload() != own {
            said.notify_one();
        }
    };
    let session = connector.listening(Arc::new(hear)).await.ok()?;
    session.client.batch_execute("LISTEN gorch").await.ok()?;
    Some(session)
}

/// Looks where the followed runs stand, and rings for those that went on.
async fn look(sessions: &Arc<Sessions>, bell: &Bell) {
    let followed = bell.followed();
    let ids: Vec<Uuid> = followed.iter().map(|(run, _)| uuid(*run)).collect();
    // Whoever cannot ask now asks again soon.
    let Ok(now) = sessions.ask(move |session| standing(session, ids.clone()).boxed()).await else { return };
    let news = followed.iter().filter_map(|(run, told)| Some((*run, *now.runs.get(run).filter(|last| *last > told)?)));
    bell.ring(news, now.tail);
    // It was there when they were told of it.
    for (run, _) in followed.iter().filter(|(run, told)| *told > 0 && !now.runs.contains_key(run)) {
        bell.close(*run);
    }
}

async fn standing(session: &Session, ids: Vec<Uuid>) -> Result<Standing, Trouble> {
    let tail = session.client.query_one(&session.statement("SELECT event FROM newest").await?, &[]).await?;
    let statement = session
        .statement(
            "SELECT runs.id, coalesce(live.last, runs.last) FROM runs LEFT JOIN live USING (number)
             WHERE runs.id = ANY ($1::uuid[])",
        )
        .await?;
    let mut standing = Standing { runs: HashMap::new(), tail: Cursor(number(tail.try_get(0)?)) };
    for row in session.client.query(&statement, &[&ids]).await? {
        standing.runs.insert(run_of(&row, 0)?, number(row.try_get(1)?));
    }
    Ok(standing)
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_word_is_heard_at_once_and_a_neighbour_that_talks_all_the_time_now_and_then() {
        let said = Arc::new(Notify::new());
        let (ear, begun) = (Arc::clone(&said), Instant::now());
        let listening = tokio::spawn(async move {
            let mut heard = Vec::new();
            while begun.elapsed() < Duration::from_secs(3) {
                next(&ear).await;
                heard.push(begun.elapsed());
            }
            heard
        });
        sleep(Duration::from_secs(1)).await;
        for _ in 0..1000 {
            said.notify_one();
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_secs(2)).await;
        said.notify_one();
        let heard = listening.await.unwrap();
        assert_eq!(heard[0], Duration::from_secs(1), "the first is heard at once: {heard:?}");
        let all = heard.iter().filter(|at| **at <= Duration::from_secs(2)).count();
        assert!((15..=21).contains(&all), "{all} looks in a second");
        assert_eq!(heard.last(), Some(&Duration::from_secs(4)), "so is one that comes after a while: {heard:?}");
    }
}
