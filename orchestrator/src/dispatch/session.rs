//! The session with one executor: all orders on one request's body, all news on its answer's.
//!
//! Owns the connection and who hears of which attempt. Promises: orders that are given at the same time travel together,
//! and each follower hears of its attempt in order, or that the session broke; what was called back is not said any more. It is
//! opened when there is something to say and closed when nothing has been out for a while. Never repeats an order: who gave it gives it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use gorch_schema::session::{LONGEST_NEWS, LONGEST_ORDER, Lines, News, Order, PULSE, SILENCE};
use gorch_schema::{AttemptId, Problem, planted};
use slog::{Logger, debug, warn};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::link::{Error, open};
use super::road::{Opening, Pieces, Road};

/// An executor answers the opening of a session within this.
const OPENING: Duration = Duration::from_secs(10);
/// A session on which nothing is out is closed after this.
const IDLE: Duration = Duration::from_secs(30);
/// Orders that travel together at most.
const TOGETHER: usize = 256;

/// What is heard of an attempt.
#[derive(Debug)]
pub(crate) enum Heard {
    News(News),
    /// No session could be opened: the order was not sent.
    Unsent,
    /// The session is over; whatever was not answered has to be asked again.
    Broken,
}

/// Where the news of an attempt goes.
type Follower = mpsc::UnboundedSender<Heard>;

/// An order and who wants to hear what came of it.
struct Given {
    order: Order,
    follower: Follower,
}

/// Where orders are given; clones share it. The session ends with the last one.
#[derive(Clone)]
pub(super) struct Session(mpsc::UnboundedSender<Given>);

impl Session {
    /// Nothing is opened before the first order.
    pub(super) fn begin(road: Arc<dyn Road>, log: Logger) -> Self {
        let (given, orders) = mpsc::unbounded_channel();
        tokio::spawn(Line { road, orders, followers: BTreeMap::new(), log }.hold());
        Session(given)
    }

    pub(super) fn give(&self, order: Order, news: &Follower) {
        // The other end lives as long as this one; if it panicked, the follower hears that nobody has its sender.
        let _ = self.0.send(Given { order, follower: news.clone() });
    }
}

/// The session's own side.
struct Line {
    road: Arc<dyn Road>,
    orders: mpsc::UnboundedReceiver<Given>,
    followers: BTreeMap<AttemptId, Follower>,
    log: Logger,
}

/// Why a session is over.
enum Over {
    /// Nobody can give orders any more.
    Unwanted,
    /// Nothing is out.
    Idle,
}

impl Line {
    async fn hold(mut self) {
        loop {
            let mut given = Vec::new();
            if self.orders.recv_many(&mut given, TOGETHER).await == 0 {
                return;
            }
            let (body, orders) = mpsc::unbounded_channel();
            let (over, is_open) = match self.open(orders).await {
                Ok(answer) => {
                    self.pass_on(given, &body);
                    (self.converse(answer, &body).await, true)
                }
                Err(error) => {
                    self.followers.extend(given.into_iter().map(|given| (given.order.attempt(), given.follower)));
                    (Err(error), false)
                }
            };
            match over {
                Ok(Over::Unwanted) => {
                    debug!(self.log, "session closed"; "cause" => "the executor is reached elsewhere")
                }
                Ok(Over::Idle) => debug!(self.log, "session closed"; "cause" => "nothing is out"),
                Err(Error::Refused(problem)) => {
                    warn!(self.log, "executor refuses a session"; "code" => &problem.code, "detail" => &problem.detail);
                }
                Err(error) => debug!(self.log, "session broke"; "cause" => crate::chain(&error)),
            }
            for follower in std::mem::take(&mut self.followers).into_values() {
                if planted("tell_nobody_that_a_session_broke") {
                    std::mem::forget(follower);
                    continue;
                }
                let _ = follower.send(if is_open { Heard::Broken } else { Heard::Unsent });
            }
        }
    }

    /// Opens the request. Nothing is in its body yet: an order that waited there for a process that could not be reached
    /// would come to the next one of that name, whatever became of its attempt meanwhile.
    async fn open(&self, orders: mpsc::UnboundedReceiver<Bytes>) -> Result<Pieces, Error> {
        let opening = open(&self.road, Opening { path: "/v1/session".to_owned(), body: Some(orders) });
        timeout(OPENING, opening).await.map_err(|_| Error::Silent(OPENING))?
    }

    async fn converse(&mut self, mut answer: Pieces, body: &mpsc::UnboundedSender<Bytes>) -> Result<Over, Error> {
        let mut lines = Lines::new(LONGEST_NEWS);
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut last_order) = (Instant::now(), Instant::now());
        let mut given = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = pulse.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Error::Silent(SILENCE));
                    }
                    self.followers.retain(|_, follower| !follower.is_closed());
                    if self.followers.is_empty() && last_order.elapsed() > IDLE {
                        return Ok(Over::Idle);
                    }
                    let _ = body.send(Bytes::from_static(b"\n"));
                }
                piece = answer.next() => {
                    let Some(piece) = piece.transpose().map_err(Error::Unreachable)? else { return Err(Error::Broken) };
                    heard = Instant::now();
                    self.tell(&mut lines, &piece)?;
                }
                orders = self.orders.recv_many(&mut given, TOGETHER) => {
                    if orders == 0 {
                        return Ok(Over::Unwanted);
                    }
                    last_order = Instant::now();
                    // What others are about to say at this moment travels with it.
                    tokio::task::yield_now().await;
                    while given.len() < TOGETHER && let Ok(more) = self.orders.try_recv() {
                        given.push(more);
                    }
                    self.pass_on(std::mem::take(&mut given), body);
                }
            }
        }
    }

    /// Sends orders as one piece and notes who follows. What nobody follows any more was called back.
    fn pass_on(&mut self, given: Vec<Given>, body: &mpsc::UnboundedSender<Bytes>) {
        let mut text = Vec::new();
        for Given { order, follower } in given {
            if follower.is_closed() {
                continue;
            }
            let begin = text.len();
            let written = serde_json::to_writer(&mut text, &order);
            let (attempt, length) = (order.attempt(), text.len() - begin);
            if written.is_err() || length > LONGEST_ORDER {
                // Sent all the same it would end the session, and with it everybody else's news.
                text.truncate(begin);
                let problem = Box::new(Problem::new("too_large", too_large(length)));
                let _ = follower.send(Heard::News(News::Refused { attempt, order: order.kind(), problem }));
                continue;
            }
            text.push(b'\n');
            self.followers.insert(attempt, follower);
        }
        if !text.is_empty() {
            // An error says that the request is over, which the answer says as well.
            let _ = body.send(Bytes::from(text));
        }
    }

    fn tell(&mut self, lines: &mut Lines, piece: &[u8]) -> Result<(), Error> {
        let mut strange = None;
        let read = lines.push(piece, |line| match serde_json::from_slice::<News>(line) {
            Ok(news) => self.told(news),
            Err(error) => strange = Some(error.to_string()),
        });
        match strange.or_else(|| read.err().map(|error| error.to_string())) {
            Some(cause) => Err(Error::Babble(cause)),
            None => Ok(()),
        }
    }

    fn told(&mut self, news: News) {
        let attempt = news.attempt();
        if let News::Forgotten(_) = news {
            // The last that is heard of it.
            if let Some(follower) = self.followers.remove(&attempt) {
                let _ = follower.send(Heard::News(news));
            }
        } else if let Some(follower) = self.followers.get(&attempt)
            && follower.send(Heard::News(news)).is_err()
        {
            self.followers.remove(&attempt);
        }
    }
}

fn too_large(length: usize) -> String {
    format!(
        "artifact, arguments, environment and input of the attempt are {length} bytes together, expected at most \
         {LONGEST_ORDER}"
    )
}
