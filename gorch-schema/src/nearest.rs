//! Did you mean: the known name that is nearest to an unknown one.
//!
//! Owns the one way in which gorch says that it does not know a name. Promises: a suggestion only where it is close
//! enough to be a slip of the finger, the same one for the same names. Never decides what is known.

use std::fmt;

/// The nearest of the known names, if one is close enough to be meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let found: String = found.chars().take(64).collect::<String>().to_lowercase();
    let allowed = found.chars().count() / 3;
    known
        .into_iter()
        .filter(|name| name.len() <= 256)
        .map(|name| (strsim::damerau_levenshtein(&found, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// `a, b, c; did you mean b?`: the known names and the nearest of them, for the end of a sentence.
pub fn known<'a>(found: &str, names: &[&'a str]) -> Known<'a> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    let meant = nearest(found, names.iter().copied());
    Known { names, meant }
}

/// `1 node`, `4 nodes`.
pub(crate) fn counted(count: impl Into<u64>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// What [`known`] shows.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    names: Vec<&'a str>,
    meant: Option<&'a str>,
}

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        f.write_str(&self.names[..self.names.len().min(SHOWN)].join(", "))?;
        if self.names.len() > SHOWN {
            write!(f, " and {} more", self.names.len() - SHOWN)?;
        }
        match self.meant {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_nonsense_finds_none() {
        assert_eq!(nearest("dokcer", ["ansible", "docker", "shell"]), Some("docker"));
        assert_eq!(nearest("Timeout", ["timeout"]), Some("timeout"));
        assert_eq!(nearest("B", ["a", "b"]), Some("b"));
        assert_eq!(nearest("c", ["a", "b"]), None, "of one letter nothing is left to guess by");
        assert_eq!(nearest("xyzzy", ["ansible", "docker", "shell"]), None);
        assert_eq!(known("dokcer", &["shell", "docker"]).to_string(), "docker, shell; did you mean `docker`?");
        assert_eq!(known("?", &["shell", "docker"]).to_string(), "docker, shell");
    }
}
