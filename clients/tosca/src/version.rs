//! The versions of TOSCA that are read, and how a template names its own.
//!
//! Owns the headings (`tosca_definitions_version`) that are known. Promises that a heading is known as a whole or not
//! at all. Never guesses a version from what else stands in a file.

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

    /// The version that a heading names, its own or that of a [`Dialect`].
    pub(crate) fn read(heading: &str) -> Option<Version> {
        if Dialect::of(heading).is_some() {
            return Some(Dialect::READ_AS);
        }
        if heading == "tosca_2_0" {
            return Some(Version::V2_0);
        }
        let mut simple = Version::ALL.into_iter().filter(|version| version.is_simple());
        if let Some(name) = heading.strip_prefix("http://docs.oasis-open.org/tosca/ns/simple/yaml/") {
            return simple.find(|version| version.name() == name);
        }
        // Numbers have two parts, or three of which the last is 0; a draft of the text adds its own: `_wd03`.
        let numbers = heading.strip_prefix("tosca_simple_yaml_")?;
        let numbers = match numbers.rsplit_once("_wd") {
            Some((numbers, draft)) if is_number(draft) => numbers,
            Some(_) | None => numbers,
        };
        let two = numbers.strip_suffix("_0").filter(|two| two.contains('_')).unwrap_or(numbers);
        simple.find(|version| version.name().replace('.', "_") == two)
    }

    /// What a template of this version should say.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Version::V1_0 => "tosca_simple_yaml_1_0",
            Version::V1_1 => "tosca_simple_yaml_1_1",
            Version::V1_2 => "tosca_simple_yaml_1_2",
            Version::V1_3 => "tosca_simple_yaml_1_3",
            Version::V2_0 => "tosca_2_0",
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

/// A language of others that is nearly TOSCA 1.x.
///
/// Its makers added what TOSCA got later (workflows, `on_failure`, inline artifacts) before TOSCA had it, so all of them
/// are read as the version that allows most, whatever their own number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    prefix: &'static str,
    /// Whose it is.
    pub(crate) name: &'static str,
    /// Does it come with types of its own?
    pub(crate) types: Types,
}

/// Where a template gets the types from that its heading promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Types {
    /// The normative ones of TOSCA, which are part of this program.
    Normative,
    /// Others, which the template has to bring along.
    Theirs,
}

impl Dialect {
    /// What all of them are read as.
    pub(crate) const READ_AS: Version = Version::V1_3;

    const ALL: [Dialect; 4] = [
        Dialect { prefix: "alien_dsl_", name: "Alien4Cloud", types: Types::Normative },
        Dialect { prefix: "yorc_tosca_simple_yaml_", name: "Yorc", types: Types::Normative },
        Dialect { prefix: "tosca_simple_profile_for_nfv_", name: "the NFV profile", types: Types::Theirs },
        Dialect { prefix: "tosca_simple_profile_for_mec_", name: "the MEC profile", types: Types::Theirs },
    ];

    /// The dialect of a heading, where it has one: its prefix and a version, such as `2_0_0` or `1_0_0_wd05`.
    pub(crate) fn of(heading: &str) -> Option<Dialect> {
        let is_version = |version: &str| {
            let mut parts = version.split('_').peekable();
            parts.next().is_some_and(is_number)
                && parts.peek().is_some()
                && parts.all(|part| is_number(part.strip_prefix("wd").unwrap_or(part)))
        };
        Dialect::ALL.into_iter().find(|dialect| heading.strip_prefix(dialect.prefix).is_some_and(is_version))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headings: &[&str]) -> String {
        let said = |heading: &&str| match (Version::read(heading), Dialect::of(heading)) {
            (Some(version), Some(dialect)) => format!("{heading}: {version}, of {}\n", dialect.name),
            (Some(version), None) => format!("{heading}: {version}\n"),
            (None, _) => format!("{heading}: none\n"),
        };
        headings.iter().map(said).collect()
    }

    #[test]
    fn a_heading_names_its_version_in_many_ways() {
        insta::assert_snapshot!(read(&[
            "tosca_simple_yaml_1_0",
            "tosca_simple_yaml_1_1",
            "tosca_simple_yaml_1_2",
            "tosca_simple_yaml_1_3",
            "tosca_2_0",
            "tosca_simple_yaml_1_0_0",
            "tosca_simple_yaml_1_3_0",
            "tosca_simple_yaml_1_0_0_wd03",
            "tosca_simple_yaml_1_1_wd01",
            "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.0",
            "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.3",
        ]), @"
        tosca_simple_yaml_1_0: TOSCA 1.0
        tosca_simple_yaml_1_1: TOSCA 1.1
        tosca_simple_yaml_1_2: TOSCA 1.2
        tosca_simple_yaml_1_3: TOSCA 1.3
        tosca_2_0: TOSCA 2.0
        tosca_simple_yaml_1_0_0: TOSCA 1.0
        tosca_simple_yaml_1_3_0: TOSCA 1.3
        tosca_simple_yaml_1_0_0_wd03: TOSCA 1.0
        tosca_simple_yaml_1_1_wd01: TOSCA 1.1
        http://docs.oasis-open.org/tosca/ns/simple/yaml/1.0: TOSCA 1.0
        http://docs.oasis-open.org/tosca/ns/simple/yaml/1.3: TOSCA 1.3
        ");
    }

    #[test]
    fn a_dialect_is_read_as_the_version_that_allows_most() {
        insta::assert_snapshot!(read(&[
            "alien_dsl_1_3_0",
            "alien_dsl_1_4_0",
            "alien_dsl_2_0_0",
            "yorc_tosca_simple_yaml_1_0",
            "tosca_simple_profile_for_nfv_1_0",
            "tosca_simple_profile_for_nfv_1_0_0",
            "tosca_simple_profile_for_mec_1_0_0_wd01",
        ]), @"
        alien_dsl_1_3_0: TOSCA 1.3, of Alien4Cloud
        alien_dsl_1_4_0: TOSCA 1.3, of Alien4Cloud
        alien_dsl_2_0_0: TOSCA 1.3, of Alien4Cloud
        yorc_tosca_simple_yaml_1_0: TOSCA 1.3, of Yorc
        tosca_simple_profile_for_nfv_1_0: TOSCA 1.3, of the NFV profile
        tosca_simple_profile_for_nfv_1_0_0: TOSCA 1.3, of the NFV profile
        tosca_simple_profile_for_mec_1_0_0_wd01: TOSCA 1.3, of the MEC profile
        ");
    }

    #[test]
    fn what_only_looks_like_a_heading_is_none() {
        let none = [
            "",
            "2.0",
            "1.3",
            "tosca",
            "tosca-2-0",
            "tosca_2_1",
            "tosca_2_0_0",
            "tosca_simple_yaml_",
            "tosca_simple_yaml_0",
            "tosca_simple_yaml_1",
            "tosca_simple_yaml_1_0_1",
            "tosca_simple_yaml_1_0_0_0",
            "tosca_simple_yaml_1_0_wd",
            "tosca_simple_yaml_1_0_wdx",
            "tosca_simple_yaml_1.0",
            "tosca_simple_yaml_1_10",
            "tosca_simple_yaml_1_4",
            "tosca_simple_yaml_2_0",
            "tosca_simple_yaml_XXX",
            "not_tosca_simple_yaml_1_0",
            "http://docs.oasis-open.org/tosca/ns/simple/yaml/2.0",
            "http://docs.oasis-open.org/tosca/ns/simple/yaml/",
            "alien_dsl_",
            "alien_dsl_2",
            "alien_dsl_x_0",
            "tosca_simple_profile_for_nfv_",
            " tosca_2_0",
        ];
        for heading in none {
            assert_eq!(Version::read(heading), None, "{heading}");
        }
    }

    #[test]
    fn every_version_reads_its_own_heading() {
        for version in Version::ALL {
            assert_eq!(Version::read(version.heading()), Some(version));
        }
    }
}
