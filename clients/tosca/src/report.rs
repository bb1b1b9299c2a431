//! What is wrong with a template: complaints, each with its place, its rule and what to do.
//!
//! Owns how complaints are collected and shown. Promises that all of them are told, in the order of their places, none
//! twice; that a message names what was found and what was expected; and that where two places disagree both are
//! shown. Reading goes on after a complaint, with what can still be known.

use std::collections::HashMap;
use std::fmt;

use crate::place::{Files, Place};

/// So many complaints are shown; the others are counted.
const SHOWN: usize = 100;

/// The nearest name is looked for so often: among thousands of names that costs.
const COMPARED: usize = 50;

/// So much of a line is shown: a file may have no second one.
const WIDEST: usize = 160;

/// Does it stop the conversion?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The template is wrong.
    Error,
    /// The template is right, and something should be known.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Complaint {
    pub(crate) weight: Weight,
    /// The rule that is broken: a short stable name.
    pub(crate) rule: &'static str,
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The other place of a disagreement, and what stands there.
    pub(crate) other: Option<(Place, String)>,
    /// How many were told before it.
    number: usize,
}

impl Complaint {
    /// With what to do about it.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the other place.
    pub(crate) fn other(&mut self, place: Place, what: impl Into<String>) -> &mut Self {
        self.other = Some((place, what.into()));
        self
    }

    /// With the nearest of the names that would have been right, if one is near, or all if they are few.
    pub(crate) fn near<'a>(&mut self, name: &str, known: impl IntoIterator<Item = &'a str>) -> &mut Self {
        if self.number >= COMPARED {
            return self;
        }
        let length = name.chars().count();
        // A name of one letter is near to every other one.
        let nearest = (1 + length / 4).min(length.saturating_sub(1));
        let mut known: Vec<&str> = known.into_iter().collect();
        known.sort_unstable();
        known.dedup();
        let similar = known.iter().filter(|other| other.chars().count().abs_diff(length) <= nearest);
        let best = similar.map(|other| (strsim::damerau_levenshtein(name, other), *other)).min();
        match best.filter(|(distance, _)| *distance <= nearest) {
            Some((_, best)) => self.hint(format!("did you mean `{best}`?")),
            None if known.is_empty() || known.len() > 12 => self,
            None => self.hint(format!("there are: {}", known.join(", "))),
        }
    }
}

/// All complaints of one reading.
#[derive(Debug, Default)]
pub(crate) struct Report {
    complaints: Vec<Complaint>,
    /// The complaints of a place.
    at: HashMap<Place, Vec<usize>>,
}

impl Report {
    /// The template is wrong at a place.
    pub(crate) fn error(&mut self, place: Place, rule: &'static str, message: impl Into<String>) -> &mut Complaint {
        self.add(Weight::Error, place, rule, message.into())
    }

    /// Something should be known.
    pub(crate) fn warning(&mut self, place: Place, rule: &'static str, message: impl Into<String>) -> &mut Complaint {
        self.add(Weight::Warning, place, rule, message.into())
    }

    /// As much as it weighs.
    pub(crate) fn say(
        &mut self,
        weight: Weight,
        place: Place,
        rule: &'static str,
        message: impl Into<String>,
    ) -> &mut Complaint {
        self.add(weight, place, rule, message.into())
    }

    fn add(&mut self, weight: Weight, place: Place, rule: &'static str, message: String) -> &mut Complaint {
        // What is used twice is read twice; it is told once.
        let here = self.at.entry(place).or_default();
        let known = here.iter().copied().find(|known| self.complaints[*known].message == message);
        let index = known.unwrap_or_else(|| {
            let number = self.complaints.len();
            self.complaints.push(Complaint { weight, rule, place, message, hint: None, other: None, number });
            here.push(self.complaints.len() - 1);
            self.complaints.len() - 1
        });
        &mut self.complaints[index]
    }

    /// Takes over what another one has.
    pub(crate) fn absorb(&mut self, other: Report) {
        for one in other.complaints {
            let new = self.add(one.weight, one.place, one.rule, one.message);
            new.hint = one.hint;
            new.other = one.other;
        }
    }

    /// Makes warnings of the errors that are excused.
    pub(crate) fn excuse(&mut self, is_excused: impl Fn(&Complaint) -> bool) {
        for complaint in self.complaints.iter_mut().filter(|complaint| is_excused(complaint)) {
            complaint.weight = Weight::Warning;
        }
    }

    /// Is the template wrong?
    pub(crate) fn is_refused(&self) -> bool {
        self.complaints.iter().any(|complaint| complaint.weight == Weight::Error)
    }

    /// All of it as text, in the order of the places.
    pub(crate) fn told(mut self, files: &Files) -> Told {
        self.complaints.sort_by(|a, b| (a.place, a.rule).cmp(&(b.place, b.rule)));
        let (errors, warnings): (Vec<_>, Vec<_>) =
            self.complaints.into_iter().partition(|complaint| complaint.weight == Weight::Error);
        let told = |complaints: Vec<Complaint>| complaints.iter().map(|one| Message::new(one, files)).collect();
        Told { errors: told(errors), warnings: told(warnings) }
    }
}

/// A complaint with its places in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Does it stop the conversion?
    pub weight: Weight,
    /// The rule that is broken: a short stable name, such as `unknown_key`.
    pub rule: &'static str,
    /// Where: `service.yaml:12:7`.
    pub at: String,
    /// What was found, and what was expected.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The other place of a disagreement, and what stands there.
    pub other: Option<(String, String)>,
    /// The line of the file, or a piece of it, and what of that is meant: the first character, from 0, and how many.
    source: (u32, String, usize, usize),
}

impl Message {
    fn new(complaint: &Complaint, files: &Files) -> Self {
        let place = complaint.place;
        let whole = files.line(place);
        let column = place.column.saturating_sub(1) as usize;
        let first = if whole.len() <= WIDEST { 0 } else { column.saturating_sub(WIDEST / 2) };
        let line = plain(&whole.chars().skip(first).take(WIDEST).collect::<String>());
        let column = column - first;
        let width = (place.width as usize).min(line.chars().count().saturating_sub(column)).max(1);
        Message {
            weight: complaint.weight,
            rule: complaint.rule,
            at: files.at(place),
            message: plain(&complaint.message),
            hint: complaint.hint.as_deref().map(plain),
            other: complaint.other.as_ref().map(|(place, what)| (files.at(*place), plain(what))),
            source: (place.line, line, column, width),
        }
    }
}

/// Without what a terminal would obey: the text is somebody else's.
fn plain(text: &str) -> String {
    let shown = |one: char| match one {
        '\t' => ' ',
        one if one.is_control() => char::REPLACEMENT_CHARACTER,
        one => one,
    };
    text.chars().map(shown).collect()
}

/// `service.yaml:12:7: error: ... [rule]`, the line, and what helps.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        writeln!(f, "{}: {weight}: {} [{}]", self.at, self.message, self.rule)?;
        let (number, line, column, width) = &self.source;
        if !line.trim().is_empty() {
            writeln!(f, "{number:>6} | {line}")?;
            writeln!(f, "       | {:column$}{}", "", "^".repeat(*width))?;
        }
        if let Some((at, what)) = &self.other {
            writeln!(f, "       {at}: {what}")?;
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "       hint: {hint}")?;
        }
        Ok(())
    }
}

/// All that was found, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// What is wrong.
    pub errors: Vec<Message>,
    /// What should be known.
    pub warnings: Vec<Message>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in self.errors.iter().take(SHOWN) {
            write!(f, "{message}")?;
        }
        if let more @ 1.. = self.errors.len().saturating_sub(SHOWN) {
            writeln!(f, "... and {more} more")?;
        }
        Ok(())
    }
}
