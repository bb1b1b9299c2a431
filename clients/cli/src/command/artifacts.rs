//! `gorch artifacts`: files up and down, by their content.

use std::path::PathBuf;

use gorch_schema::Digest;
use gorch_schema::view::Stored;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::travel::{self, Upload};
use crate::args::ArtifactsCommand;
use crate::command::{say, say_json};
use crate::context::{Context, Output};
use crate::error::Error;
use crate::exit::Exit;

pub(super) async fn run(command: ArtifactsCommand, context: &Context) -> Result<Exit, Error> {
    match command {
        ArtifactsCommand::Put { file } => {
            let digest = travel::travel(&context.client()?, &file, Upload::Yes).await?;
            let size = tokio::fs::metadata(&file).await.map_or(0, |facts| facts.len());
            match context.output {
                Output::Text => say(&digest.as_artifact())?,
                Output::Json => say_json(&Stored { sha256: digest, size })?,
            }
        }
        ArtifactsCommand::Get { artifact, to } => get(context, artifact, to).await?,
    }
    Ok(Exit::Ok)
}

/// Comes whole under its name, or not at all.
async fn get(context: &Context, digest: Digest, to: Option<PathBuf>) -> Result<(), Error> {
    let mut download = context.client()?.artifact(digest).await?;
    let path = to.unwrap_or_else(|| PathBuf::from(digest.to_string()));
    let part = PathBuf::from(format!("{}.part", path.display()));
    let failed = |source| Error::Write { path: part.clone(), source };
    let mut file = tokio::fs::File::create(&part).await.map_err(failed)?;
    let mut hash = Sha256::new();
    while let Some(piece) = download.next().await? {
        hash.update(&piece);
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let found = Digest::from_bytes(hash.finalize().into());
    if found != digest {
        let source = std::io::Error::other(format!("what came has the SHA-256 {found}"));
        return Err(Error::Write { path: part, source });
    }
    tokio::fs::rename(&part, &path).await.map_err(failed)?;
    say(&path.display().to_string())
}
