//! The folder or the archive that a template stands in, and what of it may be read.
//!
//! Owns paths, and the limits of reading. Promises that a path stands for one file, that nothing is read from outside
//! of an archive or of an unpacked one, and that all files together cost no more than their limit. Never reads what is
//! no plain file, so that reading cannot wait.
//!
//! A template that is named itself may reach out of its folder with `..`: people keep common types and scripts beside
//! their templates, and who submits it reads his own disk. What came as an archive may not, packed or unpacked: its
//! author is somebody else.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::archive::Archive;
use super::path::{self, Unfound};

/// So many bytes may all files have that are read, artifacts too. A file counts once.
const MOST_IN_ALL: u64 = 256 << 20;

/// Where files come from.
#[derive(Debug)]
pub(crate) struct Folder {
    /// How people call it; empty for the folder that the command runs in.
    name: String,
    kind: Kind,
    left: Cell<u64>,
    /// What was counted.
    counted: RefCell<BTreeSet<Rc<str>>>,
}

#[derive(Debug)]
enum Kind {
    /// The folder of a template.
    Open {
        at: PathBuf,
        /// Its own path, to know that `../here/x` is `x`.
        pieces: Vec<String>,
    },
    /// An unpacked archive, with its real path.
    Closed { at: PathBuf },
    /// A packed one.
    Packed(Archive),
}

impl Folder {
    /// The folder of a template.
    pub(super) fn of_template(at: &Path) -> io::Result<Folder> {
        let real = if at.as_os_str().is_empty() { fs::canonicalize(".") } else { fs::canonicalize(at) }?;
        let pieces = real.iter().skip(1).map(|piece| piece.to_string_lossy().into_owned()).collect();
        Ok(Folder::new(at, Kind::Open { at: real, pieces }))
    }

    /// Where it is on the disk; none for a packed archive.
    pub(crate) fn at(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Open { at, .. } | Kind::Closed { at } => Some(at),
            Kind::Packed(_) => None,
        }
    }

    /// Has it all that belongs to its template?
    pub(crate) fn is_archive(&self) -> bool {
        match self.kind {
            Kind::Open { .. } => false,
            Kind::Closed { .. } | Kind::Packed(_) => true,
        }
    }

    /// An unpacked archive.
    pub(super) fn unpacked(at: &Path) -> io::Result<Folder> {
        Ok(Folder::new(at, Kind::Closed { at: fs::canonicalize(at)? }))
    }

    /// A packed archive.
    pub(super) fn packed(at: &Path, archive: Archive) -> Folder {
        Folder::new(at, Kind::Packed(archive))
    }

    fn new(at: &Path, kind: Kind) -> Folder {
        let name = at.to_string_lossy().trim_end_matches('/').to_owned();
        Folder { name, kind, left: Cell::new(MOST_IN_ALL), counted: RefCell::default() }
    }

    /// The path that a name means in a file of this folder's folder `dir`.
    pub(super) fn path(&self, dir: &str, name: &str) -> Result<Rc<str>, Unfound> {
        let path = path::join(dir, name)?;
        let outside = |of: &str| Unfound::Outside { name: name.to_owned(), of: of.to_owned() };
        match &self.kind {
            Kind::Open { pieces, .. } => Ok(folded(path, pieces)),
            Kind::Closed { .. } if path.starts_with("../") => Err(outside("the folder of the CSAR")),
            Kind::Packed(_) if path.starts_with("../") => Err(outside("the archive")),
            Kind::Closed { .. } | Kind::Packed(_) => Ok(path),
        }
    }

    /// Is there such a file? The path is one that this folder made.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.look(path).is_ok()
    }

    /// Why there is no such file, if there is none.
    pub(super) fn look(&self, path: &str) -> io::Result<()> {
        match &self.kind {
            Kind::Packed(archive) if archive.has(path) => Ok(()),
            Kind::Packed(_) => Err(io::ErrorKind::NotFound.into()),
            Kind::Open { .. } | Kind::Closed { .. } => self.on_disk(path).map(|_| ()),
        }
    }

    /// All of a file.
    pub(crate) fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.read_at_most(path, u64::MAX)
    }

    /// All of a file that is no larger than so many bytes.
    pub(super) fn read_at_most(&self, path: &str, most: u64) -> io::Result<Vec<u8>> {
        let known = self.counted.borrow().contains(path);
        let left = if known { MOST_IN_ALL } else { self.left.get() };
        let allowed = most.min(left);
        let bytes = match &self.kind {
            Kind::Packed(archive) => archive.read(path, allowed)?,
            Kind::Open { .. } | Kind::Closed { .. } => {
                let mut bytes = Vec::new();
                fs::File::open(self.on_disk(path)?)?.take(allowed + 1).read_to_end(&mut bytes)?;
                bytes
            }
        };
        let size = bytes.len() as u64;
        if size > most {
            return Err(io::Error::other(format!("it has more than {} MiB", most >> 20)));
        }
        if size > left {
            return Err(io::Error::other(format!("all files together have more than {} MiB", MOST_IN_ALL >> 20)));
        }
        if !known {
            self.left.set(left - size);
            self.counted.borrow_mut().insert(path.into());
        }
        Ok(bytes)
    }

    /// The names of the files in a folder of this one, in their order; none where it cannot be seen.
    pub(super) fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<String> = match &self.kind {
            Kind::Packed(archive) => {
                let inside = archive.paths().filter(|path| path::dir(path) == dir);
                inside.map(|path| path::last(path).to_owned()).collect()
            }
            Kind::Open { at, .. } | Kind::Closed { at } => {
                let entries = fs::read_dir(at.join(dir)).into_iter().flatten().flatten();
                let files = entries.filter(|entry| entry.path().is_file());
                files.filter_map(|entry| entry.file_name().into_string().ok()).collect()
            }
        };
        names.sort_unstable();
        names
    }

    /// How people call a file of it.
    pub(super) fn shown(&self, path: &str) -> String {
        let root = if self.name.starts_with('/') { "/" } else { "" };
        // `examples/../common/x` is `common/x`. A name on a disk may be one that a template could not write.
        match path::join(&self.name, path) {
            Ok(path) => format!("{root}{path}"),
            Err(_) => format!("{}/{path}", self.name),
        }
    }

    /// Where a plain file is.
    fn on_disk(&self, path: &str) -> io::Result<PathBuf> {
        let place = match &self.kind {
            Kind::Open { at, .. } => at.join(path),
            Kind::Closed { at } => {
                let real = fs::canonicalize(at.join(path))?;
                if !real.starts_with(at) {
                    return Err(io::Error::other("it is a symlink that leads out of the folder of the CSAR"));
                }
                real
            }
            Kind::Packed(_) => return Err(io::ErrorKind::NotFound.into()),
        };
        if fs::metadata(&place)?.is_file() { Ok(place) } else { Err(io::Error::other("it is no plain file")) }
    }
}

/// A path that goes out of the folder and back into it, without that.
fn folded(path: Rc<str>, own: &[String]) -> Rc<str> {
    let ups = path.split('/').take_while(|piece| *piece == "..").count();
    if ups == 0 {
        return path;
    }
    let rest: Vec<&str> = path.split('/').skip(ups).collect();
    let above = own.len().saturating_sub(ups);
    let back = own[above..].iter().zip(&rest[..rest.len() - 1]).take_while(|(own, piece)| own == *piece).count();
    // Above the root there is nothing: `..` stays there.
    let ups = ups.min(own.len()) - back;
    let pieces = std::iter::repeat_n("..", ups).chain(rest[back..].iter().copied());
    pieces.collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_folder_and_comes_back_is_the_short_one() {
        let own = ["home".to_owned(), "t".to_owned()];
        let short = |path: &str| folded(path.into(), &own).as_ref().to_owned();
        assert_eq!(short("x.yaml"), "x.yaml");
        assert_eq!(short("../t/x.yaml"), "x.yaml");
        assert_eq!(short("../../home/t/a/x.yaml"), "a/x.yaml");
        assert_eq!(short("../../home/u/x.yaml"), "../u/x.yaml");
        assert_eq!(short("../u/x.yaml"), "../u/x.yaml");
        assert_eq!(short("../t"), "../t");
        assert_eq!(short("../../../x.yaml"), "../../x.yaml");
    }
}
