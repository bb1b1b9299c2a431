//! Contents in the database of the store: every orchestrator has what was brought to any.
//!
//! Owns what there is beside the rows ([`contents`](crate::journal::postgres::contents)): the local folder in which uploads
//! come, and the way of what was kept in it before into the database. Promises that a file of the folder goes only when
//! its content is durable elsewhere. Keeps nothing of what it reads: executors do.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gorch_schema::digest::Digest;
use sha2::{Digest as _, Sha256};
use slog::{Logger, info, warn};

use super::folder::{self, FOLDER};
use super::spool::Spool;
use super::{Collected, Error};
use crate::journal::postgres::Address;
use crate::journal::postgres::contents::Contents;

/// Bytes of a file that are read at a time.
const PIECE: usize = 128 << 10;

/// The contents of a store in a database.
pub(crate) struct Database {
    pub(super) contents: Contents,
    pub(super) spool: Spool,
}

impl Database {
    /// Those of the store in this database, which somebody has opened before. What is in the folder of this data, of a time
    /// when contents were kept there, is brought in.
    pub(super) async fn open(data: &Path, limit: u64, address: &Address, log: &Logger) -> Result<Database, Error> {
        let spool = Spool::open(&data.join(FOLDER), limit)?;
        let database = Database { contents: Contents::of(address)?, spool };
        database.bring_in(data.to_owned(), log).await?;
        Ok(database)
    }

    async fn bring_in(&self, data: PathBuf, log: &Logger) -> Result<(), Error> {
        let (mut brought, of) = (Collected::default(), data.clone());
        for (digest, path) in super::blocking(move || folder::there(&of)).await?? {
            let file = Arc::new(File::open(&path)?);
            let read = Arc::clone(&file);
            let (found, length) = super::blocking(move || sum(&read)).await??;
            if found != digest {
                warn!(log, "artifact left in its folder: it is not what its name says"; "found" => found.to_string(),
                    "file" => path.display().to_string());
                continue;
            }
            if self.contents.keep(vec![digest]).await?.is_empty() {
                self.contents.bring(file, digest).await?;
            }
            fs::remove_file(&path)?;
            // The last one takes its folder along.
            _ = path.parent().map(fs::remove_dir);
            brought.count += 1;
            brought.bytes += length;
        }
        if brought.count > 0 {
            info!(log, "artifacts brought into the database"; "data" => data.display().to_string(),
                "count" => brought.count, "bytes" => brought.bytes);
        }
        Ok(())
    }
}

/// What the content of a file comes to, and its length. Blocks.
fn sum(mut file: &File) -> Result<(Digest, u64), Error> {
    let (mut hash, mut piece, mut length) = (Sha256::new(), vec![0; PIECE], 0);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok((Digest::from_bytes(hash.finalize().into()), length)),
            read => {
                hash.update(&piece[..read]);
                length += read as u64;
            }
        }
    }
}
