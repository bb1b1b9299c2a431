//! `gorch doctor`: what this machine and a store can bear.

use std::net::SocketAddr;

use gorch_orchestrator::config::StoreName;
use gorch_orchestrator::journal::postgres::{Address, Postgres};
use reqwest::Url;
use tokio::net::lookup_host;

use crate::args::{ChaosArgs, DoctorCommand};
use crate::chaos::{self, Database, Plan, Until};
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupt;

pub(super) async fn run(command: DoctorCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        DoctorCommand::Chaos(args) => chaos(args, context).await,
    }
}

async fn chaos(args: ChaosArgs, context: &Context) -> Result<Exit, Error> {
    let database = match &args.store {
        Some(store) => Some(throw_away(store, usize::from(args.orchestrators)).await?),
        None => None,
    };
    let scratch = tempfile::Builder::new().prefix("gorch-chaos-").tempdir();
    let mut scratch = scratch.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    let plan = Plan {
        folder: scratch.path().to_owned(),
        database,
        executors: usize::from(args.executors),
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
        until: args.length.map_or(Until::Faults(args.faults), Until::Over),
    };
    let is_text = context.output == Output::Text;
    if is_text {
        say(&format!("seed {}, logs in {}", plan.seed, plan.folder.display()))?;
    }
    // Until all is known to be right, the logs are worth something.
    scratch.disable_cleanup(true);
    let mut interrupt = Interrupt::listen()?;
    let house = chaos::run(&plan, |line| {
        // That nobody reads on is no reason to leave processes behind.
        if is_text {
            drop(say(line))
        }
    });
    let ledger = tokio::select! {
        ledger = house => ledger?,
        // The house goes with all its processes; what it was about to find out nobody wants to know.
        () = interrupt.next() => {
            chaos::last_nodes(&plan.folder).await;
            scratch.disable_cleanup(args.keep);
            return Ok(Exit::Interrupted);
        }
    };
    scratch.disable_cleanup(args.keep || !ledger.is_right());
    match context.output {
        Output::Json => say_json(&ledger)?,
        Output::Text => print(&format!("\n{ledger}"))?,
    }
    if ledger.is_right() {
        return Ok(Exit::Ok);
    }
    Err(Error::Chaos(format!("not all is as promised; the logs are in {}", scratch.path().display())))
}

const EXPECTED: &str = "postgres://USER@HOST[:PORT]/DATABASE";

/// A database in which nothing is yet: whatever is in another may be somebody's. It is on this machine: our wires end on
/// loopback, and carry what they are given in the clear.
async fn throw_away(store: &str, orchestrators: usize) -> Result<Database, Error> {
    let wrong = |why: &str| Error::Misplaced(format!("--store: {why} (expected {EXPECTED})"));
    let address: Address = store.parse().map_err(|error| wrong(&gorch_orchestrator::chain(&error)))?;
    let url: Url = store.parse().map_err(|_| wrong("not an address"))?;
    // These would lead past our wires.
    let is_elsewhere = |name: &str| matches!(name, "host" | "hostaddr" | "port");
    if url.query_pairs().any(|(name, _)| is_elsewhere(&name)) || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong(
            "chaos cuts the way to the database, which must be a host and a port: a socket cannot be cut",
        ));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port().unwrap_or(5432);
    let found = lookup_host((host.as_str(), port)).await;
    let found: Vec<_> = found.map_err(|source| Error::Listen { address: format!("{host}:{port}"), source })?.collect();
    if found.iter().any(|server| !server.ip().is_loopback()) {
        return Err(wrong(&format!(
            "{host} is not on this machine. The orchestrators would reach it by a wire of chaos, and send passwords and \
             data to it in the clear: start a database here, and name it by a loopback address"
        )));
    }
    let server: SocketAddr = *found.first().ok_or_else(|| wrong("its host has no address"))?;
    let address = address.or_password(std::env::var("PGPASSWORD").ok());
    let version = Postgres::version(address).await.map_err(|source| Error::service("store", source))?;
    if version > 0 {
        return Err(Error::Misplaced(
            "--store: this database is a gorch store already: chaos takes an empty one, and leaves what it did in it \
             (`dropdb DATABASE && createdb DATABASE` empties one that was made for this)"
                .to_owned(),
        ));
    }
    let store = StoreName::from(store.to_owned()).read().map_err(|error| wrong(&gorch_orchestrator::chain(&error)))?;
    Ok(Database { url, server, store, orchestrators })
}
