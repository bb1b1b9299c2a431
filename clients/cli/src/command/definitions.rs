//! `gorch definitions`: what is kept under a name.

use gorch_client::Client;
use gorch_schema::definition::{DefinitionList, DefinitionView, RevisionView};
use gorch_schema::{DefinitionAt, DefinitionKey, Digest, Timestamp};
use serde_json::Value;

use crate::args::{DefinitionsArgs, DefinitionsCommand};
use crate::command::{print, say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::table::Table;
use crate::text::{now, took};

pub(super) async fn run(args: DefinitionsArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let namespace = args.namespace;
    let of = |at: &DefinitionAt| {
        let namespace = namespace.as_deref().unwrap_or_default();
        DefinitionKey::new(namespace, at.name.clone()).map_err(|wrong| Error::NotADefinition(wrong.to_string()))
    };
    match args.command {
        None => list(&client, namespace.as_deref(), context.output).await?,
        Some(DefinitionsCommand::Get { definition, revisions: false }) => {
            print(&client.definition(&of(&definition)?, definition.revision.as_ref()).await?)?;
        }
        Some(DefinitionsCommand::Get { definition, revisions: true }) => {
            let list = client.revisions(&of(&definition)?).await?;
            match context.output {
                Output::Json => say_json(&list)?,
                Output::Text => print(&revisions(&list.revisions, now()).to_string())?,
            }
        }
        Some(DefinitionsCommand::Delete { name }) => {
            let key = of(&DefinitionAt { name, revision: None })?;
            let did = client.delete_definition(&key).await?;
            match context.output {
                Output::Json => say_json(&did)?,
                Output::Text => say(&format!("deleted {key}"))?,
            }
        }
    }
    Ok(Exit::Ok)
}

async fn list(client: &Client, namespace: Option<&str>, output: Output) -> Result<(), Error> {
    let mut all = DefinitionList { definitions: Vec::new(), next: None };
    loop {
        let page = client.definitions(namespace, all.next.as_deref()).await?;
        all.definitions.extend(page.definitions);
        all.next = page.next;
        if all.next.is_none() {
            break;
        }
    }
    match output {
        Output::Json => say_json(&all),
        Output::Text => print(&table(&all.definitions, now()).to_string()),
    }
}

/// The beginning of a revision, for people.
pub(super) fn short(revision: Digest) -> String {
    revision.to_string().chars().take(8).collect()
}

fn table(definitions: &[DefinitionView], now: Timestamp) -> Table {
    let mut table = Table::new(["NAME", "NAMESPACE", "REVISION", "OF", "CHANGED", "INPUTS"]);
    for definition in definitions {
        table.row([
            definition.name.to_string(),
            definition.namespace.clone(),
            short(definition.revision),
            definition.revisions.to_string(),
            format!("{} ago", took(now.since(definition.date))),
            definition.inputs_schema.as_ref().map(inputs).unwrap_or_default(),
        ]);
    }
    table
}

/// What a start gives: the names, those that it must give with a `*`.
fn inputs(schema: &Value) -> String {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let declared = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let name = |(name, _): (&String, &Value)| match required.contains(&name.as_str()) {
        true => format!("{name}*"),
        false => name.clone(),
    };
    declared.map(name).collect::<Vec<_>>().join(", ")
}

fn revisions(revisions: &[RevisionView], now: Timestamp) -> Table {
    let mut table = Table::new(["REVISION", "SINCE", "BY"]);
    for kept in revisions {
        table.row([kept.revision.to_string(), format!("{} ago", took(now.since(kept.date))), kept.by.clone()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn definitions_are_listed_with_what_they_take() {
        let shown = |name: &str, schema: Option<Value>| DefinitionView {
            namespace: "web".into(),
            name: name.parse().unwrap(),
            revision: Digest::from_bytes([0xab; 32]),
            date: Timestamp::from_millis(8_800),
            by: "spiffe://gorch.local/gorch/user/alice".into(),
            revisions: 3,
            inputs_schema: schema,
        };
        let schema = json!({"required": ["version"], "properties": {"version": {}, "region": {}}});
        let all = [shown("ship", Some(schema)), shown("clean-up", None)];
        insta::assert_snapshot!(table(&all, Timestamp::from_millis(10_000)), @"
        NAME      NAMESPACE  REVISION  OF  CHANGED   INPUTS
        ship      web        abababab  3   1.2s ago  region, version*
        clean-up  web        abababab  3   1.2s ago
        ");
        let kept = RevisionView { revision: all[0].revision, date: all[0].date, by: all[0].by.clone() };
        insta::assert_snapshot!(revisions(&[kept], Timestamp::from_millis(10_000)), @"
        REVISION                                                          SINCE     BY
        abababababababababababababababababababababababababababababababab  1.2s ago  spiffe://gorch.local/gorch/user/alice
        ");
    }
}
