//! A content on its way out.
//!
//! Promises that no more of it is read than a few pieces ahead of whoever takes it, and that what is given is as long as was
//! announced or ends with an error: nobody takes a half for the whole, also where it goes while it is read.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Error;
use crate::journal::postgres::contents::{Contents, Found};

/// So many pieces wait for whoever is slow.
const AHEAD: usize = 4;

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// Where pieces are put.
type Pieces = mpsc::Sender<Result<Bytes, Error>>;

/// A content that is read.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Its bytes.
    pub(crate) length: u64,
    left: u64,
    pieces: mpsc::Receiver<Result<Bytes, Error>>,
}

impl Reading {
    fn of(length: u64) -> (Pieces, Reading) {
        let (sender, pieces) = mpsc::channel(AHEAD);
        (sender, Reading { length, left: length, pieces })
    }

    /// Of a file.
    pub(super) fn of_file(mut file: File, length: u64) -> Reading {
        let (pieces, reading) = Reading::of(length);
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let next = match file.read(&mut piece) {
                    Ok(0) => return,
                    Ok(read) => {
                        piece.truncate(read);
                        Ok(Bytes::from(piece))
                    }
                    Err(error) => Err(Error::Io(error)),
                };
                let is_last = next.is_err();
                // Nobody reads on: a HEAD, or a caller who left.
                if pieces.blocking_send(next).is_err() || is_last {
                    return;
                }
            }
        });
        reading
    }

    /// Of a database. Nothing of it is held between two looks, however slow the reader is.
    pub(super) fn of_rows(contents: Contents, found: Found) -> Reading {
        let (pieces, reading) = Reading::of(found.length);
        tokio::spawn(async move {
            let mut after = 0;
            while after < found.length {
                let next = match contents.pieces(found, after).await {
                    // It is gone: whoever reads finds it too short.
                    Ok(next) if next.is_empty() => return,
                    Ok(next) => next,
                    Err(error) => {
                        // Whoever left wants no reason.
                        _ = pieces.send(Err(error.into())).await;
                        return;
                    }
                };
                for piece in next {
                    after += piece.len() as u64;
                    if pieces.send(Ok(piece)).await.is_err() {
                        return;
                    }
                }
            }
        });
        reading
    }

    /// The next piece; none: that was all. After an error nothing comes.
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let next = match self.pieces.recv().await {
            Some(Ok(piece)) if piece.len() as u64 <= self.left => {
                self.left -= piece.len() as u64;
                return Some(Ok(piece));
            }
            Some(Ok(_)) => Err(Error::Longer { expected: self.length }),
            Some(Err(error)) => Err(error),
            None if self.left == 0 => return None,
            None => Err(Error::Shorter { found: self.length - self.left, expected: self.length }),
        };
        self.left = 0;
        self.pieces.close();
        while self.pieces.try_recv().is_ok() {}
        Some(next)
    }
}
