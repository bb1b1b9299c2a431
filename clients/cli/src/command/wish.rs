//! `gorch cancel`, `pause`, `resume`, `approve`, `refuse` and `signal`: asks something of a run, or of a node.

use gorch_client::{Client, Word};
use gorch_schema::RunId;
use gorch_schema::view::Did;
use serde_json::Value;

use super::source;
use crate::args::{AnswerArgs, CancelArgs, IdArgs, SignalArgs};
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::resolve;
use crate::text::{clean, short};

pub(super) async fn cancel(args: CancelArgs, context: &Context) -> Result<Exit, Error> {
    let CancelArgs { id, node, item } = args;
    match node {
        None => ask(&id, None, context, async |client, run| client.cancel(run).await).await,
        Some(node) => {
            let cancel = async |client: &Client, run| client.cancel_node(run, &node, item).await;
            ask(&id, Some(&node), context, cancel).await
        }
    }
}

pub(super) async fn pause(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    ask(&args.id, None, context, async |client, run| client.pause(run).await).await
}

pub(super) async fn resume(args: IdArgs, context: &Context) -> Result<Exit, Error> {
    ask(&args.id, None, context, async |client, run| client.resume(run).await).await
}

pub(super) async fn approve(args: AnswerArgs, context: &Context) -> Result<Exit, Error> {
    let AnswerArgs { id, node, message, item } = args;
    let word = Word { message, item };
    ask(&id, Some(&node), context, async |client, run| client.approve(run, &node, &word).await).await
}

pub(super) async fn refuse(args: AnswerArgs, context: &Context) -> Result<Exit, Error> {
    let AnswerArgs { id, node, message, item } = args;
    let word = Word { message, item };
    ask(&id, Some(&node), context, async |client, run| client.refuse(run, &node, &word).await).await
}

pub(super) async fn signal(args: SignalArgs, context: &Context) -> Result<Exit, Error> {
    let SignalArgs { id, name, data, key } = args;
    let data = match data {
        None => Value::Null,
        Some(data) if data == "-" => json("what stands on stdin", &source::bytes("-".as_ref()).await?)?,
        Some(data) => json(&format!("`{data}`"), data.as_bytes())?,
    };
    ask(&id, None, context, async |client, run| client.signal(run, &name, &data, key.as_deref()).await).await
}

fn json(what: &str, text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).map_err(|source| Error::NotJson { what: what.to_owned(), source })
}

async fn ask(
    id: &str,
    node: Option<&str>,
    context: &Context,
    wish: impl AsyncFnOnce(&Client, RunId) -> Result<Did, gorch_client::Error>,
) -> Result<Exit, Error> {
    let client = context.client()?;
    let run = resolve::run(&client, id).await?;
    let did = wish(&client, run).await?;
    let node = node.map(|node| format!(", node {}", clean(node))).unwrap_or_default();
    match context.output {
        Output::Json => say_json(&did)?,
        Output::Text if did.did == "nothing" => say(&format!("run {} has ended already", short(run)))?,
        Output::Text => say(&format!("run {}{node}: {}", short(run), did.did))?,
    }
    Ok(Exit::Ok)
}
