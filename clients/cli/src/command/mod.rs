//! The commands, one file each, and how they are started.
//!
//! Owns the table from the command line to a command, the runtime, and the way back to an exit code.

mod again;
mod apply;
mod artifacts;
mod certs;
mod completion;
mod convert;
mod definitions;
mod demo;
mod dev;
mod doctor;
mod executors;
mod get;
mod graph;
mod logs;
mod proxy;
mod retention;
mod source;
mod store;
mod submit;
mod template;
mod travel;
mod ui;
mod validate;
mod watch;
mod whoami;
mod why;
mod wish;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use serde::Serialize;

use crate::args::{Cli, Command};
use crate::context::{Answer, Context};
use crate::error::Error;
use crate::exit::Exit;

/// The whole command.
pub(crate) fn main() -> ExitCode {
    if let Some(code) = service() {
        return code;
    }
    let Cli { global, command } = Cli::parse();
    refuse_file(&global.output, &command);
    let context = Context::new(global);
    let exit = alone(&command, &context).unwrap_or_else(|| with_runtime(command, &context));
    let exit = exit.unwrap_or_else(|error| {
        eprint!("{}", error.report());
        error.exit()
    });
    exit.into()
}

/// A service is a command of its own, with options of its own: `gorch executor` is `gorch-executor`.
fn service() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let service = args.next()?;
    let named = |name: &str| std::iter::once(OsString::from(name)).chain(args);
    match service.to_str()? {
        "orchestrator" => Some(gorch_orchestrator::command::main(named("gorch orchestrator"))),
        "executor" => Some(gorch_executor::command::main(named("gorch executor"))),
        _ => None,
    }
}

/// A file is where a document goes; other answers are printed.
fn refuse_file(answer: &Answer, command: &Command) {
    if let Answer::Written(file) = answer
        && !matches!(command, Command::Convert(_))
    {
        let message = format!(
            "invalid value '{}' for '--output <OUTPUT>': expected text or json; only `convert` writes a file",
            file.display()
        );
        Cli::command().error(ErrorKind::InvalidValue, message).exit();
    }
}

/// What asks nobody: whatever speaks to an orchestrator need not start for it.
fn alone(command: &Command, context: &Context) -> Option<Result<Exit, Error>> {
    if let Command::Convert(args) = command
        && args.template.of.is_none()
    {
        return Some(convert::run(args, context));
    }
    if let Command::Validate(args) = command
        && validate::is_of_templates(args)
    {
        return Some(validate::templates(args, context.output));
    }
    None
}

fn with_runtime(command: Command, context: &Context) -> Result<Exit, Error> {
    gorch_certs::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("the system gives threads and a poll descriptor to every process");
    let exit = runtime.block_on(run(command, context));
    // Reading stdin blocks a thread that nobody waits for.
    runtime.shutdown_background();
    exit
}

async fn run(command: Command, context: &Context) -> Result<Exit, Error> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Dev(args) => dev::run(args, context).await,
        Command::Submit(args) => submit::run(args, context).await,
        Command::Apply(args) => apply::run(args, context).await,
        Command::Definitions(args) => definitions::run(args, context).await,
        Command::Get(args) => get::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Cancel(args) => wish::cancel(args, context).await,
        Command::Pause(args) => wish::pause(args, context).await,
        Command::Resume(args) => wish::resume(args, context).await,
        Command::Rerun(args) => again::rerun(args, context).await,
        Command::Undo(args) => again::undo(args, context).await,
        Command::Approve(args) => wish::approve(args, context).await,
        Command::Refuse(args) => wish::refuse(args, context).await,
        Command::Signal(args) => wish::signal(args, context).await,
        Command::Validate(args) => validate::run(args, context).await,
        Command::Convert(args) => convert::run_of(args, context).await,
        Command::Why(args) => why::run(args, context).await,
        Command::Graph(args) => graph::run(&args).await,
        Command::Certs(command) => certs::run(command, context),
        Command::Proxy(args) => proxy::run(args, context).await,
        Command::Ui(args) => ui::run(args, context).await,
        Command::Artifacts(command) => artifacts::run(command, context).await,
        Command::Store(command) => store::run(command, context).await,
        Command::Executors(args) => executors::run(args, context).await,
        Command::Retention => retention::run(context).await,
        Command::Whoami => whoami::run(context).await,
        Command::Doctor(command) => doctor::run(command, context).await,
        Command::Completion { shell } => completion::run(shell),
        // Its own command line was read instead of this one.
        Command::Orchestrator { .. } | Command::Executor { .. } => Ok(Exit::Usage),
    }
}

/// How this program is called, for commands that people copy: by its name where the PATH finds it.
fn invoked() -> String {
    let Ok(program) = std::env::current_exe() else { return "gorch".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|dir| program.parent() == Some(&dir)) {
        return "gorch".to_owned();
    }
    let here = std::env::current_dir().ok();
    let below = here.as_ref().and_then(|here| program.strip_prefix(here).ok());
    below.unwrap_or(&program).display().to_string()
}

/// Prints a line to stdout.
pub(crate) fn say(line: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(Error::Output)
}

/// Prints text whose lines are ended already.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)
}

/// Prints a value as JSON, for `-o json`.
pub(crate) fn say_json(value: &impl Serialize) -> Result<(), Error> {
    say(&serde_json::to_string_pretty(value).expect("views are JSON"))
}
