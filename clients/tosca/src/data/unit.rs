//! Quantities: a number and a unit, such as `4 GB`.
//!
//! Units of the Simple Profile are those of its section 3.3.6; in TOSCA 2.0 a data type says its own (section 9.2.1).

use std::collections::BTreeMap;
use std::rc::Rc;

/// The scalars of the Simple Profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    Size,
    Time,
    Frequency,
    Bitrate,
}

impl Family {
    /// Its units, each with what it is in the smallest one.
    pub(crate) fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Family::Size => &[
                ("B", 1.0),
                ("kB", 1e3),
                ("KiB", 1024.0),
                ("MB", 1e6),
                ("MiB", 1_048_576.0),
                ("GB", 1e9),
                ("GiB", 1_073_741_824.0),
                ("TB", 1e12),
                ("TiB", 1_099_511_627_776.0),
            ],
            Family::Time => {
                &[("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)]
            }
            Family::Frequency => &[("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9)],
            Family::Bitrate => &[
                ("bps", 1.0),
                ("Kbps", 1e3),
                ("Kibps", 1024.0),
                ("Mbps", 1e6),
                ("Mibps", 1_048_576.0),
                ("Gbps", 1e9),
                ("Gibps", 1_073_741_824.0),
                ("Tbps", 1e12),
                ("Tibps", 1_099_511_627_776.0),
                ("Bps", 8.0),
                ("KBps", 8e3),
                ("KiBps", 8192.0),
                ("MBps", 8e6),
                ("MiBps", 8_388_608.0),
                ("GBps", 8e9),
                ("GiBps", 8_589_934_592.0),
                ("TBps", 8e12),
                ("TiBps", 8_796_093_022_208.0),
            ],
        }
    }

    /// How much a text says, in the smallest unit. Units are told from each other by their case only where they have
    /// to be.
    pub(crate) fn read(self, text: &str) -> Option<f64> {
        let (number, unit) = split(text)?;
        let exact = self.units().iter().find(|(name, _)| *name == unit);
        let (_, of) = exact.or_else(|| self.units().iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)))?;
        Some(number.parse::<f64>().ok()? * of)
    }

    /// The units, for a message.
    pub(crate) fn names(self) -> String {
        self.units().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// What the number of a quantity may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Integer,
    Float,
}

/// The units of a scalar type of TOSCA 2.0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Units {
    pub(crate) number: Number,
    /// Each with what it is in the canonical one.
    pub(crate) units: BTreeMap<Rc<str>, f64>,
    /// What may stand before a unit.
    pub(crate) prefixes: BTreeMap<Rc<str>, f64>,
}

impl Units {
    /// How much a text says, in the canonical unit; or what it should have been.
    pub(crate) fn read(&self, text: &str) -> Result<f64, String> {
        let (number, unit) = split(text).ok_or_else(|| format!("a number and a unit ({})", self.names()))?;
        let of = self.of(unit).ok_or_else(|| format!("one of its units ({})", self.names()))?;
        let is_whole = number.parse::<i64>().is_ok();
        match number.parse::<f64>() {
            Ok(_) if self.number == Number::Integer && !is_whole => Err("a whole number of its units".to_owned()),
            Ok(number) => Ok(number * of),
            Err(_) => Err(format!("a number and a unit ({})", self.names())),
        }
    }

    fn of(&self, unit: &str) -> Option<f64> {
        self.units.get(unit).copied().or_else(|| {
            self.prefixes.iter().find_map(|(prefix, by)| {
                unit.strip_prefix(&**prefix).and_then(|unit| self.units.get(unit)).map(|of| of * by)
            })
        })
    }

    fn names(&self) -> String {
        let list = |names: &BTreeMap<Rc<str>, f64>| names.keys().map(|name| &**name).collect::<Vec<_>>().join(", ");
        match self.prefixes.is_empty() {
            true => list(&self.units),
            false => format!("{}, with the prefixes {}", list(&self.units), list(&self.prefixes)),
        }
    }
}

/// `4 GB` and `4GB` as `4` and `GB`.
pub(crate) fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let is_of_number = |(at, c): &(usize, char)| {
        c.is_ascii_digit() || matches!(c, '.' | '+' | '-') || (matches!(c, 'e' | 'E') && is_exponent(&text[at + 1..]))
    };
    let end = text.char_indices().find(|at| !is_of_number(at)).map(|(at, _)| at)?;
    let (number, unit) = (&text[..end], text[end..].trim_start());
    (number.contains(|c: char| c.is_ascii_digit()) && !unit.is_empty()).then_some((number, unit))
}

/// Digits after an `e`, so that `1 e` and `1exa` are units.
fn is_exponent(rest: &str) -> bool {
    let digits = rest.trim_start_matches(['+', '-']);
    digits.starts_with(|c: char| c.is_ascii_digit()) && rest.len() - digits.len() <= 1
}
