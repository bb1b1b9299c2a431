//! `gorch apply`: a folder of documents becomes definitions.
//!
//! Owns the names: a document is called as its path below the folder says, without `.json`, and with dots for slashes.
//! Promises one line for each; that a document which is refused keeps no other from being applied; that nobody's change is
//! lost (what is put names what was seen); and that a dry run changes nothing, uploads included.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gorch_client::Client;
use gorch_client::definitions::Before;
use gorch_schema::{Complaint, DefinitionKey, Digest};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::definitions::short;
use super::travel::{self, Upload};
use crate::args::ApplyArgs;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;
use crate::text::clean;

/// What became of a document, or would.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Became {
    Created { revision: Digest },
    Changed { before: Digest, revision: Digest },
    Unchanged { revision: Digest },
    Refused { why: String, complaints: Vec<Complaint> },
}

/// A line of the answer.
#[derive(Debug, Serialize)]
struct Applied {
    name: String,
    file: PathBuf,
    became: Became,
}

pub(super) async fn run(args: ApplyArgs, context: &Context) -> Result<Exit, Error> {
    let client = context.client()?;
    let mut applied = Vec::new();
    for (name, file) in documents(&args.from)? {
        let became = match one(&client, &name, &file, &args).await {
            Ok(became) => became,
            Err(Refusal::Here(why)) => Became::Refused { why, complaints: Vec::new() },
            Err(Refusal::There(error)) => {
                let (why, complaints) = refused(error)?;
                Became::Refused { why, complaints }
            }
        };
        let line = Applied { name, file, became };
        if context.output == Output::Text {
            say(&text(&line))?;
        }
        applied.push(line);
    }
    if context.output == Output::Json {
        say_json(&applied)?;
    }
    let is_refused = |line: &Applied| matches!(line.became, Became::Refused { .. });
    Ok(if applied.iter().any(is_refused) { Exit::Error } else { Exit::Ok })
}

/// Every document below a folder, by its name; or the one that is named.
fn documents(from: &Path) -> Result<BTreeMap<String, PathBuf>, Error> {
    let mut found = BTreeMap::new();
    if !from.is_dir() {
        let stem = from.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(stem, from.to_owned());
        return Ok(found);
    }
    let mut folders = vec![(String::new(), from.to_owned())];
    while let Some((prefix, folder)) = folders.pop() {
        let failed = |source| Error::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push((format!("{prefix}{file}."), path));
            } else if let Some(stem) = file.strip_suffix(".json") {
                found.insert(format!("{prefix}{stem}"), path);
            }
        }
    }
    Ok(found)
}

/// Why a document is not applied.
enum Refusal {
    /// This command says so.
    Here(String),
    /// The orchestrator says so, or nothing could be asked.
    There(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Refusal::There(error.into())
    }
}

async fn one(client: &Client, name: &str, file: &Path, args: &ApplyArgs) -> Result<Became, Refusal> {
    let upload = if args.dry_run { Upload::No } else { Upload::Yes };
    let here = |wrong: gorch_schema::definition::NotAName| Refusal::Here(wrong.to_string());
    let name = name.parse().map_err(here)?;
    let document = travel::document(client, file, upload).await?;
    let namespace = args.namespace.clone().unwrap_or_else(|| own_namespace(&document));
    let key = DefinitionKey::new(&namespace, name).map_err(here)?;
    let revision = Digest::from_bytes(Sha256::digest(&document).into());
    let before = match client.revisions(&key).await {
        Ok(list) => list.revisions.first().map(|latest| latest.revision),
        Err(error) if error.code() == Some("not_found") => None,
        Err(error) => return Err(error.into()),
    };
    if args.dry_run {
        client.validate(document).await?;
    } else if before != Some(revision) {
        client.put_definition(&key, document, before.map_or(Before::Nothing, Before::Revision)).await?;
    }
    Ok(match before {
        None => Became::Created { revision },
        Some(before) if before == revision => Became::Unchanged { revision },
        Some(before) => Became::Changed { before, revision },
    })
}

/// The namespace that the document says; none where it cannot be read: then the orchestrator says what is wrong.
fn own_namespace(document: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        namespace: Option<String>,
    }
    serde_json::from_slice::<Named>(document).ok().and_then(|named| named.namespace).unwrap_or_default()
}

/// What is wrong with this document; the error itself where the next would fare no better.
fn refused(error: Error) -> Result<(String, Vec<Complaint>), Error> {
    if let Error::Read { .. } = error {
        return Ok((error.to_string(), Vec::new()));
    }
    if let Error::Client(gorch_client::Error::Problem(problem)) = &error
        && matches!(problem.status, 400 | 412 | 413 | 422)
    {
        return Ok((format!("{} [{}]", problem.title, problem.code), problem.complaints.clone()));
    }
    Err(error)
}

fn text(line: &Applied) -> String {
    let name = clean(&line.name);
    match &line.became {
        Became::Created { revision } => format!("created {name} {}", short(*revision)),
        Became::Changed { before, revision } => format!("changed {name} {}..{}", short(*before), short(*revision)),
        Became::Unchanged { revision } => format!("unchanged {name} {}", short(*revision)),
        Became::Refused { why, complaints } => {
            let complaints: String =
                complaints.iter().map(|complaint| format!("\n  {}", clean(&complaint.to_string()))).collect();
            format!("refused {name}: {}{complaints}", clean(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_called_as_its_path_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("web/eu")).unwrap();
        for file in ["ship.json", "web/eu/ship.json", "web/clean-up.json", "web/README.md"] {
            std::fs::write(folder.path().join(file), "{}").unwrap();
        }
        let names: Vec<String> = documents(folder.path()).unwrap().into_keys().collect();
        assert_eq!(names, ["ship", "web.clean-up", "web.eu.ship"]);
        let one: Vec<String> = documents(&folder.path().join("web/clean-up.json")).unwrap().into_keys().collect();
        assert_eq!(one, ["clean-up"]);
    }
}
