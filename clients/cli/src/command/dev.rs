//! `gorch dev`: everything on this machine, for trying out and for work on graphs.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorch_orchestrator::retention;
use slog::o;

use crate::args::DevArgs;
use crate::command::{invoked, print, say, say_json};
use crate::context::{self, Context, DEFAULT_URL, Output};
use crate::door::{Door, Files};
use crate::error::Error;
use crate::exit::Exit;
use crate::house::{House, Plan};
use crate::interrupt::Interrupt;
use crate::log;

/// Jobs that run when it is asked to end may take so long.
const DRAIN: Duration = Duration::from_secs(10);

pub(super) async fn run(args: DevArgs, context: &Context) -> Result<Exit, Error> {
    let data = match args.data {
        Some(data) => data,
        None => context::data_dir("--data")?,
    };
    std::fs::create_dir_all(&data).map_err(|source| Error::Write { path: data.clone(), source })?;
    let data = data.canonicalize().map_err(|source| Error::Read { path: data.clone(), source })?;
    let plan = Plan {
        data: data.clone(),
        listen: args.listen,
        executor_listen: args.executor_listen,
        slots: args.slots.and_then(NonZeroU32::new),
        workdir: args.workdir,
        keep: retention::Given {
            age: args.keep_age,
            runs: args.keep_runs,
            bytes: args.keep_bytes,
            logs_age: args.keep_logs_age,
            every: None,
        },
    };
    let (log, _guard) = log::to_stderr();
    let mut interrupt = Interrupt::listen()?;
    let house = House::start(plan, &log).await?;
    let opening = Door::open(house.client.clone(), args.ui_listen, Files::embedded(), log.new(o!("service" => "ui")));
    let mut door = match opening.await {
        Ok(door) => door,
        Err(error) => {
            house.shutdown(Duration::ZERO).await;
            return Err(error);
        }
    };
    match context.output {
        Output::Json => say_json(&serde_json::json!({
            "url": house.url, "executor_url": house.executor_url, "data": data, "certs": house.certs,
            "ui": door.url(), "open": door.link(),
        }))?,
        Output::Text => print(&ready(&house, &door.link(), &data, context))?,
    }
    loop {
        let link = tokio::select! {
            link = door.next_link() => link,
            () = interrupt.next() => break,
        };
        let said = match context.output {
            Output::Json => say_json(&serde_json::json!({"ui": door.url(), "open": link})),
            Output::Text => say(&format!("a browser came in; the link for another one:\n  web           {link}")),
        };
        // That nobody reads this any more is no reason to end what runs.
        drop(said);
    }
    if context.output == Output::Text {
        say("draining: running jobs have 10s to end, runs go on at the next start; again ends at once")?;
    }
    tokio::select! {
        () = house.shutdown(DRAIN) => Ok(Exit::Ok),
        () = interrupt.next() => Ok(Exit::Interrupted),
    }
}

/// What people read once everything runs.
fn ready(house: &House, link: &str, data: &Path, context: &Context) -> String {
    let House { url, executor_url, certs, slots, workdir, .. } = house;
    let (dir, gorch) = (certs.display(), invoked());
    let mut text = format!(
        "gorch dev is ready\n  \
         orchestrator  {url}\n  \
         executor      {executor_url} ({slots} slots, relative artifacts begin in {})\n  \
         data          {}\n  \
         certs         {dir}\n  \
         web           {link}\n\
         try, in another terminal:\n",
        workdir.display(),
        data.display(),
    );
    if url != DEFAULT_URL {
        text.push_str(&format!("  export GORCH_URL={url}\n"));
    }
    if context.certs().ok().as_ref() != Some(certs) {
        text.push_str(&format!("  export GORCH_CERTS={dir}\n"));
    }
    let example = PathBuf::from("examples/first-graph/graph.json");
    let document = if workdir.join(&example).is_file() { example.display().to_string() } else { "FILE".to_owned() };
    text.push_str(&format!(
        "  {gorch} submit --watch {document}\n  \
         {gorch} proxy                # then open http://127.0.0.1:8080/apidocs/\n  \
         curl --cacert {dir}/ca.pem --cert {dir}/client.pem --key {dir}/client.key {url}/v1/tasks\n\
         Ctrl-C ends it; runs go on at the next start\n"
    ));
    text
}
