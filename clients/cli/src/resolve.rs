//! Which run is meant.
//!
//! Owns how a run is named on the command line: its id, or the beginning of it. Promises: a beginning that several
//! runs have is refused and says which they are.

use gorch_client::Client;
use gorch_client::runs::ListQuery;
use gorch_schema::RunId;
use gorch_schema::view::RunSummary;

use crate::error::Error;
use crate::text::short;

/// So many of the runs that a beginning could mean are named.
const NAMED: usize = 5;

/// The run of this id or beginning.
pub(crate) async fn run(client: &Client, text: &str) -> Result<RunId, Error> {
    let text = text.trim().to_ascii_lowercase();
    if let Ok(run) = text.parse() {
        return Ok(run);
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || text.len() > 32 || !is_hex {
        return Err(Error::NotAnId(text));
    }
    let mut found = Vec::new();
    let mut query = ListQuery { limit: Some(500), ..ListQuery::default() };
    loop {
        let page = client.list(&query).await?;
        found.extend(page.tasks.into_iter().filter(|run| run.id.to_string().starts_with(&text)));
        match page.next {
            Some(cursor) if found.len() <= NAMED => query.cursor = Some(cursor),
            Some(_) | None => return only(&text, &found),
        }
    }
}

fn only(prefix: &str, found: &[RunSummary]) -> Result<RunId, Error> {
    match found {
        [one] => Ok(one.id),
        [] => Err(Error::NoSuchRun(prefix.to_owned())),
        several => {
            let name = |run: &RunSummary| {
                let id = if prefix.len() < short(run.id).len() { short(run.id) } else { run.id.to_string() };
                if run.name.is_empty() { id } else { format!("{id} ({})", run.name) }
            };
            let mut runs: Vec<String> = several.iter().take(NAMED).map(name).collect();
            if several.len() > NAMED {
                runs.push("...".to_owned());
            }
            Err(Error::Ambiguous { prefix: prefix.to_owned(), runs })
        }
    }
}
