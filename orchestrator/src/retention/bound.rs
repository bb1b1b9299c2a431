//! Bounds as people write them: `30d`, `100000`, `20GiB`, `off`.
//!
//! Owns how they are read, from flags and from the settings file, and written. Promises: `off` and nothing (`0`) are the
//! same: no bound. Never guesses: a number of bytes without a unit is bytes, and one of a unknown unit is refused.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use gorch_schema::time::{format_duration, parse_duration};
use serde::{Deserialize, Deserializer, de};

const DAY: Duration = Duration::from_hours(24);

/// A bound, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<T>(pub Option<T>);

/// Something that can be bounded.
pub trait Measure: Sized {
    /// What people are expected to write.
    const EXPECTED: &'static str;

    /// Reads it; 0 is no bound at all.
    fn read(text: &str) -> Option<Option<Self>>;
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// A text that is no bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found `{found}`, expected {expected}")]
pub struct NotABound {
    found: String,
    expected: &'static str,
}

impl Measure for Duration {
    const EXPECTED: &'static str = "a duration such as 30d or 12h, or off";

    fn read(text: &str) -> Option<Option<Self>> {
        let read = if text == "0" { Duration::ZERO } else { parse_duration(text).ok()? };
        Some((!read.is_zero()).then_some(read))
    }
}

impl Measure for u64 {
    const EXPECTED: &'static str = "a number such as 100000, or off";

    fn read(text: &str) -> Option<Option<Self>> {
        let read: u64 = text.parse().ok()?;
        Some((read > 0).then_some(read))
    }
}

impl Measure for Bytes {
    const EXPECTED: &'static str = "a number of bytes such as 20GiB, 500MB or 1048576, or off";

    fn read(text: &str) -> Option<Option<Self>> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        let read = number.parse::<u64>().ok()?.checked_mul(unit)?;
        Some((read > 0).then_some(Bytes(read)))
    }
}

impl<T: Measure> FromStr for Bound<T> {
    type Err = NotABound;

    fn from_str(text: &str) -> Result<Self, NotABound> {
        let read = if text == "off" { Some(None) } else { T::read(text.trim()) };
        let wrong = || NotABound { found: text.chars().take(60).collect(), expected: T::EXPECTED };
        read.map(Bound).ok_or_else(wrong)
    }
}

/// In a file a bound is a text, or a number where that says all.
impl<'de, T: Measure> Deserialize<'de> for Bound<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<T: Measure> de::Visitor<'_> for Reader<T> {
            type Value = Bound<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bound<T>, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bound<T>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bound<T>, E> {
                self.visit_str(&number.to_string())
            }
        }
        from.deserialize_any(Reader(PhantomData))
    }
}

/// A duration as people write it, in days where it is whole days.
pub(super) fn duration(of: Duration) -> String {
    let days = of.as_secs() / DAY.as_secs();
    if days > 0 && of == DAY * u32::try_from(days).unwrap_or(u32::MAX) {
        format!("{days}d")
    } else {
        format_duration(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_read_as_people_write_it() {
        let hours = |hours| Ok(Bound(Some(Duration::from_hours(hours))));
        assert_eq!(["30d", "12h", "1d 1h"].map(str::parse::<Bound<Duration>>), [hours(720), hours(12), hours(25)]);
        assert_eq!("100000".parse::<Bound<u64>>(), Ok(Bound(Some(100_000))));
        let bytes = |text: &str| text.parse::<Bound<Bytes>>().unwrap().0.unwrap().0;
        let texts = ["1", "7B", "2kB", "3 MB", "20GiB", "1TiB"];
        assert_eq!(texts.map(bytes), [1, 7, 2_000, 3_000_000, 20 << 30, 1 << 40]);
        for none in ["0", "off"] {
            assert_eq!(none.parse::<Bound<Duration>>().unwrap().0, None);
            assert_eq!(none.parse::<Bound<u64>>().unwrap().0, None);
            assert_eq!(none.parse::<Bound<Bytes>>().unwrap().0, None);
        }
        assert_eq!("0s".parse::<Bound<Duration>>().unwrap().0, None);
    }

    #[test]
    fn what_is_no_bound_is_refused_with_what_was_expected() {
        assert_eq!(
            "30".parse::<Bound<Duration>>().unwrap_err().to_string(),
            "found `30`, expected a duration such as 30d or 12h, or off"
        );
        for text in ["-1", "many", "1.5", ""] {
            assert!(text.parse::<Bound<u64>>().is_err(), "{text}");
            assert!(text.parse::<Bound<Bytes>>().is_err(), "{text}");
        }
        for text in ["20gib", "1 parsec", "GiB", "99999999999TiB"] {
            assert!(text.parse::<Bound<Bytes>>().is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_written_as_days() {
        let texts = [720, 25, 12].map(|hours| duration(Duration::from_hours(hours)));
        assert_eq!(texts, ["30d", "25h", "12h"]);
    }
}
