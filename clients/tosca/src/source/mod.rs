//! Where templates come from: a file with its neighbours, a folder, or an archive (CSAR).
//!
//! Owns finding and loading the files that a template imports, each once. Promises that nothing outside of an archive,
//! packed or unpacked, is read, that the network is not asked, that an import may go in a circle, and that nothing can
//! cost more than its limits. Never looks into what a file defines, beyond its heading, its imports and the addresses of
//! its repositories.

mod archive;
mod folder;
mod heading;
mod imports;
mod meta;
mod open;
mod path;
mod profiles;
mod reading;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub(crate) use folder::Folder;
pub(crate) use path::Unfound;

use crate::place::{FileId, Files};
use crate::version::Version;
use crate::yaml::Node;

/// A file of [`Sources::units`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitIx(pub(crate) usize);

/// All that was read.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The entry is the first one. Templates of an archive that can stand for nodes of it (`Other-Definitions`) are
    /// among them.
    pub(crate) units: Vec<Unit>,
    pub(crate) files: Files,
    /// What the artifacts are read from.
    pub(crate) folder: Folder,
}

impl Sources {
    /// The path of a file of [`Sources::folder`] that a unit names: an artifact, a script.
    ///
    /// It is relative to the unit's file, or to the root if it begins with `/`. For TOSCA 1.x it is looked for from the
    /// root, too, where it is not beside the file and this is no archive.
    pub(crate) fn path_of(&self, unit: UnitIx, name: &str) -> Result<Rc<str>, Unfound> {
        reading::path_of(&self.folder, &self.units[unit.0], name)
    }
}

/// One file: a template, or definitions for others.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) file: FileId,
    /// Relative to the folder or the archive; a profile of ours has its name.
    pub(crate) path: Rc<str>,
    pub(crate) version: Version,
    pub(crate) origin: Origin,
    /// The whole tree; a map.
    pub(crate) root: Node,
    /// In the order of the file. What every template of a version has without saying so comes last.
    pub(crate) imports: Vec<Import>,
    /// Something that it imports, however far, could not be read: an unknown name is nobody's fault.
    pub(crate) incomplete: bool,
}

/// Whose file is it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The user's.
    Given,
    /// One of the normative profiles that are part of this program.
    Normative,
}

/// That a file can use what another one defines.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) unit: UnitIx,
    /// The prefix (1.x) or namespace (2.0) that the names get: `prefix:Name`.
    pub(crate) namespace: Option<Rc<str>>,
}
