//! The versions of TOSCA that are read, and how a template names its own.

use std::fmt;

/// A version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Version {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
    V2_0,
}

impl Version {
    /// All of them, the oldest first.
    pub(crate) const ALL: [Version; 5] = [Version::V1_0, Version::V1_1, Version::V1_2, Version::V1_3, Version::V2_0];

    /// `1.3`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
            Version::V1_3 => "1.3",
            Version::V2_0 => "2.0",
        }
    }

    /// Is it one of the Simple Profile in YAML?
    pub(crate) fn is_simple(self) -> bool {
        self < Version::V2_0
    }

    /// Does it have what carries this tag: `v1.2-` from 1.2 on, `v-1.1` until 1.1, `v1.1-1.2` both? Another tag says
    /// nothing about versions.
    pub(crate) fn has(self, tag: &str) -> bool {
        let Some((first, last)) = tag.strip_prefix('v').and_then(|range| range.split_once('-')) else { return true };
        let named = |name: &str| Version::ALL.into_iter().find(|version| version.name() == name);
        named(first).is_none_or(|first| first <= self) && named(last).is_none_or(|last| self <= last)
    }
}

/// `TOSCA 1.3`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TOSCA {}", self.name())
    }
}
