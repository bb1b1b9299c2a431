//! Roads that lose, delay and repeat.
//!
//! Owns the orchestrator's end of the network. Promises that what is handed over here arrives later, at an executor, as
//! the ether has it. Never answers by itself.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::StreamExt;
use gorch_orchestrator::dispatch::road::{Answer, Ask, Cut, Opened, Opening, Road, Roads};
use gorch_schema::ExecutorName;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::ether::{Ether, Happening, Line, Process};
use super::executor::SessionId;

/// The roads of one orchestrator.
pub(super) struct Network {
    pub(super) ether: Ether,
    pub(super) me: Process,
}

struct Way {
    ether: Ether,
    me: Process,
    to: usize,
}

impl Roads for Network {
    fn to(&self, executor: &ExecutorName, _url: &str) -> Result<Arc<dyn Road>, Cut> {
        let place = self.ether.state().executors.iter().position(|known| known.name == *executor);
        let to = place.ok_or_else(|| Cut::from(format!("there is no executor {executor}")))?;
        Ok(Arc::new(Way { ether: self.ether.clone(), me: self.me, to }))
    }
}

impl Road for Way {
    fn ask(&self, ask: Ask) -> BoxFuture<'static, Result<Answer, Cut>> {
        let (reply, answer) = oneshot::channel();
        let (from, to, patience) = (self.me, self.to, ask.patience);
        self.ether.with(|state, now| {
            let repeated = state.weather.repeated;
            if state.dice.chance(repeated) {
                let at = now + state.dice.below(5_000);
                state.schedule(at, Happening::Ask { from, to, ask: ask.clone(), reply: None });
            }
        });
        self.ether.send(Happening::Ask { from, to, ask, reply: Some(reply) });
        async move {
            let answer = timeout(patience, answer).await.map_err(|_| Cut::from("no answer came"))?;
            answer.map_err(|_| Cut::from("the connection was reset"))
        }
        .boxed()
    }

    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Opened, Cut>> {
        let Some(mut body) = opening.body else {
            return futures::future::ready(Err(Cut::from("nobody reads logs in a simulation"))).boxed();
        };
        let (from, to, ether) = (self.me, self.to, self.ether.clone());
        let (news, pieces) = mpsc::unbounded_channel();
        let (opened, open) = oneshot::channel();
        let session = SessionId(ether.state().next_number());
        let line = Box::new(Line { from, to, boot: 0, news, last: 0 });
        let is_there = ether.with(|state, now| {
            let at = now + state.latency();
            state.schedule(at, Happening::Open { session, line, opened });
            at
        });
        tokio::spawn(async move {
            let mut last = is_there;
            while let Some(piece) = body.recv().await {
                ether.with(|state, now| {
                    last = last.max(now + state.latency());
                    let repeated = state.weather.repeated;
                    if state.dice.chance(repeated) {
                        let later = last + state.dice.below(5_000);
                        state.schedule(later, Happening::Orders { session, from, to, piece: piece.clone() });
                    }
                    state.schedule(last, Happening::Orders { session, from, to, piece });
                });
            }
            ether.with(|state, now| {
                let at = last.max(now + state.latency());
                state.schedule(at, Happening::Close { session });
            });
        });
        async move {
            open.await.map_err(|_| Cut::from("the connection was refused"))?;
            let pieces =
                futures::stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
            Ok(Opened::Pieces(pieces.boxed()))
        }
        .boxed()
    }
}
