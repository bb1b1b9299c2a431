//! The conductor and its executors, with a store that can be cut off and an executor that only listens.
//!
//! Owns a journal in memory behind switches, and roads on which orders are written down. Time is paused: what waits for a
//! lease to end waits no longer than it takes to say so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use futures::stream::StreamExt;
use gorch_schema::session::{LONGEST_ORDER, Lines, News, Order};
use gorch_schema::view::RunSummary;
use gorch_schema::work::{AttemptState, Drain, HeldAttempt, Logs, Registered, Registration, Report, Wanted, Work};
use gorch_schema::{
    Accepted, AttemptKey, AttemptResult, DefinitionKey, Digest, Event, ExecutorName, Problem, RunId, Timestamp,
    document,
};
use http::StatusCode;
use slog::{Discard, Logger, o};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Conductor, Handle, Settings};
use crate::artifacts::Artifacts;
use crate::clock::{self, Clock};
use crate::dispatch::Links;
use crate::dispatch::road::{Answer, Ask, Cut, Opened, Opening, Road, Roads};
use crate::journal::memory::Memory;
use crate::journal::{
    self, Adopted, Append, Clear, Cleared, Cursor, DefinitionPage, EndCursor, Ends, Feed, FeedFilter, Filter, Head,
    Home, Journal, KeyUse, KnownExecutors, NewRevision, Old, Page, PageCursor, Revision, Row, Size,
};

mod comparing;
mod letting_go;
mod owed;
mod refused;
mod replaced;
mod sharing;
mod wire;

use wire::Wire;

const KILL: &str = r#"{"nodes": [{"name": "a", "engine": "shell", "artifact": "/bin/true", "fence": "kill"}]}"#;

/// A journal in memory that others write to, too, and that can be cut off.
#[derive(Default)]
struct Store {
    memory: Arc<Memory>,
    /// Nobody else writes to it.
    is_own: bool,
    /// What is there is another orchestrator's, but for what it left.
    is_guest: bool,
    /// No lease is renewed.
    is_deaf: AtomicBool,
    /// Executors cannot be read.
    hides_executors: AtomicBool,
    /// Nobody can tell how a run stands.
    hides_heads: AtomicBool,
    /// Runs cannot be read.
    hides_runs: AtomicBool,
    /// Appends take ten seconds.
    is_slow: AtomicBool,
    /// What a look for new runs brings.
    left: Mutex<Vec<RunId>>,
    /// What it has brought.
    adopted: Mutex<Vec<RunId>>,
    /// No new run is written.
    refuses_births: AtomicBool,
    /// Nothing of this run is written.
    refuses: Mutex<Option<RunId>>,
    /// What this run comes to is too much for any journal.
    is_full_of: Mutex<Option<RunId>>,
    /// How often that was said.
    was_full: AtomicUsize,
    /// What is there of this run cannot be read.
    garbles: Mutex<Option<RunId>>,
    /// Another orchestrator goes on with it.
    elsewhere: Mutex<Option<RunId>>,
}

impl Store {
    /// Is this not to be written now?
    fn is_refused(&self, append: &Append) -> bool {
        let is_birth = append.after == 0 && self.refuses_births.load(Ordering::Relaxed);
        is_birth || *self.refuses.lock().unwrap() == Some(append.run)
    }
}

fn broken<T: Send + 'static>() -> BoxFuture<'static, Result<T, journal::Error>> {
    let source = Arc::new(std::io::Error::other("it is away"));
    ready(Err(journal::Error::Store { doing: "answer", source })).boxed()
}

impl Journal for Store {
    fn is_shared(&self) -> bool {
        !self.is_own
    }

    fn adopt(&self, lease: Duration, asked: Adopted) -> BoxFuture<'static, Result<Vec<RunId>, journal::Error>> {
        if self.is_deaf.load(Ordering::Relaxed) {
            return broken();
        }
        match asked {
            Adopted::All if !self.is_guest => self.memory.adopt(lease, asked),
            Adopted::All | Adopted::New => {
                let (new, mut all) = (std::mem::take(&mut *self.left.lock().unwrap()), self.adopted.lock().unwrap());
                all.extend(&new);
                ready(Ok(if asked == Adopted::All { all.clone() } else { new })).boxed()
            }
        }
    }

    fn executors(&self) -> BoxFuture<'static, Result<KnownExecutors, journal::Error>> {
        if self.hides_executors.load(Ordering::Relaxed) { broken() } else { self.memory.executors() }
    }

    fn append(&self, append: Append) -> BoxFuture<'static, Result<u64, journal::Error>> {
        if *self.is_full_of.lock().unwrap() == Some(append.run) {
            self.was_full.fetch_add(1, Ordering::Relaxed);
            return ready(Err(journal::Error::TooLarge { run: append.run, found: 2, limit: 1 })).boxed();
        }
        if self.is_slow.load(Ordering::Relaxed) {
            let memory = self.memory.clone();
            let appending =
                if self.is_refused(&append) { broken() } else { async move { memory.append(append).await }.boxed() };
            return sleep(Duration::from_secs(10)).then(|()| appending).boxed();
        }
        if self.is_refused(&append) { broken() } else { self.memory.append(append) }
    }

    fn home(&self, run: RunId) -> BoxFuture<'static, Result<Home, journal::Error>> {
        if *self.elsewhere.lock().unwrap() == Some(run) {
            return ready(Ok(Home::At { url: "https://127.0.0.1:2".to_owned() })).boxed();
        }
        self.memory.home(run)
    }

    // All else is the memory's.

    fn read(&self, run: RunId, after: u64, limit: usize) -> BoxFuture<'static, Result<Vec<Row>, journal::Error>> {
        if *self.garbles.lock().unwrap() == Some(run) {
            let cause = journal::Broken::Gap { found: 3, expected: 2 };
            let corrupt = journal::Corrupt { run, first: 3, cause };
            return ready(Err(journal::Error::Corrupt(corrupt))).boxed();
        }
        if self.hides_runs.load(Ordering::Relaxed) { broken() } else { self.memory.read(run, after, limit) }
    }

    fn head(&self, run: RunId) -> BoxFuture<'static, Result<Head, journal::Error>> {
        if self.hides_heads.load(Ordering::Relaxed) { broken() } else { self.memory.head(run) }
    }

    // All else is the memory's.

    fn unfinished(&self) -> BoxFuture<'static, Result<Vec<RunId>, journal::Error>> {
        self.memory.unfinished()
    }

    fn cached(
        &self,
        key: &str,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Option<(RunId, AttemptResult)>, journal::Error>> {
        self.memory.cached(key, now)
    }

    fn put_executor(
        &self,
        name: ExecutorName,
        registration: Registration,
        at: Timestamp,
    ) -> BoxFuture<'static, Result<Wanted, journal::Error>> {
        self.memory.put_executor(name, registration, at)
    }

    fn want(
        &self,
        name: ExecutorName,
        drain: Option<Drain>,
    ) -> BoxFuture<'static, Result<Option<Wanted>, journal::Error>> {
        self.memory.want(name, drain)
    }

    fn tail(&self) -> watch::Receiver<Cursor> {
        self.memory.tail()
    }

    fn follow(&self, run: RunId) -> watch::Receiver<u64> {
        self.memory.follow(run)
    }

    fn summaries(
        &self,
        filter: Filter,
        from: Option<PageCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Page, journal::Error>> {
        self.memory.summaries(filter, from, limit)
    }

    fn summary(&self, run: RunId) -> BoxFuture<'static, Result<RunSummary, journal::Error>> {
        self.memory.summary(run)
    }

    fn logs(&self, run: RunId, attempt: AttemptKey) -> BoxFuture<'static, Result<Option<Logs>, journal::Error>> {
        self.memory.logs(run, attempt)
    }

    fn feed(
        &self,
        filter: FeedFilter,
        after: Cursor,
        limit: usize,
    ) -> BoxFuture<'static, Result<Feed, journal::Error>> {
        self.memory.feed(filter, after, limit)
    }

    fn forget(&self, run: RunId, at: Timestamp) -> BoxFuture<'static, Result<Vec<RunId>, journal::Error>> {
        self.memory.forget(run, at)
    }

    fn ends(
        &self,
        old: Old,
        before: Timestamp,
        from: Option<EndCursor>,
        limit: usize,
    ) -> BoxFuture<'static, Result<Ends, journal::Error>> {
        self.memory.ends(old, before, from, limit)
    }

    fn clear(&self, clear: Clear) -> BoxFuture<'static, Result<Cleared, journal::Error>> {
        self.memory.clear(clear)
    }

    fn size(&self) -> BoxFuture<'static, Result<Size, journal::Error>> {
        self.memory.size()
    }

    fn key(&self, owner: &str, key: &str) -> BoxFuture<'static, Result<Option<KeyUse>, journal::Error>> {
        self.memory.key(owner, key)
    }

    fn put_definition(&self, new: NewRevision) -> BoxFuture<'static, Result<u64, journal::Error>> {
        self.memory.put_definition(new)
    }

    fn revisions(&self, key: DefinitionKey) -> BoxFuture<'static, Result<Vec<Revision>, journal::Error>> {
        self.memory.revisions(key)
    }

    fn revision(
        &self,
        key: DefinitionKey,
        digest: Digest,
    ) -> BoxFuture<'static, Result<Option<Arc<str>>, journal::Error>> {
        self.memory.revision(key, digest)
    }

    fn definitions(
        &self,
        namespace: Option<String>,
        after: Option<DefinitionKey>,
        limit: usize,
    ) -> BoxFuture<'static, Result<DefinitionPage, journal::Error>> {
        self.memory.definitions(namespace, after, limit)
    }

    fn delete_definition(&self, key: DefinitionKey) -> BoxFuture<'static, Result<u64, journal::Error>> {
        self.memory.delete_definition(key)
    }

    fn unneeded(&self, artifacts: Vec<Digest>) -> BoxFuture<'static, Result<Vec<Digest>, journal::Error>> {
        self.memory.unneeded(artifacts)
    }
}

fn registration(boot: &str) -> Registration {
    Registration {
        url: "https://127.0.0.1:1".to_owned(),
        engines: vec!["shell".to_owned()],
        labels: BTreeMap::new(),
        targets: Vec::new(),
        slots: 1,
        boot: boot.to_owned(),
        folder: None,
        moved_in: None,
        draining: false,
        drained: false,
    }
}

/// What hangs on the wall goes as fast as the time of the test, and all orchestrators of it see the same.
fn shown() -> Timestamp {
    static BEGAN: LazyLock<(Timestamp, std::time::Instant)> =
        LazyLock::new(|| (clock::now(), std::time::Instant::now()));
    BEGAN.0.after(tokio::time::Instant::now().into_std().saturating_duration_since(BEGAN.1))
}

struct House {
    store: Arc<Store>,
    handle: Handle,
    wire: Wire,
    _folder: tempfile::TempDir,
    _stop: DropGuard,
}

impl House {
    async fn open() -> Self {
        House::of("o1", Arc::default()).await
    }

    /// With a store of its own.
    async fn alone() -> Self {
        House::of("o1", Arc::new(Store { is_own: true, ..Store::default() })).await
    }

    /// Another orchestrator of the same store.
    async fn beside(&self, owner: &str) -> Self {
        House::of(owner, Arc::new(Store { memory: self.store.memory.clone(), is_guest: true, ..Store::default() }))
            .await
    }

    async fn of(owner: &str, store: Arc<Store>) -> Self {
        let (folder, wire, stop) = (tempfile::tempdir().unwrap(), Wire::default(), CancellationToken::new());
        let log = Logger::root(Discard, o!());
        let settings = Settings { clock: Clock::on_the_wall(shown), ..Settings::new(owner.to_owned()) };
        let artifacts = Artifacts::open(folder.path(), 1 << 20).unwrap();
        let links = Links::by(Arc::new(wire.clone()), log.clone());
        let started = Conductor::start(settings, store.clone(), artifacts, links, stop.clone(), log).await;
        House { store, handle: started.unwrap().0, wire, _folder: folder, _stop: stop.drop_guard() }
    }

    async fn beat(&self, boot: &str) -> Registered {
        self.handle.register("e1".parse().unwrap(), registration(boot), Timestamp::default()).await.unwrap()
    }

    /// It beats for so many seconds.
    async fn beats(&self, boot: &str, seconds: u64) {
        for _ in 0..seconds {
            sleep(Duration::from_secs(1)).await;
            self.beat(boot).await;
        }
    }

    /// How often something was ordered to run.
    fn runs(&self) -> usize {
        self.wire.orders.lock().unwrap().iter().filter(|order| matches!(order, Order::Run(_))).count()
    }

    async fn submit(&self, document: &str) -> RunId {
        let workflow = document::recover(document).unwrap();
        self.handle.submit(workflow, Accepted::new(document), None).await.unwrap()
    }

    /// Waits until so many orders to run something were given; gives the last one.
    async fn handed_out(&self, times: usize) -> Arc<Work> {
        for _ in 0..10_000 {
            let orders = self.wire.orders.lock().unwrap().clone();
            let runs = orders.iter().filter_map(|order| if let Order::Run(work) = order { Some(work) } else { None });
            let runs: Vec<Arc<Work>> = runs.cloned().collect();
            if runs.len() >= times {
                return runs[times - 1].clone();
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("expected {times} orders to run something, found {:?}", self.wire.orders.lock().unwrap());
    }

    /// How many attempts of the run have ended.
    async fn ended(&self, run: RunId) -> usize {
        let rows = self.store.read(run, 0, 1_000).await.unwrap();
        let events = rows.iter().flat_map(|row| &row.events);
        events.filter(|event| matches!(event, Event::AttemptEnded { .. })).count()
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_has_a_lease_of_another_name_once_it_was_lost_or_another_process_came() {
    let house = House::open().await;
    let first = house.beat("a").await.orchestrator;
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.beat("a").await.orchestrator, first, "it was there all the time");
    sleep(Duration::from_secs(31)).await;
    let after = house.beat("a").await.orchestrator;
    assert_ne!(after, first, "what it was given before may run elsewhere");
    let other = house.beat("b").await.orchestrator;
    assert!(other != first && other != after);
    assert_eq!(house.beat("b").await.orchestrator, other);
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_out_names_the_lease_that_its_executor_has_now() {
    let house = House::open().await;
    house.beat("a").await;
    sleep(Duration::from_secs(31)).await;
    let lease = house.beat("a").await.orchestrator;
    house.submit(KILL).await;
    assert_eq!(house.handed_out(1).await.lease, Some(lease));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_reach_the_store_gives_leases_while_his_own_lasts_and_then_none_but_hears() {
    let house = House::open().await;
    house.beat("a").await;
    house.store.is_deaf.store(true, Ordering::Relaxed);
    sleep(Duration::from_millis(3_500)).await;
    assert_eq!(house.beat("a").await.lease_ms, 30_000, "nobody else can have its runs yet");
    sleep(Duration::from_secs(4)).await;
    let none = house.beat("a").await;
    assert_eq!((none.lease_ms, none.heartbeat_ms), (0, 1_000), "it shall ask again soon");
    for _ in 0..10 {
        sleep(Duration::from_secs(4)).await;
        assert_eq!(house.beat("a").await.lease_ms, 0);
    }
    assert_eq!(house.handle.executors().await.unwrap()[0].state, "alive");
}

#[tokio::test(start_paused = true)]
async fn whose_own_lease_was_over_hands_out_again_what_is_still_his_under_another_name() {
    let house = House::open().await;
    let first = house.beat("a").await.orchestrator;
    let run = house.submit(KILL).await;
    assert_eq!(house.handed_out(1).await.lease.as_ref(), Some(&first));
    house.store.is_deaf.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(8)).await;
    assert_eq!(house.beat("a").await.lease_ms, 0);
    house.store.is_deaf.store(false, Ordering::Relaxed);
    let again = house.handed_out(2).await;
    let lease = house.beat("a").await;
    assert_eq!((lease.lease_ms, Some(&lease.orchestrator)), (30_000, again.lease.as_ref()));
    assert_ne!(lease.orchestrator, first, "what another one may have adopted meanwhile is not covered again");
    assert_eq!((again.attempt, house.ended(run).await), (house.handed_out(1).await.attempt, 0));
    house.beats("a", 60).await;
    assert_eq!(house.runs(), 2, "once is enough");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_nobody_else_can_have_gives_no_reason_to_withhold_a_lease() {
    let house = House::alone().await;
    house.store.is_deaf.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.beat("a").await.lease_ms, 30_000);
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_cannot_be_read_with_the_runs_that_name_it_is_not_taken_for_lost() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    house.beat("a").await;
    let run = house.submit(KILL).await;
    house.handed_out(1).await;
    other.store.hides_executors.store(true, Ordering::Relaxed);
    other.store.left.lock().unwrap().push(run);
    sleep(Duration::from_secs(3)).await;
    assert!(other.store.left.lock().unwrap().is_empty(), "it was told of the run");
    other.store.hides_executors.store(false, Ordering::Relaxed);
    assert_eq!(other.handed_out(1).await.attempt.run, run);
    assert_eq!(house.ended(run).await, 0, "nothing of it was given up");
}

#[tokio::test(start_paused = true)]
async fn what_an_executor_does_not_know_any_more_is_lost_at_once_but_not_while_one_before_it_may_have_a_lease() {
    let house = House::open().await;
    house.beat("a").await;
    let keep = house.submit(&KILL.replace("kill", "keep")).await;
    house.handed_out(1).await;
    let kill = house.submit(KILL).await;
    house.handed_out(2).await;
    house.wire.is_replaced();
    house.beats("b", 3).await;
    assert_eq!((house.ended(keep).await, house.ended(kill).await), (1, 0));
    house.beats("b", 24).await;
    assert_eq!(house.ended(kill).await, 0, "who had it may have been heard a moment before");
    house.beats("b", 5).await;
    assert_eq!(house.ended(kill).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_orchestrator_handed_out_is_handed_to_another_process_only_after_a_lease() {
    let house = House::open().await;
    let other = house.beside("o2").await;
    house.beat("a").await;
    let run = house.submit(KILL).await;
    house.handed_out(1).await;
    other.wire.is_replaced();
    other.store.left.lock().unwrap().push(run);
    other.beats("b", 29).await;
    assert_eq!(other.runs(), 0, "it may run where it was");
    other.beats("b", 6).await;
    assert_eq!((other.runs(), other.ended(run).await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_another_orchestrator_has_ended_holds_no_slot_where_the_run_is_back() {
    let house = House::open().await;
    house.beat("a").await;
    let two = r#"{"nodes": [{"name": "a", "engine": "shell", "artifact": "/bin/true", "each": {"items": [1, 2]}}]}"#;
    let run = house.submit(two).await;
    let first = house.handed_out(1).await.attempt.key;
    house.handed_out(2).await;
    let held = async || house.handle.executors().await.unwrap()[0].held;
    assert_eq!(held().await, 2);
    // Another one has it for a while, and hears an end.
    let ended = Event::AttemptEnded {
        node: first.step.node,
        visit: first.step.visit,
        item: first.item,
        attempt: first.attempt,
        result: AttemptResult::succeeded(serde_json::json!({})),
        retry_at: None,
        late: false,
    };
    house.store.is_deaf.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(8)).await;
    let last = house.store.head(run).await.unwrap().last;
    let claimed = Event::RunClaimed { owner: "o2".to_owned() };
    house.store.append(Append::new(run, last, clock::now(), vec![claimed, ended])).await.unwrap();
    house.store.is_deaf.store(false, Ordering::Relaxed);
    // The other item, under the new claim.
    assert_ne!(house.handed_out(3).await.attempt.key, first);
    assert_eq!((held().await, house.ended(run).await), (1, 1));
}
