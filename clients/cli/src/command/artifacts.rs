//! `gorch artifacts`: files up and down, by their content.

use std::path::{Component, Path, PathBuf};

use gorch_client::Client;
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
use crate::resolve;

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
        ArtifactsCommand::Of { id, node, name, to } => of(context, &id, &node, name.as_deref(), &to).await?,
        ArtifactsCommand::Get { artifact, to } => {
            let path = to.unwrap_or_else(|| PathBuf::from(artifact.to_string()));
            get(&context.client()?, artifact, &path).await?;
        }
    }
    Ok(Exit::Ok)
}

/// Each file under its name and its path, so that two of them never meet.
async fn of(context: &Context, id: &str, node: &str, name: Option<&str>, to: &Path) -> Result<(), Error> {
    let client = context.client()?;
    let run = resolve::run(&client, id).await?;
    let left = client.node(run, node).await?.node.artifacts;
    for (under, files) in left.into_iter().filter(|(under, _)| name.is_none_or(|name| name == under)) {
        for file in files {
            let path = to.join(inside(&under)).join(inside(&file.path));
            let folder = path.parent().unwrap_or(to).to_owned();
            let failed = |source| Error::Write { path: folder.clone(), source };
            tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
            get(&client, file.sha256, &path).await?;
        }
    }
    Ok(())
}

/// A path from elsewhere, of which nothing leads out of the folder that it is put into.
fn inside(path: &str) -> PathBuf {
    Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Comes whole under its name, or not at all.
async fn get(client: &Client, digest: Digest, path: &Path) -> Result<(), Error> {
    let mut download = client.artifact(digest).await?;
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
    tokio::fs::rename(&part, path).await.map_err(failed)?;
    say(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_from_elsewhere_leads_out() {
        for (path, stays) in [("a/b", "a/b"), ("/etc/passwd", "etc/passwd"), ("../../a", "a"), ("./a/../b", "a/b")] {
            assert_eq!(inside(path), Path::new(stays));
        }
    }
}
