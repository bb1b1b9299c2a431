//! Chaos: a throw-away house in which everything goes wrong, and the ledger at its end.
//!
//! Owns the processes, the wires between them and the order in which they fail. Promises to touch nothing but what it
//! started and made itself, to leave no process behind however it ends, and to leave a folder with all logs where something
//! was not as promised. `gorch doctor chaos` runs it for users, the system's tests for us.

mod bound;
mod disk;
mod fault;
mod harm;
mod ledger;
mod load;
mod notes;
mod process;
mod wire;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use gorch_certs::store::Options;
use gorch_certs::{Credentials, Kind, store};
use gorch_client::Client;
use gorch_orchestrator::config::Store;
use reqwest::Url;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::error::Error;
use crate::text::now;
pub(crate) use bound::if_asked as become_bound_if_asked;
use disk::Failing;
use fault::{Disks, Fault, Reach, Size, Trouble, Whose};
use harm::Harm;
pub(crate) use ledger::Ledger;
use load::{Load, Scene};
use process::{Condition, Process};
use wire::Wire;

/// Runs that are under way at the same time.
const ABREAST: usize = 8;
/// Between two faults, in milliseconds.
const PACE: std::ops::Range<u64> = 20..220;
/// Processes that end at once are started again so often in all, before the house is there.
const STARTS: u32 = 10;
/// What an orchestrator, and an executor, keeps in its folder: the files of which a disk that fails takes nothing.
const STORE: &[&str] = &["gorch.db", "gorch.db-wal", "gorch.db-shm"];
const LEDGER: &[&str] = &["log", "log.new", "epochs", "epochs.new", "forgotten", "forgotten.old"];
/// With nothing going wrong, everybody has heard of everybody by then, and every run has ended.
const CALM: Duration = Duration::from_secs(120);
/// Whoever ended by himself is started again after so long.
const UP_AGAIN: Duration = Duration::from_secs(1);
/// What is asked for at the end must not have been deleted meanwhile.
const KEEP: [&str; 4] = ["keep-runs", "keep-age", "keep-bytes", "keep-logs-age"];
/// A file system in memory; see statfs(2).
const TMPFS: i64 = 0x0102_1994;

/// No node takes as long.
const LAST: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The folder of everything.
    pub(crate) folder: PathBuf,
    /// A database that was made for this; none: a file in the folder, of one orchestrator.
    pub(crate) database: Option<Database>,
    pub(crate) executors: usize,
    pub(crate) seed: u64,
    pub(crate) until: Until,
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// So many faults.
    Faults(u32),
    /// So long.
    Over(Duration),
}

/// A throw-away database, and how many orchestrators share it.
#[derive(Debug)]
pub(crate) struct Database {
    /// Its address, as the orchestrators are told it but for the server's.
    pub(crate) url: Url,
    /// The server's.
    pub(crate) server: SocketAddr,
    /// The same, to be looked through at the end.
    pub(crate) store: Store,
    pub(crate) orchestrators: usize,
}

impl Database {
    /// The same database, through a wire.
    fn through(&self, wire: &Wire) -> String {
        let mut url = self.url.clone();
        // A wire ends on loopback, and any URL with a host takes one and a port.
        let _ = url.set_ip_host(wire.address().ip());
        let _ = url.set_port(Some(wire.address().port()));
        url.into()
    }
}

/// The house.
struct House {
    orchestrators: Vec<Process>,
    executors: Vec<Process>,
    /// From each executor to each orchestrator.
    beats: Vec<Vec<Wire>>,
    /// From the orchestrators to each executor.
    work: Vec<Wire>,
    /// From each orchestrator to the database.
    stores: Vec<Wire>,
    clients: Vec<Client>,
    folder: PathBuf,
    harm: Harm,
}

/// Something that is over at a time.
struct Heal {
    at: Instant,
    fault: Fault,
    /// What holds it up until then.
    _disk: Option<Failing>,
}

/// Runs it all; tells what is said of each fault as it happens.
pub(crate) async fn run(plan: &Plan, tell: impl Fn(&str)) -> Result<Ledger, Error> {
    if is_in_memory(&plan.folder) {
        tell("the scratch folder is in memory, and no disk is tried: TMPDIR names another place");
    }
    let mut house = House::build(plan).await?;
    house.start_all()?;
    house.is_there().await?;
    // Nobody has anything to do yet that a disk could spoil.
    let disks = house.disks().await?;
    if disks == Disks::Hold {
        tell("disks do not fail here: this takes `strace`, and leave to attach it (strace.log may say more)");
    }
    let scene = Scene::of(&plan.folder);
    let Scene { notes, open } = &scene;
    for path in [notes, open] {
        File::create(path).map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    let notes = notes.clone();
    let load = Load::new(house.clients.clone(), plan.seed, scene);
    let mut at_work = JoinSet::new();
    for _ in 0..ABREAST {
        at_work.spawn(load.clone().go());
    }
    let faults = house.suffer(plan, disks, &tell).await?;
    load.end();
    tell("calm: everything runs, nothing is cut; waiting for what was accepted to end");
    house.rest(&mut at_work).await?;
    at_work.abort_all();

    let accepted = load.accepted();
    let (store, data) = match &plan.database {
        Some(database) => (database.store.clone(), Vec::new()),
        None => {
            let data = plan.folder.join(orchestrator(0));
            (Store::Sqlite(data.clone()), vec![data])
        }
    };
    let (folder, seed) = (plan.folder.clone(), plan.seed);
    let mut ledger = Ledger { seed, folder, store: store.to_string(), disks, faults, ..Ledger::default() };
    ledger.ask(&house.clients, &accepted, &house.harm).await;
    ledger.look_for_orphans(&accepted).await;
    house.end();
    house.confess(&mut ledger);
    ledger.read(&notes, &accepted);
    ledger.look_for_what_is_left(&accepted);
    close(&plan.folder);
    ledger.look_through(&store, &data).await;
    Ok(ledger)
}

fn is_in_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|found| i128::from(found.f_type) == i128::from(TMPFS))
}

/// Whoever takes minutes ends now.
fn close(folder: &Path) {
    // It may never have been open.
    let _ = fs::remove_file(Scene::of(folder).open);
}

/// Waits for the nodes of a house that is no more: they are short, and note their end in its folder.
pub(crate) async fn last_nodes(folder: &Path) {
    close(folder);
    let deadline = Instant::now() + LAST;
    let mark = format!("LEDGER={}", folder.display());
    while !ledger::processes(|variable| variable.starts_with(mark.as_bytes())).is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(20)).await;
    }
}

impl House {
    async fn build(plan: &Plan) -> Result<House, Error> {
        let folder = &plan.folder;
        let certs = folder.join("certs");
        let unusable =
            |source: Box<dyn std::error::Error + Send + Sync>| Error::Certificates { dir: certs.clone(), source };
        store::init(&certs).map_err(|source| unusable(Box::new(source)))?;
        for name in 0..plan.executors {
            let issued = store::issue(&certs, Kind::Executor, &executor(name), &Options::default());
            issued.map_err(|source| unusable(Box::new(source)))?;
        }
        let credentials = Credentials::for_client(&certs).map_err(|source| unusable(Box::new(source)))?;
        let program = std::env::current_exe().map_err(|source| Error::Read { path: "gorch".into(), source })?;
        let flag = |name: &str, value: &dyn std::fmt::Display| [format!("--{name}"), value.to_string()];
        let dir = |name: String| folder.join(name).display().to_string();

        let (mut orchestrators, mut clients, mut stores, mut addresses) = (vec![], vec![], vec![], vec![]);
        for name in 0..plan.database.as_ref().map_or(1, |database| database.orchestrators) {
            let address = free_address()?;
            let mut args = vec!["orchestrator".to_owned()];
            args.extend(flag("data", &dir(orchestrator(name))));
            args.extend(flag("certs", &certs.display()));
            args.extend(flag("listen", &address));
            args.extend(KEEP.iter().flat_map(|rule| flag(rule, &"off")));
            let log = log_of(folder, &orchestrator(name));
            let mut orchestrator = Process::new(format!("orchestrator {name}"), program.clone(), args, log);
            if let Some(database) = &plan.database {
                let wire = wire_to(database.server).await?;
                orchestrator = orchestrator.knowing("GORCH_STORE", database.through(&wire));
                stores.push(wire);
            }
            orchestrators.push(orchestrator);
            clients.push(Client::connect(&format!("https://{address}"), &credentials)?);
            addresses.push(address);
        }
        let (mut executors, mut beats, mut work) = (vec![], vec![], vec![]);
        for name in 0..plan.executors {
            let address = free_address()?;
            let wire = wire_to(address).await?;
            let mut args = vec!["executor".to_owned()];
            args.extend(flag("data", &dir(executor(name))));
            args.extend(flag("certs", &certs.display()));
            args.extend(flag("name", &executor(name)));
            args.extend(flag("slots", &4));
            args.extend(flag("listen", &address));
            args.extend(flag("advertise", &format!("https://{}", wire.address())));
            args.extend(flag("workdir", &folder.display()));
            let mut to_all = Vec::new();
            for orchestrator in &addresses {
                let beat = wire_to(*orchestrator).await?;
                args.extend(flag("orchestrator", &format!("https://{}", beat.address())));
                to_all.push(beat);
            }
            let log = log_of(folder, &executor(name));
            executors.push(Process::new(format!("executor {name}"), program.clone(), args, log));
            beats.push(to_all);
            work.push(wire);
        }
        let (folder, harm) = (folder.clone(), Harm::default());
        Ok(House { orchestrators, executors, beats, work, stores, clients, folder, harm })
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        self.orchestrators.iter_mut().chain(&mut self.executors)
    }

    fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.beats.iter().flatten().chain(&self.work).chain(&self.stores)
    }

    fn start_all(&mut self) -> Result<(), Error> {
        self.wires().for_each(Wire::mend);
        self.processes().for_each(Process::thaw);
        self.processes().try_for_each(Process::start)
    }

    /// Waits until every orchestrator knows every executor alive.
    async fn is_there(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + CALM;
        let executors = self.executors.len();
        let mut starts = 0;
        for client in self.clients.clone() {
            while client
                .executors()
                .await
                .map_or(0, |list| list.executors.iter().filter(|one| one.state == "alive").count())
                < executors
            {
                // Its store may have been away for a moment.
                for process in self.processes() {
                    if process.condition() == Condition::Fallen {
                        starts += 1;
                        if starts > STARTS {
                            return Err(Error::Chaos(format!(
                                "{} ends at its start; its log says why",
                                process.name()
                            )));
                        }
                        process.start()?;
                    }
                }
                if Instant::now() > deadline {
                    return Err(Error::Chaos(format!("executors are not alive at {} after {CALM:?}", client.base())));
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    /// Starts whoever ended by himself a while ago: why he did is asked at the end.
    fn raise(&mut self) -> Result<(), Error> {
        for process in self.processes() {
            if process.condition() == Condition::Fallen && now().since(process.since()) > UP_AGAIN {
                process.start()?;
            }
        }
        Ok(())
    }

    /// Looks after the house until all have done their work, or should have.
    async fn rest(&mut self, at_work: &mut JoinSet<()>) -> Result<(), Error> {
        let deadline = Instant::now() + CALM;
        // Whoever still waits then waits for a run that the ledger finds.
        while Instant::now() < deadline {
            self.raise()?;
            let look = deadline.min(Instant::now() + UP_AGAIN);
            if let Ok(None) = timeout_at(look, at_work.join_next()).await {
                break;
            }
        }
        Ok(())
    }

    /// Lets as much go wrong as is planned; everything is whole afterwards. Tells what it was, and how often.
    async fn suffer(
        &mut self,
        plan: &Plan,
        disks: Disks,
        tell: &impl Fn(&str),
    ) -> Result<BTreeMap<&'static str, u32>, Error> {
        let mut dice = Rng::with_seed(plan.seed);
        let store = if self.stores.is_empty() { Reach::File } else { Reach::Wire };
        let size = Size { orchestrators: self.orchestrators.len(), executors: self.executors.len(), store, disks };
        let (mut many, mut faults, mut heals) = (0, BTreeMap::new(), Vec::<Heal>::new());
        let begun = Instant::now();
        while match plan.until {
            Until::Faults(most) => many < most,
            Until::Over(length) => begun.elapsed() < length,
        } {
            self.raise()?;
            let (fault, length) = fault::draw(&mut dice, size);
            let next = Instant::now() + Duration::from_millis(dice.u64(PACE));
            let before = now();
            let disk =
                if let Fault::Disk { whose, trouble } = fault { self.fail_disk(whose, trouble).await? } else { None };
            if disk.is_some() || self.begin(fault) {
                self.harm.begin(fault, before);
                many += 1;
                *faults.entry(fault.kind()).or_default() += 1;
                tell(&format!("{many}: {fault} for {} ms", length.as_millis()));
                heals.push(Heal { at: Instant::now() + length, fault, _disk: disk });
            }
            while let Some(first) = heals.iter().position(|heal| heal.at <= next) {
                let heal = heals.swap_remove(first);
                sleep_until(heal.at).await;
                let fault = heal.fault;
                drop(heal);
                self.heal(fault)?;
                self.harm.end(fault, now());
            }
            sleep_until(next).await;
        }
        drop(heals);
        self.start_all()?;
        self.harm.end_all(now());
        Ok(faults)
    }

    /// Can a disk fail here?
    async fn disks(&mut self) -> Result<Disks, Error> {
        let tried = self.fail_disk(Whose::Executor(0), Trouble::Full).await?;
        Ok(if tried.is_some() { Disks::Fail } else { Disks::Hold })
    }

    /// Lets the disk of a process fail, if that runs.
    async fn fail_disk(&mut self, whose: Whose, trouble: Trouble) -> Result<Option<Failing>, Error> {
        let (process, name, files) = match whose {
            Whose::Orchestrator(one) => (&mut self.orchestrators[one], orchestrator(one), STORE),
            Whose::Executor(one) => (&mut self.executors[one], executor(one), LEDGER),
        };
        let (Condition::Up, Some(id)) = (process.condition(), process.id()) else { return Ok(None) };
        let files: Vec<PathBuf> = files.iter().map(|file| self.folder.join(&name).join(file)).collect();
        Failing::begin(id, &files, trouble, &self.folder.join("strace.log")).await
    }

    /// Tells whether it could happen: what is down already cannot be killed.
    fn begin(&mut self, fault: Fault) -> bool {
        let kill = |process: &mut Process| {
            process.condition() == Condition::Up && {
                process.kill();
                true
            }
        };
        let freeze = |process: &mut Process| {
            process.condition() == Condition::Up && {
                process.freeze();
                true
            }
        };
        let cut = |wire: &Wire| {
            !wire.is_cut() && {
                wire.cut();
                true
            }
        };
        match fault {
            Fault::KillOrchestrator(one) => kill(&mut self.orchestrators[one]),
            Fault::FreezeOrchestrator(one) => freeze(&mut self.orchestrators[one]),
            Fault::KillExecutor(one) => kill(&mut self.executors[one]),
            Fault::FreezeExecutor(one) => freeze(&mut self.executors[one]),
            Fault::CutBeats { executor, orchestrator } => cut(&self.beats[executor][orchestrator]),
            Fault::CutWork(one) => cut(&self.work[one]),
            Fault::CutStore(one) => cut(&self.stores[one]),
            // It has begun, or it cannot.
            Fault::Disk { .. } => false,
            Fault::BreakAll => {
                self.wires().for_each(Wire::break_all);
                true
            }
        }
    }

    fn heal(&mut self, fault: Fault) -> Result<(), Error> {
        match fault {
            Fault::KillOrchestrator(one) => self.orchestrators[one].start()?,
            Fault::FreezeOrchestrator(one) => self.orchestrators[one].thaw(),
            Fault::KillExecutor(one) => self.executors[one].start()?,
            Fault::FreezeExecutor(one) => self.executors[one].thaw(),
            Fault::CutBeats { executor, orchestrator } => self.beats[executor][orchestrator].mend(),
            Fault::CutWork(one) => self.work[one].mend(),
            Fault::CutStore(one) => self.stores[one].mend(),
            // What fails a disk ends when it is dropped.
            Fault::Disk { .. } | Fault::BreakAll => {}
        }
        Ok(())
    }

    /// Ends the executors first: what they still know they can say.
    fn end(&mut self) {
        self.executors.iter_mut().chain(&mut self.orchestrators).for_each(Process::end);
    }

    /// Who ended though nobody ended him, and who panicked.
    fn confess(&self, ledger: &mut Ledger) {
        let has_database = !self.stores.is_empty();
        let orchestrators = self.orchestrators.iter().enumerate();
        let orchestrators = orchestrators.map(|(one, process)| (Whose::Orchestrator(one), orchestrator(one), process));
        let executors = self.executors.iter().enumerate();
        let executors = executors.map(|(one, process)| (Whose::Executor(one), executor(one), process));
        for (who, name, process) in orchestrators.chain(executors) {
            ledger.look_at_falls(who, process.name(), process.falls(), &self.harm, has_database);
            ledger.look_for_panics(&log_of(&self.folder, &name));
        }
    }
}

fn orchestrator(name: usize) -> String {
    format!("orchestrator-{name}")
}

fn executor(name: usize) -> String {
    format!("executor-{name}")
}

/// Which executor is called so.
fn executor_of(name: &str) -> Option<usize> {
    name.strip_prefix("executor-")?.parse().ok()
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

async fn wire_to(address: SocketAddr) -> Result<Wire, Error> {
    Wire::to(address).await.map_err(|source| Error::Listen { address: "127.0.0.1:0".to_owned(), source })
}

fn free_address() -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.map_err(|source| Error::Listen { address: "127.0.0.1:0".to_owned(), source })
}
