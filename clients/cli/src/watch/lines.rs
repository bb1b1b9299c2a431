//! One line per transition: what can be searched.
//!
//! Owns the lines of `gorch watch` where no terminal is: `AT RUN node=NAME visit=N state=WORD ...`. Promises: one line
//! per change of a node's or the run's state, `key=value` pairs, values quoted where they are more than a word. Never
//! draws.

use std::fmt::Write as _;

use gorch_schema::progress::Status;
use gorch_schema::view::{EventView, ProgressView, RunSummary, State};
use gorch_schema::{Advance, Event, Failure, NodeId, RunDeadline, StopReason, Timestamp};

use crate::text::{short, took, value};
use crate::watch::board::{Board, Phase, Row};

/// The lines of one event; the board is as it was before the event.
pub(crate) fn lines(board: &Board, view: &EventView) -> Vec<String> {
    let step = |node: &NodeId, visit: &u32, state: &str| {
        let name = board.rows.get(node.index()).map_or_else(|| node.to_string(), |row| row.name.clone());
        format!("node={} visit={visit} state={state}", value(&name))
    };
    let texts = match &view.event {
        Event::StepActivated { node, visit, .. } => vec![step(node, visit, State::ToRun.word())],
        Event::AttemptStarted { node, visit, item, attempt, executor, until, .. } => {
            let mut text = step(node, visit, State::Running.word());
            let row = board.rows.get(node.index());
            push(&mut text, "item", row.and_then(|row| row.each).map(|_| item.to_string()));
            push(&mut text, "attempt", (*attempt > 1).then(|| attempt.to_string()));
            push(&mut text, "executor", executor.as_ref().map(ToString::to_string));
            push(&mut text, "child", board.child(view).map(short));
            let waits = || row.and_then(|row| row.waits.clone());
            push(&mut text, "waits", until.map(|until| format!("until {until}")).or_else(waits));
            vec![text]
        }
        Event::AttemptEnded { node, visit, attempt, result, retry_at: Some(at), .. } => {
            let mut text = step(node, visit, State::ToRun.word());
            push(&mut text, "attempt", Some(attempt.to_string()));
            push_failure(&mut text, result.outcome.failure());
            push(&mut text, "retry_at", Some(at.to_string()));
            vec![text]
        }
        Event::AttemptEnded { node, visit, late: true, .. } => {
            let mut text = step(node, visit, "late");
            push(&mut text, "note", Some("a result came after its executor was lost; it changes nothing".into()));
            vec![text]
        }
        Event::StepStopping { node, visit, reason, .. } => {
            let mut text = step(node, visit, "stopping");
            push(&mut text, "reason", Some(reason_word(*reason).to_owned()));
            vec![text]
        }
        Event::StepEnded { node, visit, outcome, label, reused_from, .. } => {
            let mut text = step(node, visit, State::of(outcome).word());
            let row = board.rows.get(node.index()).filter(|row| row.visits == visit + 1);
            let took_of = |since: Timestamp| took(view.at.since(since));
            push(&mut text, "took", row.and_then(|row| row.since).map(took_of));
            push(&mut text, "label", label.clone());
            push(&mut text, "reused_from", reused_from.map(short));
            push_failure(&mut text, outcome.failure());
            vec![text]
        }
        Event::NodesSkipped { nodes, .. } => {
            nodes.iter().map(|node| step(node, &0, State::NotRunnable.word()).replacen(" visit=0", "", 1)).collect()
        }
        Event::RunAccepted(_) => {
            vec![format!("name={} nodes={} state=torun", value(&board.name), board.rows.len())]
        }
        Event::CancelRequested { by } => vec![format!("state=cancelling by={}", value(by))],
        Event::Paused => vec!["state=paused".to_owned()],
        Event::Resumed => vec!["state=resumed".to_owned()],
        Event::SignalReceived { name, .. } => vec![format!("signal={}", value(name))],
        Event::DeadlinePassed { which: RunDeadline::Timeout } => vec!["passed=timeout".to_owned()],
        Event::DeadlinePassed { which: RunDeadline::Kill } => vec!["passed=kill_after".to_owned()],
        Event::CapReached => vec!["passed=max_visits".to_owned()],
        Event::AttemptEnded { node, visit, item, result, retry_at: None, late: false, .. } => {
            // Only an item of an `each` has an end of its own.
            let row = board.rows.get(node.index()).filter(|row| row.each.is_some());
            let line = |row: &Row| {
                let ended = State::of(&result.outcome).word();
                let mut text = format!("node={} visit={visit} item={item} ended={ended}", value(&row.name));
                push_failure(&mut text, result.outcome.failure());
                text
            };
            row.map(line).into_iter().collect()
        }
        // The first says nothing about a node; the last is `end`, after which nothing is printed.
        Event::RunClaimed { .. } | Event::RunEnded { .. } => Vec::new(),
    };
    texts.into_iter().map(|text| format!("{} {} {text}", view.at, short(view.run))).collect()
}

/// The lines of what an attempt works on: one for each that came to something.
pub(crate) fn items(at: Timestamp, view: &ProgressView) -> Vec<String> {
    let told = view.changes.items.iter().filter(|item| item.status != Status::Running);
    told.map(|item| {
        let mut text = format!("node={} item={} status={}", value(&view.name), value(&item.name), item.status.word());
        push(&mut text, "what", Some(item.what.clone()).filter(|what| !what.is_empty()));
        push(&mut text, "message", item.message.clone());
        format!("{at} {} {text}", short(view.run))
    })
    .collect()
}

/// The line of how far an attempt is: for each tenth that it has come to, and for what it says without a number. The
/// board is as it was before.
pub(crate) fn progress(at: Timestamp, board: &Board, view: &ProgressView) -> Option<String> {
    let said = view.changes.progress.as_ref()?;
    let before = board.rows.get(view.node.index()).and_then(|row| row.progress.as_ref());
    let tenth = |said: &Advance| said.percent.map(|percent| percent.whole() / 10);
    if said.percent.is_some() && before.is_some_and(|before| tenth(before) == tenth(said)) {
        return None;
    }
    let mut text = format!("node={}", value(&view.name));
    push(&mut text, "progress", said.percent.map(|percent| percent.to_string()));
    push(&mut text, "text", Some(said.text.clone()).filter(|text| !text.is_empty()));
    Some(format!("{at} {} {text}", short(view.run)))
}

/// The last line of a watch: how the run ended.
pub(crate) fn end(board: &Board) -> Option<String> {
    let Phase::Ended { at, outcome } = &board.phase else { return None };
    let mut text = format!("run={} state={}", board.run, State::of(outcome).word());
    push(&mut text, "took", board.since.map(|since| took(at.since(since))));
    push_failure(&mut text, outcome.failure());
    Some(text)
}

/// The same line from a summary.
pub(crate) fn verdict(run: &RunSummary) -> String {
    let mut text = format!("run={} state={}", run.id, run.state);
    push(&mut text, "took", run.stop_date.map(|at| took(at.since(run.start_date))));
    push_failure(&mut text, run.failure.as_ref());
    text
}

/// Whether a stream goes on somewhere else is no transition, but a watcher should know.
pub(crate) fn away(run: &Board, error: &gorch_client::Error) -> String {
    format!("{}: {error}; the run is not touched by this, trying again", short(run.run))
}

fn reason_word(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Cancelled => "cancelled",
        StopReason::Deadline => "deadline",
        StopReason::RunTimeout => "run_timeout",
        StopReason::Killed => "killed",
        StopReason::FailFast => "fail_fast",
        StopReason::Loser => "loser",
        StopReason::Decided => "decided",
        StopReason::BusySkip | StopReason::BusyFail => "lock_busy",
        StopReason::HeldAbove => "lock_held_above",
    }
}

fn push(text: &mut String, key: &str, found: Option<String>) {
    if let Some(found) = found {
        write!(text, " {key}={}", value(&found)).expect("writing to a string");
    }
}

fn push_failure(text: &mut String, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        push(text, "code", Some(failure.code.clone()));
        push(text, "exhausted", failure.exhausted.then(|| "true".to_owned()));
        push(text, "message", Some(failure.message.clone()).filter(|message| !message.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::board::tests::{board, far, hosts, story};
    use gorch_schema::progress::Changes;

    #[test]
    fn what_came_to_something_is_one_line() {
        let attempt: gorch_schema::AttemptId = "019aa1b2c3d47abc8def0123456789ab.3.0.0.1".parse().unwrap();
        let (run, node) = (attempt.run, NodeId(3));
        let on = |items| Changes { items, progress: None };
        let view = ProgressView { run, node, name: "docs".to_owned(), attempt, changes: on(hosts()) };
        insta::assert_snapshot!(items(Timestamp::from_millis(1_700_000_000_000), &view).join("\n"), @r#"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs item=web1 status=changed what="install nginx"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs item=web3 status=failed what=look message="no disk"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs item=web4 status=ok what=look
        "#);
    }

    #[test]
    fn each_tenth_of_the_way_is_one_line() {
        let attempt: gorch_schema::AttemptId = "019aa1b2c3d47abc8def0123456789ab.3.0.0.1".parse().unwrap();
        let mut board = board();
        story().iter().take(10).for_each(|event| board.apply(event));
        let said =
            [(Some("1"), "begun"), (Some("9.9"), "on"), (Some("10"), "page 2"), (None, "linking"), (Some("100"), "")];
        let mut lines = Vec::new();
        for (percent, text) in said {
            let (run, node, changes) = (attempt.run, NodeId(3), far(percent, text));
            let view = ProgressView { run, node, name: "docs".to_owned(), attempt, changes };
            lines.extend(progress(Timestamp::from_millis(1_700_000_000_000), &board, &view));
            board.hear(node, &view.changes);
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs progress=1% text=begun
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs progress=10% text="page 2"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs text=linking
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=docs progress=100%
        "#);
    }

    #[test]
    fn every_transition_is_one_line_that_can_be_searched() {
        let (mut board, mut text) = (board(), Vec::new());
        for event in story() {
            text.extend(lines(&board, &event));
            board.apply(&event);
        }
        text.extend(end(&board));
        insta::assert_snapshot!(text.join("\n"), @r#"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 name=demo nodes=4 state=torun
        2023-11-14T22:13:20.001Z 019aa1b2c3d4 node=build visit=0 state=torun
        2023-11-14T22:13:20.002Z 019aa1b2c3d4 node=build visit=0 state=running executor=e1
        2023-11-14T22:13:20.800Z 019aa1b2c3d4 node=build visit=0 state=success took=0.7s
        2023-11-14T22:13:20.800Z 019aa1b2c3d4 node=test visit=0 state=torun
        2023-11-14T22:13:20.800Z 019aa1b2c3d4 node=docs visit=0 state=torun
        2023-11-14T22:13:20.801Z 019aa1b2c3d4 node=test visit=0 state=running executor=e1
        2023-11-14T22:13:20.802Z 019aa1b2c3d4 node=docs visit=0 state=running executor=e1
        2023-11-14T22:13:21.000Z 019aa1b2c3d4 node=test visit=0 state=torun attempt=1 code=exit_nonzero message="exit code 1" retry_at=2023-11-14T22:13:21.300Z
        2023-11-14T22:13:21.300Z 019aa1b2c3d4 node=test visit=0 state=running attempt=2 executor=e1
        2023-11-14T22:13:21.600Z 019aa1b2c3d4 node=test visit=0 state=failure took=0.7s code=exit_nonzero exhausted=true message="exit code 1: assertion \"a = b\" failed"
        2023-11-14T22:13:21.600Z 019aa1b2c3d4 node="ship it" state=notrunnable
        2023-11-14T22:13:21.700Z 019aa1b2c3d4 state=cancelling by=spiffe://gorch.local/gorch/user/client
        2023-11-14T22:13:21.700Z 019aa1b2c3d4 node=docs visit=0 state=stopping reason=cancelled
        2023-11-14T22:13:21.900Z 019aa1b2c3d4 node=docs visit=0 state=canceled took=1.0s
        run=019aa1b2c3d47abc8def0123456789ab state=canceled took=1.9s
        "#);
    }

    #[test]
    fn runs_that_nodes_are_items_copies_and_waits_are_told() {
        let mut family = crate::watch::family::tests::root();
        let mut text = Vec::new();
        for event in crate::watch::family::tests::events() {
            text.extend(lines(family.root(), &event));
            family.apply(&event);
        }
        insta::assert_snapshot!(text.join("\n"), @r#"
        2023-11-14T22:13:20.000Z 019aa1b2c3d4 node=build visit=0 state=torun
        2023-11-14T22:13:20.001Z 019aa1b2c3d4 node=build visit=0 state=success took=0.00s reused_from=019aa1b2c3d3
        2023-11-14T22:13:20.002Z 019aa1b2c3d4 node=deploy visit=0 state=torun
        2023-11-14T22:13:20.003Z 019aa1b2c3d4 node=deploy visit=0 state=running child=4a22e47e67a8
        2023-11-14T22:13:20.004Z 019aa1b2c3d4 node=sites visit=0 state=torun
        2023-11-14T22:13:20.005Z 019aa1b2c3d4 node=sites visit=0 state=running item=0 child=b8a66e145ecd
        2023-11-14T22:13:20.006Z 019aa1b2c3d4 node=sites visit=0 state=running item=1 child=2a0baf2ddee2
        2023-11-14T22:13:20.007Z 019aa1b2c3d4 node=sites visit=0 state=running item=2 child=4d7be961a539
        2023-11-14T22:13:20.008Z 019aa1b2c3d4 node=sites visit=0 item=0 ended=success
        2023-11-14T22:13:20.009Z 019aa1b2c3d4 node=nap visit=0 state=torun
        2023-11-14T22:13:20.010Z 019aa1b2c3d4 node=nap visit=0 state=running waits="for 1h"
        2023-11-14T22:13:20.011Z 019aa1b2c3d4 node=go visit=0 state=torun
        2023-11-14T22:13:20.012Z 019aa1b2c3d4 node=go visit=0 state=running waits="for one of the signals go, stop"
        2023-11-14T22:13:20.013Z 019aa1b2c3d4 node=ask visit=0 state=torun
        2023-11-14T22:13:20.014Z 019aa1b2c3d4 node=ask visit=0 state=running waits="for an approval"
        "#);
    }
}
