//! The watch itself: a stream of events, a clock, a signal, a place to show it.
//!
//! Owns how long a watch lasts and what it prints when. Promises: it shows every event once, survives an orchestrator
//! that restarts, and leaves the run alone: Ctrl-C only ends the watching.

use std::time::Duration;

use gorch_client::{Client, Message};
use gorch_schema::RunId;
use gorch_schema::view::ProgressView;
use tokio::time::Instant;

use crate::command::say;
use crate::context::Output;
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::text::{now, short};
use crate::watch::board::{Board, Phase};
use crate::watch::family::Family;
use crate::watch::frame::frame;
use crate::watch::lines;
use crate::watch::screen::Screen;
use crate::watch::streams::{Followed, MOST, News, Streams, What};

/// A picture this often while something moves.
const TICK: Duration = Duration::from_millis(100);

/// When the run has ended, what is left to hear of the runs below is waited for so long: one that nobody waits for may go
/// on for ever.
const LINGER: Duration = Duration::from_secs(2);

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

/// Follows a run from its first event to its end and shows it, with the runs that its nodes are. The exit code is that of
/// the run.
pub(crate) async fn follow(
    client: &Client,
    run: RunId,
    output: Output,
    style: Style,
    patience: Patience,
) -> Result<Exit, Error> {
    let deadline = patience.map(|patience| Instant::now() + patience);
    let (streams, live) = Streams::open(client, run).await?;
    let mut show = Show {
        streams,
        family: Family::new(Board::new(run, &live)),
        output,
        screen: if style == Style::Fitting && output == Output::Text { Screen::open() } else { None },
        away: None,
        left_out: 0,
        rest_until: Instant::now(),
    };
    show.run(deadline).await
}

struct Show {
    streams: Streams,
    family: Family,
    output: Output,
    screen: Option<Screen>,
    /// The orchestrator is away.
    away: Option<String>,
    /// So many runs below are not followed.
    left_out: usize,
    /// Drawing a huge run takes its time: it gets a tenth of it.
    rest_until: Instant,
}

impl Show {
    async fn run(&mut self, deadline: Option<Instant>) -> Result<Exit, Error> {
        let mut interrupt = Interrupt::listen()?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut last = None;
        loop {
            tokio::select! {
                news = self.streams.next() => {
                    let is_root = news.run == self.family.root().run;
                    match news.what {
                        What::Over(over) if is_root => {
                            over?;
                            last = Some(Instant::now() + LINGER);
                        }
                        What::Begun(_) | What::Said(_) | What::Over(_) => self.take(news)?,
                    }
                    if last.is_some() && self.streams.is_alone() {
                        return self.end();
                    }
                },
                _ = tick.tick(), if self.screen.is_some() => {
                    if Instant::now() >= self.rest_until {
                        self.draw()?;
                    }
                }
                () = interrupt.next() => return self.detach(),
                () = until(last) => return self.end(),
                () = until(deadline) => return self.give_up(),
            }
        }
    }

    fn take(&mut self, News { run, what }: News) -> Result<(), Error> {
        let is_root = run == self.family.root().run;
        match what {
            What::Begun(live) => self.family.adopt(Board::new(run, &live)),
            What::Said(Message::Event(event)) => {
                if self.output == Output::Json {
                    say(&serde_json::to_string(&event).expect("an event that was read can be written"))?;
                } else if self.screen.is_none()
                    && let Some(board) = self.family.board(run)
                {
                    for line in lines::lines(board, &event) {
                        say(&line)?;
                    }
                }
                if let Some(child) = self.family.apply(&event) {
                    self.follow(child);
                }
            }
            What::Said(Message::Note { kind, data }) => self.hear(run, &kind, &data)?,
            What::Said(Message::Away(error)) if is_root => {
                let note = lines::away(self.family.root(), &error);
                if self.screen.is_none() {
                    eprintln!("{note}");
                }
                self.away = Some(note);
            }
            What::Said(Message::Back) if is_root => {
                if self.screen.is_none() {
                    eprintln!("{}: connected again, nothing was missed", short(run));
                }
                self.away = None;
            }
            // The root's own streams say so, too. A run below that is not there has nothing to tell: its node says why.
            What::Said(Message::Away(_) | Message::Back) | What::Over(_) => {}
        }
        Ok(())
    }

    /// As JSON a watch gives the run's own events and no others, so that a program can read them to their end.
    fn follow(&mut self, child: RunId) {
        if self.output == Output::Json {
            return;
        }
        match self.streams.follow(child) {
            Followed::Yes | Followed::Already => {}
            Followed::TooMany => {
                if self.screen.is_none() && self.left_out == 0 {
                    eprintln!("{MOST} runs of nodes are followed at a time; others are left out, such as {child}");
                }
                self.left_out += 1;
            }
        }
    }

    fn hear(&mut self, run: RunId, kind: &str, data: &str) -> Result<(), Error> {
        if self.output == Output::Json {
            say(&format!("{{\"note\":{},\"data\":{}}}", quoted(kind), as_json(data)))?;
        }
        let Ok(view) = serde_json::from_str::<ProgressView>(data) else { return Ok(()) };
        let Some(board) = self.family.board_mut(run) else { return Ok(()) };
        if self.output == Output::Text && self.screen.is_none() {
            for line in lines::items(now(), &view).iter().chain(&lines::progress(now(), board, &view)) {
                say(line)?;
            }
        }
        board.hear(view.node, &view.changes);
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Error> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let began = Instant::now();
        let left_out = || format!("{} runs of nodes are not followed ({MOST} are at a time)", self.left_out);
        let note = self.away.clone().or_else(|| (self.left_out > 0).then(left_out));
        let picture = frame(&self.family, screen.canvas(), now(), note.as_deref());
        screen.draw(&picture)?;
        self.rest_until = began + began.elapsed() * 10;
        Ok(())
    }

    fn end(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        if self.output == Output::Text
            && let Some(line) = lines::end(self.family.root())
        {
            say(&line)?;
        }
        Ok(match &self.family.root().phase {
            Phase::Ended { .. } => Exit::of_run(Some(self.family.root().state())),
            Phase::Going | Phase::Cancelling => Exit::Error,
        })
    }

    fn detach(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        let id = short(self.family.root().run);
        eprintln!("detached: run {id} goes on; see it again with `gorch watch {id}`, stop it with `gorch cancel {id}`");
        Ok(Exit::Interrupted)
    }

    fn give_up(&mut self) -> Result<Exit, Error> {
        self.draw()?;
        let id = short(self.family.root().run);
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
