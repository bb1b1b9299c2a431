//! The event streams of a run and of the runs that its nodes are.
//!
//! Owns who is followed. Promises: each run is followed once; at most [`MOST`] at a time below the first; the news of a
//! run come in their order, its document before them. Dropping it ends all streams. Never decides what is shown.

use std::collections::BTreeSet;
use std::time::Duration;

use gorch_client::{Client, EventStream, Live, Message};
use gorch_schema::RunId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// So many runs below the first are followed at a time.
pub(crate) const MOST: usize = 32;

/// A run that has just been decided may not be there yet: it is asked for again after these milliseconds.
const PAUSES: [u64; 5] = [50, 100, 200, 400, 800];

/// What is new of a run.
#[derive(Debug)]
pub(crate) struct News {
    /// Which run.
    pub(crate) run: RunId,
    /// What.
    pub(crate) what: What,
}

/// What is new.
#[derive(Debug)]
pub(crate) enum What {
    /// It is there, and followed from now on.
    Begun(Box<Live>),
    /// Something happened in it.
    Said(Message),
    /// Its last event was told, or it cannot be followed any more.
    Over(Result<(), gorch_client::Error>),
}

/// What became of the wish to follow a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    Yes,
    /// It was wished before.
    Already,
    /// As many as may be are followed.
    TooMany,
}

/// The streams.
#[derive(Debug)]
pub(crate) struct Streams {
    client: Client,
    /// Tasks of their own: reading must not be cancelled in mid-connect by every tick of the clock.
    readers: JoinSet<()>,
    sender: mpsc::Sender<News>,
    inbox: mpsc::Receiver<News>,
    known: BTreeSet<RunId>,
    below: BTreeSet<RunId>,
}

impl Streams {
    /// Follows the first run; gives its document. What keeps it from being followed is an error.
    pub(crate) async fn open(client: &Client, run: RunId) -> Result<(Streams, Live), gorch_client::Error> {
        let (live, stream) = begun(client, run).await?;
        let (sender, inbox) = mpsc::channel(1024);
        let (known, below) = (BTreeSet::from([run]), BTreeSet::new());
        let mut streams = Streams { client: client.clone(), readers: JoinSet::new(), sender, inbox, known, below };
        let sender = streams.sender.clone();
        streams.readers.spawn(async move { drop(told(run, stream, &sender).await) });
        Ok((streams, live))
    }

    /// Follows a run below. That it cannot be followed is told as its end.
    pub(crate) fn follow(&mut self, run: RunId) -> Followed {
        if self.known.contains(&run) {
            return Followed::Already;
        }
        if self.below.len() >= MOST {
            return Followed::TooMany;
        }
        self.known.insert(run);
        self.below.insert(run);
        let (client, sender) = (self.client.clone(), self.sender.clone());
        self.readers.spawn(async move {
            let what = match patiently_begun(&client, run).await {
                Ok((live, stream)) => {
                    let begun = News { run, what: What::Begun(Box::new(live)) };
                    if sender.send(begun).await.is_ok() {
                        drop(told(run, stream, &sender).await);
                    }
                    return;
                }
                Err(error) => What::Over(Err(error)),
            };
            drop(sender.send(News { run, what }).await);
        });
        Followed::Yes
    }

    /// The next that is new of any of them. What is over is followed no more.
    pub(crate) async fn next(&mut self) -> News {
        let news = self.inbox.recv().await.expect("a sender is kept here");
        if let What::Over(_) = news.what {
            self.below.remove(&news.run);
        }
        news
    }

    /// Is no run below followed any more?
    pub(crate) fn is_alone(&self) -> bool {
        self.below.is_empty()
    }
}

async fn begun(client: &Client, run: RunId) -> Result<(Live, EventStream), gorch_client::Error> {
    Ok((client.live(run).await?, client.events(run, 0).await?))
}

async fn patiently_begun(client: &Client, run: RunId) -> Result<(Live, EventStream), gorch_client::Error> {
    for pause in PAUSES.map(Duration::from_millis) {
        match begun(client, run).await {
            Err(error) if error.code() == Some("not_found") || error.is_passing() => tokio::time::sleep(pause).await,
            Ok(begun) => return Ok(begun),
            Err(error) => return Err(error),
        }
    }
    begun(client, run).await
}

/// Passes a stream on to its end, or until nobody listens.
async fn told(
    run: RunId,
    mut stream: EventStream,
    to: &mpsc::Sender<News>,
) -> Result<(), mpsc::error::SendError<News>> {
    loop {
        let (what, is_over) = match stream.next().await {
            Ok(Some(message)) => (What::Said(message), false),
            Ok(None) => (What::Over(Ok(())), true),
            Err(error) => (What::Over(Err(error)), true),
        };
        to.send(News { run, what }).await?;
        if is_over {
            return Ok(());
        }
    }
}
