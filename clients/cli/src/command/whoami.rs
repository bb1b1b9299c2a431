//! `gorch whoami`: who the orchestrator thinks you are.

use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::clean;

pub(super) async fn run(context: &Context) -> Result<Exit, Error> {
    let me = context.client()?.whoami().await?;
    match context.output {
        Output::Json => say_json(&me)?,
        Output::Text => {
            say(&clean(&format!("identity     {}", me.identity)))?;
            say(&clean(&format!("roles        {}", me.roles.join(", "))))?;
            if let Some(until) = me.not_after {
                say(&format!("valid until  {until}"))?;
            }
        }
    }
    Ok(Exit::Ok)
}
