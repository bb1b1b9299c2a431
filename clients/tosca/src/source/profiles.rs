//! The files that are part of this program: the normative types.
//!
//! Owns their texts and the names by which templates ask for them. Promises that a name is taken for one of ours only
//! where it can mean nothing else.

use crate::version::Version;

/// A file of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// What every template of TOSCA 1.x has without asking.
    Simple1,
    /// The same for TOSCA 2.0, where it is imported.
    Simple2,
}

impl Profile {
    /// Its text, and how people call it; the entries that a version of 1.x does not have are tagged in it.
    pub(super) fn text(self, version: Version) -> (String, &'static str) {
        match self {
            Profile::Simple1 => {
                (format!("org.oasis-open.simple:{}", version.name()), include_str!("../profile/simple-1.yaml"))
            }
            Profile::Simple2 => (SIMPLE_2[0].to_owned(), include_str!("../profile/simple-2.yaml")),
        }
    }

    /// The profile that a file of TOSCA 2.0 imports by this name.
    pub(super) fn named(name: &str) -> Option<Profile> {
        SIMPLE_2.contains(&name).then_some(Profile::Simple2)
    }
}

/// The first one is how the community calls it; the other one stands in the text of the standard.
pub(super) const SIMPLE_2: [&str; 2] = ["org.oasis-open.simple:2.0", "org.oasis-open.tosca.simple:2.0"];

/// What an import of TOSCA 1.x means that names no file, but something that another tool has built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn<'a> {
    /// The normative types, which every template has here.
    Normative,
    /// A file that Yorc has, and that nobody has to bring along there.
    OfYorc(&'a str),
}

/// The archive of Alien4Cloud with the normative types. A version stands behind it.
pub(super) const OF_ALIEN: &str = "tosca-normative-types";

impl BuiltIn<'_> {
    /// Alien4Cloud names archives with versions, Yorc puts its own into `<...>`, and ARIA has its types by its name.
    pub(super) fn named(name: &str) -> Option<BuiltIn<'_>> {
        if let Some(inner) = name.strip_prefix('<').and_then(|name| name.strip_suffix('>')) {
            return Some(match inner {
                "normative-types.yml" => BuiltIn::Normative,
                file => BuiltIn::OfYorc(file),
            });
        }
        match name.split_once(':') {
            Some((OF_ALIEN, _)) => Some(BuiltIn::Normative),
            Some(_) => None,
            None => (name == "aria-1.0").then_some(BuiltIn::Normative),
        }
    }
}
