//! Rows 1 and 2: nodes that are processes, beside bare spawns and the peers.
//!
//! Owns the comparison of a run with what the same processes cost without us.

use std::collections::BTreeMap;

use gorch_tests::Stand;

use crate::floors::{self, Cost};
use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{Shape, TRUE};
use crate::table::{Row, Unit};
use crate::{drive, peers, usage};

/// Bare spawns per measure of a floor.
const SPAWNS: usize = 800;

/// What a shape cost, per node, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) wall: Sample,
    floor: Sample,
    /// Of both services, the jobs and the server of the store, over bare spawns, repetition by repetition.
    cpu_ratio: Sample,
    orchestrator: Sample,
    executor: Sample,
    jobs: Sample,
    server: Sample,
    bare: Sample,
    peers: BTreeMap<&'static str, Sample>,
}

/// Row 1: as wide as the slots.
pub(crate) async fn wide(kept: &Kept, reps: usize, slots: u32) -> Vec<Row> {
    let stand = kept.stand_with_executor(slots).await;
    let mut rows = Vec::new();
    for name in ["fan:1000", "layered:1000x20x3", "diamond:500"] {
        let measured = measure(kept, &stand, &Shape::named(name), reps, floors::spawn_two_abreast).await;
        let (judged_wall, judged_cpu) = (measured.wall_row("1", name, "F2"), measured.cpu_row("1", name));
        // Half of a diamond is a chain: it is shown, and judged by nobody.
        if name.starts_with("diamond") {
            rows.extend([judged_wall, judged_cpu]);
        } else {
            rows.extend([judged_wall.at_most(1.6, 1.35), judged_cpu.at_most(1.6, 1.3)]);
        }
        rows.extend(measured.peer_rows("1", name, "F2"));
    }
    rows.extend(memory(&stand));
    rows
}

/// Row 2: one after the other.
pub(crate) async fn chain(kept: &Kept, reps: usize, slots: u32) -> Vec<Row> {
    let stand = kept.stand_with_executor(slots).await;
    let name = "chain:500";
    let measured = measure(kept, &stand, &Shape::named(name), reps, floors::spawn_sequential).await;
    let mut rows = vec![measured.wall_row("2", name, "F1").at_most(2.0, 1.5), measured.cpu_row("2", name)];
    rows.extend(measured.peer_rows("2", name, "F1"));
    rows
}

/// A shape of `/bin/true` nodes: floor, gorch and peers within each repetition.
pub(crate) async fn measure(
    kept: &Kept,
    stand: &Stand,
    shape: &Shape,
    reps: usize,
    floor: fn(usize) -> Cost,
) -> Measured {
    let document = shape.document(TRUE);
    let nodes = shape.nodes as f64;
    let mut measured = Measured::default();
    drive::warm(stand.client(), 1).await;
    for _ in 0..reps {
        let bare = floor(SPAWNS);
        measured.floor.push(bare.wall);
        measured.bare.push(bare.cpu);
        let before = stand.processes().map(usage::cpu);
        let server = kept.server_cpu();
        let wall = drive::run(stand.client(), &document).await;
        let after = stand.processes().map(usage::cpu);
        let server = (kept.server_cpu() - server).as_secs_f64() / nodes;
        measured.wall.push(wall.as_secs_f64() / nodes);
        let own = |at: usize| (after[at].own - before[at].own).as_secs_f64() / nodes;
        let jobs = (after[1].children - before[1].children).as_secs_f64() / nodes;
        measured.orchestrator.push(own(0));
        measured.executor.push(own(1));
        measured.jobs.push(jobs);
        measured.server.push(server);
        measured.cpu_ratio.push((own(0) + own(1) + jobs + server) / bare.cpu);
        for (name, time) in peers::measure(shape, stand.path()) {
            if let Some(time) = time {
                measured.peers.entry(name).or_default().time(time);
            }
        }
    }
    measured
}

/// The most that either service had in memory.
fn memory(stand: &Stand) -> Vec<Row> {
    let [orchestrator, executor] = stand.processes().map(|pid| usage::peak(pid) as f64);
    vec![
        Row::new("1", "peak memory of the orchestrator", orchestrator, Unit::Megabytes),
        Row::new("1", "peak memory of the executor", executor, Unit::Megabytes),
    ]
}

impl Measured {
    fn wall_row(&self, of: &'static str, shape: &str, floor: &str) -> Row {
        let (wall, bare) = (self.wall.least(), self.floor.least());
        let note = format!("{:.0} us a node (median {:.0}) / {:.0}", wall * 1e6, self.wall.median() * 1e6, bare * 1e6);
        Row::new(of, format!("shell {shape}: wall / {floor}"), wall / bare, Unit::Ratio).note(note)
    }

    fn cpu_row(&self, of: &'static str, shape: &str) -> Row {
        let micros = |sample: &Sample| sample.median() * 1e6;
        // Nothing where there is no server.
        let server =
            if self.server.most() > 0.0 { format!(", PostgreSQL {:.0}", micros(&self.server)) } else { String::new() };
        let note = format!(
            "orchestrator {:.0}, executor {:.0}, jobs {:.0}{server} us a node / {:.0}",
            micros(&self.orchestrator),
            micros(&self.executor),
            micros(&self.jobs),
            micros(&self.bare)
        );
        Row::new(of, format!("shell {shape}: CPU / bare CPU"), self.cpu_ratio.median(), Unit::Ratio).note(note)
    }

    fn peer_rows(&self, of: &'static str, shape: &str, floor: &str) -> Vec<Row> {
        let ratio = |times: &Sample| times.least() / self.floor.least();
        let row = |(name, times): (&&str, &Sample)| {
            let note = format!("{:.0} us a node", times.least() * 1e6);
            Row::new(of, format!("{name}, {shape}: wall / {floor}"), ratio(times), Unit::Ratio).note(note)
        };
        self.peers.iter().filter(|(_, times)| !times.is_empty()).map(row).collect()
    }
}
