//! Rows 8 and 9: what costs something while nothing happens, and how long it takes to begin again.
//!
//! Owns the measures of sleeping runs, of recovery after kill -9, of idle services and of their start.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gorch_client::Client;
use gorch_schema::RunId;
use gorch_tests::stand::free_address;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kept::Kept;
use crate::sample::Sample;
use crate::shapes::{LASTING, SLEEP, Shape};
use crate::table::{Row, Unit};
use crate::{drive, usage};

/// Sleeping runs come in over so many connections.
const CONNECTIONS: usize = 64;
/// How long idle services are looked at.
const WATCHED: Duration = Duration::from_secs(10);
const MB: f64 = 1024.0 * 1024.0;

/// Row 8, first half: so many runs that sleep.
pub(crate) async fn sleeping(kept: &Kept, runs: usize) -> Vec<Row> {
    let health = free_address();
    let mut stand = kept.stand(&["--health", &health.to_string()]).await;
    let document = Shape::named("wide:1").document(SLEEP);
    drive::warm(stand.client(), CONNECTIONS).await;
    let pid = stand.orchestrator_pid();
    let before = usage::resident(pid);
    let start = Instant::now();
    drive::pour(stand.client(), &document, runs, CONNECTIONS).await;
    let took = start.elapsed().as_secs_f64();
    let at_once = usage::resident(pid);
    let settled = settled(pid).await;
    let each = |bytes: u64| bytes.saturating_sub(before) as f64 / runs as f64;
    let note = format!(
        "{:.1} KB when the last was accepted, {:.0} accepted a second; peak {:.0} MB",
        each(at_once) / 1024.0,
        runs as f64 / took,
        usage::peak(pid) as f64 / MB
    );
    stand.kill_orchestrator();
    let start = Instant::now();
    let ((), first) = tokio::join!(stand.start_orchestrator(), healthy(health, start));
    vec![
        Row::new("8", format!("{runs} sleeping runs: memory a run"), each(settled), Unit::Kilobytes)
            .at_most(8.0 * 1024.0, 1024.0)
            .note(note),
        Row::new("8", format!("{runs} sleeping runs, kill -9: exec to the first 200"), first, Unit::Seconds)
            .note(format!("{:.0} MB then", usage::resident(stand.orchestrator_pid()) as f64 / MB)),
    ]
}

/// Resident memory once it does not fall any more.
async fn settled(pid: u32) -> u64 {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    let start = Instant::now();
    // Runs are parked when nobody has asked for them for ten seconds.
    while start.elapsed() < Duration::from_secs(90)
        && (start.elapsed() < Duration::from_secs(16) || since.elapsed() < Duration::from_secs(6))
    {
        let now = usage::resident(pid);
        if now < least - least / 100 {
            (least, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    usage::resident(pid)
}

/// Row 8, second half: ten thousand unfinished nodes, and kill -9.
pub(crate) async fn recovery(kept: &Kept, reps: usize) -> Vec<Row> {
    let mut sample = Sample::default();
    let shape = Shape::named("wide:10000");
    let mut stand = kept.stand_with_executor(1).await;
    let run = drive::submit(stand.client(), shape.document(LASTING)).await;
    for _ in 0..reps {
        stand.kill_orchestrator();
        let client = stand.client().clone();
        let start = Instant::now();
        let ((), live) = tokio::join!(stand.start_orchestrator(), recovered(&client, run, start));
        sample.push(live);
    }
    let note = format!("until a node of it is shown; median {:.2} s", sample.median());
    let what = "10,000 unfinished shell nodes, kill -9: exec to the run live";
    vec![Row::new("8", what, sample.least(), Unit::Seconds).at_most(2.0, 0.5).note(note)]
}

/// Seconds until a node of the run is shown, which needs all of its events.
async fn recovered(client: &Client, run: RunId, start: Instant) -> f64 {
    loop {
        match client.node(run, "9999").await {
            Ok(node) => {
                assert!(node.node.name == "n9999", "the node that was asked for");
                return start.elapsed().as_secs_f64();
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// Row 9: nothing to do.
pub(crate) async fn idle(kept: &Kept, reps: usize, slots: u32) -> Vec<Row> {
    let (front, back) = (free_address(), free_address());
    let (front_flag, back_flag, slots) = (front.to_string(), back.to_string(), slots.to_string());
    let mut stand = kept.stand(&["--health", &front_flag]).await;
    stand.add_executor("e1", &["--slots", &slots, "--health", &back_flag]).await;
    let (mut first, mut second) = (Sample::default(), Sample::default());
    for _ in 0..reps.max(5) {
        stand.terminate_executor("e1");
        stand.terminate_orchestrator();
        let start = Instant::now();
        first.push(tokio::join!(stand.start_orchestrator(), healthy(front, start)).1);
        let start = Instant::now();
        second.push(tokio::join!(stand.start_executor("e1"), healthy(back, start)).1);
    }
    let before = stand.processes().map(usage::activity);
    tokio::time::sleep(WATCHED).await;
    let after = stand.processes().map(usage::activity);
    let memory = stand.processes().map(|pid| usage::resident(pid) as f64);
    let names = ["orchestrator", "executor"];
    let bounds = [(20.0, 10.0), (12.0, 8.0)];
    let mut rows = Vec::new();
    for (at, (name, (must, aim))) in names.into_iter().zip(bounds).enumerate() {
        let memory = Row::new("9", format!("idle {name}: memory"), memory[at], Unit::Megabytes);
        let busy = (after[at].busy.saturating_sub(before[at].busy)).as_secs_f64() / WATCHED.as_secs_f64();
        let wakeups = after[at].wakeups.saturating_sub(before[at].wakeups) as f64 / WATCHED.as_secs_f64();
        let processor = Row::new("9", format!("idle {name}: part of a core"), busy, Unit::Percent);
        rows.push(memory.at_most(must * MB, aim * MB));
        // Nothing is not measurable: a fiftieth of a percent passes for it.
        rows.push(processor.at_most(0.002, 0.0002).note(format!("{wakeups:.1} wakeups a second")));
    }
    for (name, sample) in names.into_iter().zip([first, second]) {
        let note = format!("median {:.1} ms", sample.median() * 1e3);
        let row = Row::new("9", format!("{name}: exec to the first 200"), sample.least(), Unit::Millis);
        rows.push(row.at_most(0.1, 0.02).note(note));
    }
    rows
}

/// Seconds until `/healthz` answers 200.
async fn healthy(address: SocketAddr, start: Instant) -> f64 {
    while !answers(address).await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    start.elapsed().as_secs_f64()
}

async fn answers(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    ask.await.is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}
