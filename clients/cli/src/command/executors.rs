//! `gorch executors`: who runs the work, and who is to take no more of it.
//!
//! Owns the three commands. Promises that `--wait` ends only with an executor that has nothing left, or with the reason why
//! that cannot be known.

use std::time::Duration;

use gorch_schema::Timestamp;
use gorch_schema::view::ExecutorView;

use crate::args::{ExecutorsArgs, ExecutorsCommand};
use crate::command::{print, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::table::Table;
use crate::text::{now, took};

/// How often is asked whether it is drained.
const BETWEEN: Duration = Duration::from_secs(1);

pub(super) async fn run(args: ExecutorsArgs, context: &Context) -> Result<Exit, Error> {
    match args.command {
        None => list(context).await,
        Some(ExecutorsCommand::Drain { name, deadline, wait }) => {
            let client = context.client()?;
            let mut executor = client.drain(&name, deadline).await?;
            while wait && executor.state != "drained" {
                if executor.state == "lost" {
                    return Err(Error::Lost(name));
                }
                tokio::time::sleep(BETWEEN).await;
                let listed = client.executors().await?.executors.into_iter();
                executor =
                    listed.into_iter().find(|listed| listed.name == executor.name).ok_or(Error::Lost(name.clone()))?;
            }
            show(&executor, context)
        }
        Some(ExecutorsCommand::Undrain { name }) => show(&context.client()?.undrain(&name).await?, context),
    }
}

fn show(executor: &ExecutorView, context: &Context) -> Result<Exit, Error> {
    match context.output {
        Output::Json => say_json(executor)?,
        Output::Text => print(&table(std::slice::from_ref(executor), now()).to_string())?,
    }
    Ok(Exit::Ok)
}

async fn list(context: &Context) -> Result<Exit, Error> {
    let list = context.client()?.executors().await?;
    match context.output {
        Output::Json => say_json(&list)?,
        Output::Text => print(&table(&list.executors, now()).to_string())?,
    }
    Ok(Exit::Ok)
}

fn table(executors: &[ExecutorView], now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "STATE", "HELD", "ENGINES", "LABELS", "SEEN", "CERTIFICATE", "URL"]);
    for executor in executors {
        let labels: Vec<String> = executor.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        table.row([
            executor.name.to_string(),
            executor.state.clone(),
            format!("{}/{}", executor.held, executor.slots),
            executor.engines.join(","),
            labels.join(","),
            executor.last_seen.map_or_else(|| "never".to_owned(), |at| format!("{} ago", took(now.since(at)))),
            executor.not_after.map_or_else(|| "-".to_owned(), |at| certificate(at, now)),
            executor.url.clone(),
        ]);
    }
    table
}

/// How long a certificate will do.
fn certificate(not_after: Timestamp, now: Timestamp) -> String {
    match not_after.since(now) {
        Duration::ZERO => "expired".to_owned(),
        left => format!("{} left", took(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executors_are_listed_with_what_they_hold() {
        let seen = Some(Timestamp::from_millis(8_800));
        let executor = ExecutorView {
            name: "e1".parse().unwrap(),
            url: "https://127.0.0.1:8585".into(),
            state: "alive".into(),
            engines: vec!["shell".into()],
            labels: [("zone".to_owned(), "b".to_owned())].into(),
            targets: vec![],
            slots: 4,
            held: 1,
            boot: "x".into(),
            last_seen: seen,
            not_after: Some(Timestamp::from_millis(10_000 + 86_400_000 * 40)),
        };
        let lost = ExecutorView {
            name: "build-7".parse().unwrap(),
            state: "lost".into(),
            labels: Default::default(),
            last_seen: None,
            not_after: None,
            ..executor.clone()
        };
        insta::assert_snapshot!(table(&[executor, lost], Timestamp::from_millis(10_000)), @"
        NAME     STATE  HELD  ENGINES  LABELS  SEEN      CERTIFICATE   URL
        e1       alive  1/4   shell    zone=b  1.2s ago  40d 00h left  https://127.0.0.1:8585
        build-7  lost   1/4   shell            never     -             https://127.0.0.1:8585
        ");
    }
}
