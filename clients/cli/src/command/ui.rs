//! `gorch ui`: the web client in a browser on this machine.

use crate::args::UiArgs;
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::door::{Door, Files};
use crate::error::Error;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::log;

pub(super) async fn run(args: UiArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    // Says early what every request would meet.
    let me = client.whoami().await?;
    let (log, _guard) = log::to_stderr();
    let files = Files::embedded();
    if !files.are_there() {
        eprintln!("warning: this gorch was built without its web client; the page says how to build it");
    }
    let mut door = Door::open(client, args.listen, files, log).await?;
    let mut interrupt = Interrupt::listen()?;
    let (url, link) = (door.url(), door.link());
    let invitation = |link: &str| serde_json::json!({"url": url, "identity": me.identity, "open": link});
    match context.output {
        Output::Json => say_json(&invitation(&link))?,
        Output::Text => print(&format!(
            "web       {url} -> {}\nspeaks as {}; whoever comes in by the link does\nopen      {link}\n",
            context.url, me.identity
        ))?,
    }
    loop {
        let link = tokio::select! {
            link = door.next_link() => link,
            () = interrupt.next() => return Ok(Exit::Ok),
        };
        let said = match context.output {
            Output::Json => say_json(&invitation(&link)),
            Output::Text => say(&format!("a browser came in; the link for another one:\nopen      {link}")),
        };
        // That nobody reads this any more does not shut out who is inside.
        drop(said);
    }
}
