//! Runs, appends and registrations for tests: small, and different where it matters.

use std::collections::BTreeMap;

use gorch_schema::view::{Counts, RunSummary, State};
use gorch_schema::work::Registration;
use gorch_schema::{Accepted, Event, NodeId, Outcome, RunId, Timestamp};

use crate::journal::Append;

/// Run number n of a test.
pub(crate) fn run(n: u32) -> RunId {
    RunId::from_bits(0x0193_c8aa_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

/// Second n of a test.
pub(crate) fn at(n: u32) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + 1_000 * i64::from(n))
}

/// How run n looks in lists when it is accepted at second n.
pub(crate) fn summary(n: u32, state: State) -> RunSummary {
    RunSummary {
        id: run(n),
        name: format!("graph {n}"),
        state: state.word().into(),
        paused: false,
        start_date: at(n),
        stop_date: None,
        counts: Counts::default(),
        nodes: 2,
        namespace: String::new(),
        labels: BTreeMap::new(),
        failure: None,
        parent: None,
        rerun_of: None,
        undo_of: None,
        undone_by: None,
        outputs: BTreeMap::new(),
    }
}

/// Run n is accepted: its first event.
pub(crate) fn accept(n: u32) -> Append {
    let accepted = Event::RunAccepted(Accepted::new(format!("{{\"name\":\"graph {n}\"}}")));
    Append { summary: Some(summary(n, State::Running)), ..Append::new(run(n), 0, at(n), vec![accepted]) }
}

/// Run n goes on after event `after` with `count` events, each different.
pub(crate) fn goes_on(n: u32, after: u64, count: u32) -> Append {
    let step = |visit| Event::StepActivated {
        node: NodeId(visit % 7),
        visit,
        because: Vec::new(),
        items: None,
        reused: BTreeMap::new(),
    };
    let events = (0..count).map(|i| step(u32::try_from(after).unwrap() + i)).collect();
    Append::new(run(n), after, at(n + 1), events)
}

/// Run n comes to its end after event `after`.
pub(crate) fn ended(n: u32, after: u64) -> Append {
    let events = vec![Event::RunEnded { outcome: Outcome::Succeeded, outputs: BTreeMap::new(), undo: None }];
    Append { summary: Some(summary(n, State::Success)), ..Append::new(run(n), after, at(n + 2), events) }
}

/// A registration from this start of an executor.
pub(crate) fn registration(boot: &str) -> Registration {
    Registration {
        url: "https://127.0.0.1:9443".into(),
        engines: vec!["shell".into(), "nil".into()],
        labels: BTreeMap::from([("zone".into(), "a".into())]),
        targets: vec!["host-1".into()],
        slots: 4,
        boot: boot.into(),
        folder: None,
        moved_in: None,
        draining: false,
        drained: false,
    }
}
