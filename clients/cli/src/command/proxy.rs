//! `gorch proxy`: the API for a browser on this machine.

use tokio_util::sync::CancellationToken;

use crate::args::ProxyArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::gateway::{gateway, listen};
use crate::interrupt::Interrupt;
use crate::log;

pub(super) async fn run(args: ProxyArgs, context: &Context) -> Result<Exit, Error> {
    let (listener, address) = listen(args.listen).await?;
    let client = context.client()?;
    // Says early what every request would meet.
    let me = client.whoami().await?;
    match context.output {
        Output::Json => say_json(&serde_json::json!({"url": format!("http://{address}"), "identity": me.identity}))?,
        Output::Text => {
            say(&format!("gateway   http://{address} -> {}", context.url))?;
            say(&format!("speaks as {}; whoever can connect here does", me.identity))?;
            say(&format!("open      http://{address}/apidocs/"))?;
        }
    }
    let (log, _guard) = log::to_stderr();
    let (mut interrupt, shutdown) = (Interrupt::listen()?, CancellationToken::new());
    let serving = gorch_certs::serve_plain(listener, gateway(client, address), shutdown.clone(), log);
    let stop = async {
        interrupt.next().await;
        shutdown.cancel();
        // A second one does not wait for streams that are still open.
        interrupt.next().await;
    };
    tokio::select! {
        () = serving => {}
        () = stop => {}
    }
    Ok(Exit::Ok)
}
