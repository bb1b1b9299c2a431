//! Ceilings: what a node may have at most.
//!
//! Owns the comparison of what a node asks for with what the executor allows, for every kind of job. Promises that a
//! node can lower a ceiling and never raise it, and that a refusal says what was found and what is expected.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Processors, in billionths: as docker counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub i64);

/// A text that is no number of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of processors (expected one from 0.01 to 1024, such as `1.5`)")]
pub struct NoCpus(String);

impl Cpus {
    /// So many processors.
    pub(crate) fn of(number: f64) -> Self {
        Cpus((number * 1e9).round() as i64)
    }
}

impl FromStr for Cpus {
    type Err = NoCpus;

    fn from_str(text: &str) -> Result<Self, NoCpus> {
        let number = text.parse::<f64>().ok().filter(|number| (0.01..=1024.0).contains(number));
        number.map(Cpus::of).ok_or_else(|| NoCpus(text.to_owned()))
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 as f64 / 1e9)
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A node asks for more than it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`limits` ask for {found} {what}, expected at most {most} (this executor's `{flag}`)")]
pub(crate) struct TooMuch {
    what: &'static str,
    flag: &'static str,
    found: String,
    most: String,
}

/// The lower of both; an error where the node asks for more. Named by what is counted and by the executor's flag.
pub(crate) fn lower<T: Ord + Copy + fmt::Display>(
    (what, flag): (&'static str, &'static str),
    asked: Option<T>,
    ceiling: Option<T>,
) -> Result<Option<T>, TooMuch> {
    match (asked, ceiling) {
        (Some(found), Some(most)) if found > most => {
            Err(TooMuch { what, flag, found: found.to_string(), most: most.to_string() })
        }
        (Some(asked), _) => Ok(Some(asked)),
        (None, ceiling) => Ok(ceiling),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_strictly() {
        assert_eq!("1.5".parse(), Ok(Cpus(1_500_000_000)));
        for text in ["", "0", "-1", "NaN", "inf", "2000"] {
            assert!(text.parse::<Cpus>().is_err(), "{text}");
        }
    }

    #[test]
    fn less_is_given_and_more_is_refused() {
        let what = ("processors", "docker_cpus");
        assert_eq!(lower(what, Some(1), Some(2)), Ok(Some(1)));
        assert_eq!(lower(what, Some(2), Some(2)), Ok(Some(2)));
        assert_eq!(lower(what, None, Some(2)), Ok(Some(2)));
        assert_eq!(lower(what, Some(9), None), Ok(Some(9)));
        let refused = lower(what, Some(3), Some(2)).unwrap_err().to_string();
        assert_eq!(refused, "`limits` ask for 3 processors, expected at most 2 (this executor's `docker_cpus`)");
    }
}
