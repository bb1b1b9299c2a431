//! The measures themselves: floors, gorch and peers, one after the other within each repetition.
//!
//! Owns the order of things: everything that is divided by a floor is measured right beside it, so that a busy minute
//! of the machine falls on both.

use std::time::{Duration, Instant};

use gorch_client::Submission;
use gorch_tests::Stand;

use crate::floors::{self, median};
use crate::shapes::Shape;
use crate::table::{self, Row};
use crate::{peers, usage};

/// Runs everything and prints the table.
pub(crate) async fn measure(shapes: &[Shape], reps: usize, slots: u32) {
    let stand = Stand::with_executor(slots).await;
    let mut rows = vec![
        plain("R: mutual-TLS round trip", floors::round_trip(&stand.certs(), 2_000).await),
        plain("S: one durable commit", floors::commit(stand.path(), 300)),
    ];
    for shape in shapes {
        rows.extend(shell(&stand, shape, reps).await);
        rows.push(nil(&stand, shape, reps).await);
    }
    table::print(&rows);
}

fn plain(what: &str, per_node: Duration) -> Row {
    Row { what: what.to_owned(), per_node, floor: None, note: String::new() }
}

/// A shape of `/bin/true` nodes beside bare spawns and the peers.
async fn shell(stand: &Stand, shape: &Shape, reps: usize) -> Vec<Row> {
    let document = shape.document("shell", "/bin/true");
    let chain = shape.name.starts_with("chain");
    let nodes = shape.nodes as u32;
    let (mut wall, mut cpu, mut floor, mut floor_cpu) = (vec![], vec![], vec![], vec![]);
    let mut others: Vec<(&str, Vec<Duration>)> = Vec::new();
    for _ in 0..reps {
        let bare = if chain { floors::spawn_sequential(400) } else { floors::spawn_two_abreast(400) };
        floor.push(bare.wall);
        floor_cpu.push(bare.cpu);
        let before = stand.processes().map(usage::of);
        wall.push(run(stand, &document).await / nodes);
        let after = stand.processes().map(usage::of);
        let used = |at: usize| after[at].own + after[at].children - before[at].own - before[at].children;
        cpu.push((used(0) + used(1)) / nodes);
        for (name, time) in peers::measure(shape, stand.path()) {
            let Some(time) = time else { continue };
            match others.iter_mut().find(|(of, _)| *of == name) {
                Some((_, times)) => times.push(time),
                None => others.push((name, vec![time])),
            }
        }
    }
    let floor_name = if chain { "F1" } else { "F2" };
    let floor = (floor_name, median(&mut floor));
    let mut rows = vec![
        Row {
            what: format!("shell {} wall", shape.name),
            per_node: median(&mut wall),
            floor: Some(floor),
            note: String::new(),
        },
        Row {
            what: format!("shell {} CPU", shape.name),
            per_node: median(&mut cpu),
            floor: Some(("bare CPU", median(&mut floor_cpu))),
            note: "both services and the jobs".to_owned(),
        },
    ];
    rows.extend(others.into_iter().map(|(name, mut times)| Row {
        what: format!("{name} {}", shape.name),
        per_node: median(&mut times),
        floor: Some(floor),
        note: "peer".to_owned(),
    }));
    rows
}

/// A shape of nodes that nobody runs.
async fn nil(stand: &Stand, shape: &Shape, reps: usize) -> Row {
    let document = shape.document("nil", "");
    let mut wall = Vec::new();
    for _ in 0..reps {
        wall.push(run(stand, &document).await / shape.nodes as u32);
    }
    let per_node = median(&mut wall);
    let rate = 1.0 / per_node.as_secs_f64();
    Row { what: format!("nil {}", shape.name), per_node, floor: None, note: format!("{rate:.0} nodes/s") }
}

/// From the submit to the end, without the connection.
async fn run(stand: &Stand, document: &str) -> Duration {
    let start = Instant::now();
    let submitted = stand.client().submit(document.to_owned(), &Submission::default()).await.expect("it is accepted");
    let waited = stand.client().wait(submitted.id, None).await.expect("the run can be waited for");
    match waited {
        gorch_client::Waited::Ended(summary) => assert_eq!(summary.state, "success", "the run succeeds"),
        gorch_client::Waited::StillGoing(_) => unreachable!("without patience there is no giving up"),
    }
    start.elapsed()
}
