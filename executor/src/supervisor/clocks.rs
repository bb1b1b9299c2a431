//! What is watched of a job while it runs: its timeout, its heartbeat, its lease, and how far it says it is.
//!
//! Owns the look at `$GORCH_PROGRESS`, now and then. Promises that a job which says nothing costs one timer and a few
//! looks, that what is said is shown a few times a second at most, and that a heartbeat is counted from the job's start
//! or its last sign, whoever was its executor then. Stops nothing itself: it says why, and the driver stops.

use std::time::Duration;

use gorch_schema::Timestamp;
use gorch_schema::progress::{Changes, TELLING};
use gorch_schema::work::Work;
use tokio::time::{Instant, sleep};

use super::advance;
use super::held::{Halt, Held, Progress};
use crate::clock::now;
use crate::lease::Leases;
use crate::output::{self, Beat, LastLine};
use crate::secrets::Redactor;

/// From one look to the next, where a job says something.
const BETWEEN: Duration = Duration::from_millis(250);
/// The same, where it has said nothing yet: the pause grows up to that.
const SELDOM: Duration = Duration::from_secs(1);

/// Watches a job that runs or is about to. Comes back when it is to be stopped, and not before.
pub(super) async fn watch(held: &Held, work: &Work, redactor: Option<&Redactor>, leases: &Leases) {
    tokio::select! {
        () = held.lapsed(leases) => held.halt(Halt::Fenced),
        () = timeout(held, work.timeout) => {}
        () = listen(held, work, redactor) => {}
    }
}

/// Shows what a job that is over said last.
pub(super) fn hear_last(held: &Held, work: &Work, redactor: Option<&Redactor>) {
    if tells(work) && held.place().is_some_and(|place| !place.is_untouched()) {
        hear(held, redactor, LastLine::IsWhole);
    }
}

/// Has it `$GORCH_PROGRESS`?
fn tells(work: &Work) -> bool {
    TELLING.contains(&work.engine.as_str())
}

async fn timeout(held: &Held, longest: Option<Duration>) {
    let Some(longest) = longest else { return std::future::pending().await };
    let since = started(held).await;
    sleep(longest.saturating_sub(now().since(since))).await;
    held.halt(Halt::Timeout(longest));
}

async fn listen(held: &Held, work: &Work, redactor: Option<&Redactor>) {
    if !tells(work) {
        return std::future::pending().await;
    }
    // Most jobs are over by then.
    sleep(BETWEEN).await;
    let since = started(held).await;
    let Some(place) = held.place() else { return std::future::pending().await };
    let mut seen = Beat::of(place);
    // What was before this executor, or this look, is known by the clock of the machine; from now on ours counts, which
    // nobody sets.
    let silent = now().since(seen.as_ref().map_or(since, |beat| beat.at().max(since)));
    let mut last = Instant::now().checked_sub(silent).unwrap_or_else(Instant::now);
    let mut pause = BETWEEN;
    if seen.is_some() {
        hear(held, redactor, LastLine::MayGrow);
    }
    loop {
        let left = work.settings.heartbeat.map(|longest| (longest, longest.saturating_sub(last.elapsed())));
        match left {
            Some((longest, Duration::ZERO)) => return held.halt(Halt::Silent(longest)),
            Some((_, left)) => sleep(pause.min(left)).await,
            None => sleep(pause).await,
        }
        let beat = Beat::of(place);
        if beat.is_some() && beat != seen {
            last = Instant::now();
            hear(held, redactor, LastLine::MayGrow);
        }
        pause = if beat.is_some() { BETWEEN } else { SELDOM.min(pause * 2) };
        seen = beat;
    }
}

/// Tells whoever follows how far it is, if that is news.
fn hear(held: &Held, redactor: Option<&Redactor>, last: LastLine) {
    let said = held.place().and_then(|place| output::last_said(place, last));
    let advance = said.and_then(|text| advance::parse(&text, redactor));
    if let Some(advance) = advance.filter(|advance| held.progress_said().as_ref() != Some(advance)) {
        held.say(Changes { progress: Some(advance), items: Vec::new() });
    }
}

async fn started(held: &Held) -> Timestamp {
    held.wait_for(Progress::is_running).await;
    held.started().unwrap_or_else(now)
}
