//! Where templates come from: a file with its neighbours, a folder, or an archive (CSAR).
//!
//! Owns finding and loading the files that a template imports, each once. Promises that nothing outside of the
//! template's folder or archive is read, that the network is not asked, that an import may go in a circle, and that an
//! archive cannot cost more than its limits. Never looks into what a file defines, beyond its heading, its imports and
//! the addresses of its repositories.

use std::rc::Rc;

use crate::place::{FileId, Files, Place};
use crate::version::Version;
use crate::yaml::Node;

/// A file of [`Sources::units`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitIx(pub(crate) usize);

/// All that was read.
#[derive(Debug)]
pub(crate) struct Sources {
    /// The entry is the first one.
    pub(crate) units: Vec<Unit>,
    pub(crate) files: Files,
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
    /// Did an import fail? Then nobody knows what it would have brought.
    pub(crate) incomplete: bool,
    /// In the order of the file. What every template of a version has without saying so comes last.
    pub(crate) imports: Vec<Import>,
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
    pub(crate) place: Place,
    pub(crate) unit: UnitIx,
    /// The prefix (1.x) or namespace (2.0) that the names get: `prefix:Name`.
    pub(crate) namespace: Option<Rc<str>>,
}
