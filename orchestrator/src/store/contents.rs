//! What artifacts have in them: given by a store and by folders, taken by a folder, looked at.
//!
//! Owns who gives what, and on which threads. Promises that each content is given once, however many places have it, and
//! that what was taken is what its name says. Never decides whether one is needed.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gorch_schema::Digest;
use tokio::sync::mpsc;

use super::Error;
use crate::artifacts::{self, Folder, Spooled};
use crate::journal::portable;
use crate::journal::portable::contents::{Content, Count, PIECE, Summed};
use crate::journal::postgres;

/// Gives all that are in this database, then all that are in the folders of these data.
pub(super) async fn give(
    database: Option<&postgres::copy::Source>,
    folders: Vec<PathBuf>,
    into: mpsc::Sender<Content>,
) -> Result<(), Error> {
    let mut given = BTreeSet::new();
    if let Some(database) = database {
        database.contents(&mut given, &into).await?;
    }
    let giving = tokio::task::spawn_blocking(move || {
        folders.iter().try_for_each(|data| from_folder(data, &mut given, &into))?;
        send(&into, Content::Over)
    });
    giving.await?
}

fn send(into: &mpsc::Sender<Content>, next: Content) -> Result<(), Error> {
    into.blocking_send(next).map_err(|_| Error::Rows(portable::Error::Stopped))
}

fn from_folder(data: &Path, given: &mut BTreeSet<Digest>, into: &mpsc::Sender<Content>) -> Result<(), Error> {
    let reading = |source| Error::Artifacts { doing: "read", path: data.to_owned(), source };
    for (digest, path) in artifacts::there(data).map_err(reading)? {
        if given.contains(&digest) {
            continue;
        }
        // One that is gone meanwhile was needed by nobody any more; or it is missing, and that is said.
        let Some((mut file, length)) = artifacts::content(&path).map_err(reading)? else { continue };
        given.insert(digest);
        send(into, Content::Head(digest, length))?;
        loop {
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).map_err(reading)? {
                0 => break,
                read => piece.truncate(read),
            }
            send(into, Content::Piece(Bytes::from(piece)))?;
        }
    }
    Ok(())
}

/// Takes all that come into the folder of this data, which is made for the first of them. Blocks.
pub(super) fn into_folder(data: &Path, contents: &mut mpsc::Receiver<Content>) -> Result<Count, Error> {
    let opening = |source| Error::Artifacts { doing: "write", path: data.to_owned(), source };
    let failed = |source: artifacts::Error| Error::Artifact(Box::new(source));
    let (mut folder, mut count) = (None, Count::default());
    let mut growing: Option<(Digest, Spooled)> = None;
    loop {
        let next = contents.blocking_recv().ok_or(portable::Error::Stopped)?;
        if let (Content::Piece(piece), Some((_, spooled))) = (&next, &mut growing) {
            spooled.write(piece).map_err(failed)?;
            continue;
        }
        if let (Some((digest, spooled)), Some(folder)) = (growing.take(), &folder) {
            count.bytes += Folder::bring(folder, &spooled, digest).map_err(failed)?;
            count.contents += 1;
        }
        let Content::Head(digest, _) = next else { return Ok(count) };
        let folder = match &mut folder {
            Some(folder) => folder,
            None => folder.insert(Folder::open(data, u64::MAX).map_err(opening)?),
        };
        growing = Some((digest, folder.take().map_err(opening)?));
    }
}

/// Looks at all that come: each with its name and what it is. Blocks.
pub(super) fn look(contents: &mut mpsc::Receiver<Content>) -> Result<Vec<(Digest, Digest)>, Error> {
    let (mut found, mut summed) = (Vec::new(), None::<Summed>);
    loop {
        match contents.blocking_recv().ok_or(portable::Error::Stopped)? {
            Content::Head(digest, _) => found.extend(summed.replace(Summed::new(digest)).map(Summed::over)),
            Content::Piece(piece) => summed.iter_mut().for_each(|summed| summed.take(&piece)),
            Content::Over => {
                found.extend(summed.map(Summed::over));
                return Ok(found);
            }
        }
    }
}
