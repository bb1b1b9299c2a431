//! Values of fields, by type.
//!
//! Owns the reading of single values: texts, numbers, durations, maps, globs. Promises: a value that is not what it
//! should be is complained about once, with its place, and read as absent. Never knows which field it reads.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::check::Check;
use super::complaints::Path;
use super::json::{Json, Object, Quoted};
use crate::nearest::known;
use crate::time::parse_duration;
use crate::workflow::CodeGlob;

/// Longer durations say nothing: a hundred years.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// May a duration be zero?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zero {
    Allowed,
    Refused,
}

impl Check<'_> {
    pub(super) fn wrong_type(&mut self, at: &Path<'_>, found: &Json<'_>, expected: impl fmt::Display) {
        self.complaints.add("wrong_type", at, found, expected);
    }

    pub(super) fn array<'a>(&mut self, at: &Path<'_>, value: Json<'a>, of: &str) -> Option<Vec<Json<'a>>> {
        match value {
            Json::Array(items) => Some(items),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
                self.wrong_type(at, &value, format_args!("an array of {of}"));
                None
            }
        }
    }

    pub(super) fn object<'a>(&mut self, at: &Path<'_>, value: Json<'a>, expected: &str) -> Option<Object<'a>> {
        match value {
            Json::Object(fields) => Some(fields),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::Array(_) => {
                self.wrong_type(at, &value, expected);
                None
            }
        }
    }

    pub(super) fn text(&mut self, at: &Path<'_>, value: Json<'_>, expected: &str) -> Option<String> {
        match value {
            Json::Text(text) => Some(text.into_owned()),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                self.wrong_type(at, &value, expected);
                None
            }
        }
    }

    /// A text that a process can be given: one without NUL.
    pub(super) fn job_text(&mut self, at: &Path<'_>, value: Json<'_>) -> Option<String> {
        let text = self.text(at, value, "a string")?;
        if text.contains('\0') {
            self.complaints.add("bad_value", at, Quoted(&text), "a string without NUL");
            return None;
        }
        Some(text)
    }

    /// A text of limited length without control characters.
    pub(super) fn name(&mut self, at: &Path<'_>, value: Json<'_>) -> Option<String> {
        let text = self.text(at, value, "a string")?;
        self.check_name(at, &text).then_some(text)
    }

    /// Is the text short and free of control characters? Complains if not.
    pub(super) fn check_name(&mut self, at: &Path<'_>, text: &str) -> bool {
        let longest = self.limits.max_name_len;
        if text.len() > longest {
            let found = format_args!("{} ({} bytes)", Quoted(text), text.len()).to_string();
            self.complaints.add("bad_name", at, found, format_args!("{longest} bytes at most"));
            return false;
        }
        if text.chars().any(char::is_control) {
            self.complaints.add("bad_name", at, Quoted(text), "a string without control characters");
            return false;
        }
        true
    }

    /// Is the text a signal's name? Complains if not.
    pub(super) fn check_signal(&mut self, at: &Path<'_>, name: &str) {
        if crate::wait::is_signal(name) {
            return;
        }
        let expected = "the name of a signal: 1 to 128 of A-Z a-z 0-9 . _ -";
        self.complaints.add("bad_name", at, Quoted(name), expected);
    }

    pub(super) fn flag(&mut self, at: &Path<'_>, value: Json<'_>) -> Option<bool> {
        match value {
            Json::Flag(flag) => Some(flag),
            Json::Null | Json::Number(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => {
                self.wrong_type(at, &value, "true or false");
                None
            }
        }
    }

    pub(super) fn whole(&mut self, at: &Path<'_>, value: Json<'_>, range: RangeInclusive<u32>) -> Option<u32> {
        let expected = format_args!("a whole number from {} to {}", range.start(), range.end()).to_string();
        match &value {
            Json::Number(number) => {
                let whole = number.as_u64().and_then(|whole| u32::try_from(whole).ok());
                let inside = whole.filter(|whole| range.contains(whole));
                if inside.is_none() {
                    self.complaints.add("bad_value", at, number, expected);
                }
                inside
            }
            Json::Null | Json::Flag(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => {
                self.wrong_type(at, &value, expected);
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        at: &Path<'_>,
        value: Json<'_>,
        range: RangeInclusive<f64>,
        expected: &str,
    ) -> Option<f64> {
        match &value {
            Json::Number(number) => {
                let inside = number.as_f64().filter(|number| range.contains(number));
                if inside.is_none() {
                    self.complaints.add("bad_value", at, number, expected);
                }
                inside
            }
            Json::Null | Json::Flag(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => {
                self.wrong_type(at, &value, expected);
                None
            }
        }
    }

    pub(super) fn duration(&mut self, at: &Path<'_>, value: Json<'_>, zero: Zero) -> Option<Duration> {
        const EXPECTED: &str = "a duration such as \"90s\", \"1h 30m\" or \"PT90S\"";
        let read = match &value {
            Json::Text(text) => parse_duration(text).ok(),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
        };
        let expected = match read {
            None => EXPECTED,
            Some(duration) if duration > LONGEST => "a duration of at most 100 years",
            Some(Duration::ZERO) if zero == Zero::Refused => "a duration above zero",
            Some(duration) => return Some(duration),
        };
        self.complaints.add("bad_duration", at, value, expected);
        None
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        at: &Path<'_>,
        value: Json<'_>,
        code: &'static str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let found = match &value {
            Json::Text(text) => words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
        };
        if found.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            match &value {
                Json::Text(text) => {
                    self.complaints.add(code, at, &value, format_args!("one of {}", known(text, &names)));
                }
                Json::Null | Json::Flag(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
                    self.wrong_type(at, &value, format_args!("one of {}", known("", &names)));
                }
            }
        }
        found
    }

    /// Keys and texts; values that are null are absent.
    pub(super) fn text_map(&mut self, at: &Path<'_>, value: Json<'_>) -> BTreeMap<String, String> {
        let mut map = BTreeMap::new();
        for (key, value) in self.object(at, value, "an object of strings").unwrap_or_default() {
            let at = at.field(&key);
            if value != Json::Null
                && let Some(text) = self.job_text(&at, value)
                && self.check_key(&at, &key)
            {
                map.insert(key.into_owned(), text);
            }
        }
        map
    }

    /// Keys and any values.
    pub(super) fn value_map(&mut self, at: &Path<'_>, value: Json<'_>) -> BTreeMap<String, Value> {
        let mut map = BTreeMap::new();
        for (key, value) in self.object(at, value, "an object").unwrap_or_default() {
            if self.check_key(&at.field(&key), &key) {
                map.insert(key.into_owned(), value.into_value());
            }
        }
        map
    }

    fn check_key(&mut self, at: &Path<'_>, key: &str) -> bool {
        if key.is_empty() {
            self.complaints.add("bad_name", at, "an empty key", "a key");
        }
        !key.is_empty() && self.check_name(at, key)
    }

    /// A glob over failure codes. The same text is compiled once per document.
    pub(super) fn glob(&mut self, at: &Path<'_>, text: &str, code: &'static str) -> Option<CodeGlob> {
        if let Some(glob) = self.globs.get(text) {
            return Some(glob.clone());
        }
        if text.is_empty() || !self.check_name(at, text) {
            if text.is_empty() {
                self.complaints.add(code, at, Quoted(text), "a glob over failure codes, such as `timeout*`");
            }
            return None;
        }
        let most = self.limits.max_patterns;
        if self.globs.len() >= most {
            let expected = format_args!("{most} different globs at most in one document").to_string();
            self.complaints.add(code, at, Quoted(text), expected);
            return None;
        }
        match CodeGlob::new(text) {
            Ok(glob) => {
                self.globs.insert(text.to_owned(), glob.clone());
                Some(glob)
            }
            Err(error) => {
                let expected = format_args!("a glob over failure codes ({})", error.kind()).to_string();
                self.complaints.add(code, at, Quoted(text), expected);
                None
            }
        }
    }
}
