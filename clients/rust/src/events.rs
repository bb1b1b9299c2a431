//! Following what happens, without gaps.
//!
//! Owns the event streams of one run and of all runs. Promises: events of a run are given out in the order of their
//! numbers, each once, none left out, whatever happens to the connection; a stream of a run ends after its
//! `run_ended`. Lines without an id (progress) are passed on and never replayed. While the orchestrator is away it is
//! tried again for ever: who has less patience drops the stream. Never decides what an event means.

use std::time::Duration;

use gorch_schema::view::{EventView, State};
use gorch_schema::{Event, RunId};
use reqwest::Response;

use crate::client::{Client, Request};
use crate::error::Error;
use crate::runs::Backoff;
use crate::sse::{self, Frame, Parser};

/// A connection on which nothing came for so long, not even a comment, is taken for dead.
const SILENCE: Duration = Duration::from_secs(60);

/// What a stream gives out.
#[derive(Debug)]
pub enum Message {
    /// A fact of the journal.
    Event(Box<EventView>),
    /// A line that is no fact: progress, log.
    Note {
        /// Its `event` field.
        kind: String,
        /// Its data as sent.
        data: String,
    },
    /// The connection is gone; it is being tried again.
    Away(Error),
    /// It is there again; nothing was missed.
    Back,
}

/// A stream of events that outlives its connection.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
    of: Of,
    connection: Option<Connection>,
    /// The `id` of the last frame that was given out.
    last_id: Option<String>,
    backoff: Backoff,
    away: bool,
    /// The run is known to have ended, though its last event was not given out.
    ended: bool,
    over: bool,
}

#[derive(Debug, Clone)]
enum Of {
    Run { run: RunId, last: u64 },
    All,
}

#[derive(Debug)]
struct Connection {
    url: reqwest::Url,
    response: Response,
    parser: Parser,
    ready: std::collections::VecDeque<Frame>,
    /// Something came.
    spoke: bool,
}

impl Client {
    /// The events of one run after number `after` (0: from the first). The first connection's errors are returned.
    pub async fn events(&self, run: RunId, after: u64) -> Result<EventStream, Error> {
        self.stream(Of::Run { run, last: after }, (after > 0).then(|| after.to_string())).await
    }

    /// The events of all runs after a cursor (an earlier frame's id); without one, from now on as the server sees it.
    pub async fn all_events(&self, after: Option<String>) -> Result<EventStream, Error> {
        self.stream(Of::All, after).await
    }

    async fn stream(&self, of: Of, last_id: Option<String>) -> Result<EventStream, Error> {
        let mut stream = EventStream {
            client: self.clone(),
            of,
            connection: None,
            last_id,
            backoff: Backoff::default(),
            away: false,
            ended: false,
            over: false,
        };
        stream.connection = Some(stream.connect().await?);
        Ok(stream)
    }
}

impl EventStream {
    /// The next message; `None` after the run's last event. An error ends the stream: the run was forgotten, the
    /// identity may not read it, or what comes is no event stream.
    pub async fn next(&mut self) -> Result<Option<Message>, Error> {
        loop {
            if self.over {
                return Ok(None);
            }
            let Some(connection) = &mut self.connection else {
                tokio::time::sleep(self.backoff.next().unwrap_or_default()).await;
                match self.connect().await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) if error.is_passing() => {
                        if let Some(message) = self.lost(error) {
                            return Ok(Some(message));
                        }
                    }
                    Err(error) => return Err(self.end(error)),
                }
                if self.connection.is_some() && std::mem::take(&mut self.away) {
                    return Ok(Some(Message::Back));
                }
                continue;
            };
            match connection.frame().await {
                Ok(Some(frame)) => match self.take(frame) {
                    Ok(Some(message)) => return Ok(Some(message)),
                    Ok(None) => {}
                    Err(source) => {
                        let url = self.client.base().to_string();
                        return Err(self.end(Error::BadStream { url, source }));
                    }
                },
                // The server closed an orderly stream before the end: ask again, without a word.
                Ok(None) => self.closed().await,
                Err(error) if error.is_passing() => {
                    self.connection = None;
                    if let Some(message) = self.lost(error) {
                        return Ok(Some(message));
                    }
                }
                Err(error) => return Err(self.end(error)),
            }
        }
    }

    /// An orderly end without `run_ended`. A run that had ended before this connection began, and had nothing to give,
    /// will never give anything: the caller began after its last event.
    async fn closed(&mut self) {
        let connection = self.connection.take();
        let is_empty = connection.is_some_and(|connection| !connection.spoke);
        if let Of::Run { run, .. } = self.of
            && is_empty
        {
            self.over = self.ended;
            let summary = self.client.state(run).await;
            self.ended = summary.is_ok_and(|run| State::from_word(&run.state).is_some_and(State::is_terminal));
        }
    }

    /// The id of the last frame given out: where a later stream can go on.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn lost(&mut self, error: Error) -> Option<Message> {
        (!std::mem::replace(&mut self.away, true)).then_some(Message::Away(error))
    }

    fn end(&mut self, error: Error) -> Error {
        self.over = true;
        error
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let request: Request = match &self.of {
            Of::Run { run, .. } => self.client.get(&["v1", "tasks", &run.to_string(), "events"]),
            Of::All => self.client.get(&["v1", "events"]),
        };
        let request = request.header("accept", "text/event-stream");
        let request = match &self.last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let answer = request.send().await?;
        Ok(Connection {
            url: answer.url,
            response: answer.response,
            parser: Parser::default(),
            ready: std::collections::VecDeque::new(),
            spoke: false,
        })
    }

    /// What a frame is worth: nothing if it was given out before or if one before it is missing (then the connection
    /// is dropped and asked again from the last one).
    fn take(&mut self, frame: Frame) -> Result<Option<Message>, sse::Error> {
        let Some(id) = frame.id else {
            return Ok(Some(Message::Note { kind: frame.event.unwrap_or_default(), data: frame.data }));
        };
        let event: EventView = serde_json::from_str(&frame.data).map_err(sse::Error::NotAnEvent)?;
        self.backoff = Backoff::default();
        if let Of::Run { last, .. } = &mut self.of {
            if event.seq <= *last {
                return Ok(None);
            }
            if event.seq != *last + 1 {
                self.connection = None;
                return Ok(None);
            }
            *last = event.seq;
            self.over = matches!(event.event, Event::RunEnded { .. });
        }
        self.last_id = Some(id);
        Ok(Some(Message::Event(Box::new(event))))
    }
}

impl Connection {
    async fn frame(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.spoke = true;
                return Ok(Some(frame));
            }
            let chunk = match tokio::time::timeout(SILENCE, self.response.chunk()).await {
                Ok(chunk) => chunk.map_err(|source| Error::of_body(&self.url, source))?,
                Err(_silent) => return Ok(None),
            };
            let Some(chunk) = chunk else { return Ok(None) };
            let mut frames = Vec::new();
            let url = &self.url;
            let bad = |source| Error::BadStream { url: url.to_string(), source };
            self.parser.push(&chunk, &mut frames).map_err(bad)?;
            self.ready.extend(frames);
        }
    }
}
