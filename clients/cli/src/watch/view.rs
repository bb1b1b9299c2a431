//! The watch itself: a stream of events, a clock, a signal, a place to show it.
//!
//! Owns how long a watch lasts and what it prints when. Promises: it shows every event once, survives an orchestrator
//! that restarts, and leaves the run alone: Ctrl-C only ends the watching.

use std::time::Duration;

use gorch_client::{Client, Message};
use gorch_schema::RunId;
use gorch_schema::view::ProgressView;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::command::say;
use crate::context::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::text::{now, short};
use crate::watch::board::{Board, Phase};
use crate::watch::frame::frame;
use crate::watch::lines;
use crate::watch::screen::Screen;

/// A picture this often while something moves.
const TICK: Duration = Duration::from_millis(100);

/// How long a watch lasts: until the run ends, at most so long.
pub(crate) type Patience = Option<Duration>;

/// How a watch is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A live tree on a terminal, lines elsewhere.
    Fitting,
    /// Lines.
    Lines,
}

/// Follows a run from its first event to its end and shows it. The exit code is that of the run.
pub(crate) async fn follow(
    client: &Client,
    run: RunId,
    output: Output,
    style: Style,
    patience: Patience,
) -> Result<Exit, Error> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    let live = client.live(run).await?;
    let mut stream = client.events(run, 0).await?;
    // A task of its own: reading must not be cancelled in mid-connect by every tick of the clock.
    let (messages, mut inbox) = mpsc::channel(1024);
    let reader = tokio::spawn(async move {
        loop {
            let message = stream.next().await.transpose();
            let last = matches!(message, None | Some(Err(_)));
            if let Some(message) = message
                && messages.send(message).await.is_err()
            {
                return;
            }
            if last {
                return;
            }
        }
    });
    let mut show = Show {
        board: Board::new(run, &live),
        output,
        screen: if style == Style::Fitting && output == Output::Text { Screen::open() } else { None },
        note: None,
        rest_until: Instant::now(),
    };
    let exit = show.run(&mut inbox, deadline).await;
    reader.abort();
    exit
}

struct Show {
    board: Board,
    output: Output,
    screen: Option<Screen>,
    note: Option<String>,
    /// Drawing a huge run takes its time: it gets a tenth of it.
    rest_until: Instant,
}

impl Show {
    async fn run(
        &mut self,
        inbox: &mut mpsc::Receiver<Result<Message, gorch_client::Error>>,
        deadline: Option<Instant>,
    ) -> Result<Exit, Error> {
        let mut interrupt = Interrupt::listen()?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message?)?,
                    None => return self.end(),
                },
                _ = tick.tick(), if self.screen.is_some() => {
                    if Instant::now() >= self.rest_until {
                        self.draw()?;
                    }
                }
                () = interrupt.next() => return self.detach(),
                () = until(deadline) => return self.give_up(),
            }
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Event(event) => {
                if self.output == Output::Json {
                    say(&serde_json::to_string(&event).expect("an event that was read can be written"))?;
                } else if self.screen.is_none() {
                    for line in lines::lines(&self.board, &event) {
                        say(&line)?;
                    }
                }
                self.board.apply(&event);
            }
            Message::Note { kind, data } => {
                if self.output == Output::Json {
                    say(&format!("{{\"note\":{},\"data\":{}}}", quoted(&kind), as_json(&data)))?;
                }
                if let Ok(view) = serde_json::from_str::<ProgressView>(&data) {
                    if self.output == Output::Text && self.screen.is_none() {
                        for line in lines::items(now(), &view).iter().chain(&lines::progress(now(), &self.board, &view))
                        {
                            say(line)?;
                        }
                    }
                    self.board.hear(view.node, &view.changes);
                }
            }
            Message::Away(error) => {
                let note = lines::away(&self.board, &error);
                if self.screen.is_none() {
                    eprintln!("{note}");
                }
                self.note = Some(note);
            }
            Message::Back => {
                if self.screen.is_none() {
                    eprintln!("{}: connected again, nothing was missed", short(self.board.run));
                }
                self.note = None;
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Error> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let began = Instant::now();
        let picture = frame(&self.board, screen.canvas(), now(), self.note.as_deref());
        screen.draw(&picture)?;
        self.rest_until = began + began.elapsed() * 10;
        Ok(())
    }

    fn end(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        if self.output == Output::Text
            && let Some(line) = lines::end(&self.board)
        {
            say(&line)?;
        }
        Ok(match self.board.phase {
            Phase::Ended { .. } => Exit::of_run(Some(self.board.state())),
            Phase::Going | Phase::Cancelling => Exit::Error,
        })
    }

    fn detach(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        let id = short(self.board.run);
        eprintln!("detached: run {id} goes on; see it again with `gorch watch {id}`, stop it with `gorch cancel {id}`");
        Ok(Exit::Interrupted)
    }

    fn give_up(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        let id = short(self.board.run);
        eprintln!("timed out waiting: run {id} goes on; see it again with `gorch watch {id}`");
        Ok(Exit::WaitTimedOut)
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Data that is JSON as it is, anything else as a string.
fn as_json(data: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(data) {
        Ok(value) => value.to_string(),
        Err(_) => quoted(data),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
