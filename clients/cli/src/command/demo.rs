//! `gorch demo`: the first minute with gorch.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use gorch_client::{Client, Submission};
use gorch_schema::RunId;

use crate::args::DemoArgs;
use crate::command::{invoked, print, say};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::example;
use crate::exit::Exit;
use crate::house::{House, Plan};
use crate::log;
use crate::text::clean;
use crate::watch::{Style, follow};

/// What the job of the demo runs.
const TOOLS: [(&str, &str); 3] = [("cc", "gcc libc6-dev"), ("tar", "tar"), ("sha256sum", "coreutils")];

pub(super) async fn run(args: DemoArgs, context: &Context) -> Result<Exit, Error> {
    for (tool, package) in TOOLS {
        if !is_installed(tool) {
            return Err(Error::MissingTool { tool, package });
        }
    }
    let scratch = tempfile::Builder::new().prefix("gorch-demo-").tempdir();
    let mut scratch = scratch.map_err(|source| Error::Write { path: std::env::temp_dir(), source })?;
    scratch.disable_cleanup(args.keep);
    let root = scratch.path();
    example::write(root)?;

    let (log, _guard) = log::to_stderr();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let plan = Plan {
        data: root.join("data"),
        listen: any,
        executor_listen: any,
        slots: None,
        workdir: Some(root.to_owned()),
        keep: Default::default(),
    };
    let house = House::start(plan, &log).await?;
    let tell = context.output == Output::Text;
    if tell {
        say(&format!("orchestrator at {}, executor at {}, over mutual TLS", house.url, house.executor_url))?;
        say("the job: compile a small C program, test it, pack it, checksum it, write a report\n")?;
    }
    let outcome = job(&house.client, root, context.output).await;
    house.shutdown(Duration::from_secs(2)).await;
    let (run, exit, report) = outcome?;
    if let Some(report) = report {
        say(&format!("\nthe report that the job wrote:\n\n{}", clean_lines(&report)))?;
    }
    if tell {
        print(&next(exit, run))?;
    }
    if args.keep {
        say(&format!("kept: {}", root.display()))?;
    }
    Ok(exit)
}

/// Runs the job; its report, where it came to one.
async fn job(client: &Client, root: &Path, output: Output) -> Result<(RunId, Exit, Option<String>), Error> {
    let path = root.join(example::DOCUMENT);
    let document = std::fs::read(&path).map_err(|source| Error::Read { path, source })?;
    let run = client.submit(document, &Submission::default()).await?.id;
    let exit = follow(client, run, output, Style::Fitting, None).await?;
    if exit != Exit::Ok || output == Output::Json {
        return Ok((run, exit, None));
    }
    let live = client.live(run).await?;
    let node = live.nodes.iter().find(|node| node.name == "report");
    let report = node.and_then(|node| node.output.get("report")).and_then(|path| path.as_str());
    let report =
        report.map(|path| std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source }));
    Ok((run, exit, report.transpose()?))
}

fn next(exit: Exit, run: RunId) -> String {
    let gorch = invoked();
    let verdict =
        if exit == Exit::Ok { "" } else { "the job did not succeed; run it again with --keep to look at its folder\n" };
    format!(
        "{verdict}(run {run} is gone with its scratch folder)\n\
         next:\n  \
         {gorch} dev                                              # the same, to stay\n  \
         {gorch} submit --watch examples/first-graph/graph.json   # in another terminal: eight nodes in a matrix\n  \
         {gorch} get                                              # what ran\n  \
         {gorch} ui                                               # runs in a browser: open the link that it prints\n"
    )
}

fn clean_lines(text: &str) -> String {
    text.lines().map(|line| format!("  {}\n", clean(line))).collect()
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}
