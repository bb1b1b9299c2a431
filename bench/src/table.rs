//! The table that people read.
//!
//! Owns how measures are shown and judged: Markdown, so that it can be pasted into docs/performance.md.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Measured over floor.
    Ratio,
    /// Given in seconds.
    Micros,
    /// Given in seconds.
    Millis,
    /// Given in seconds.
    Seconds,
    PerSecond,
    /// Given in bytes.
    Kilobytes,
    /// Given in bytes.
    Megabytes,
    /// Given as a part of 1.
    Percent,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Ratio => format!("{value:.2}"),
            Unit::Micros => format!("{:.1} us", value * 1e6),
            Unit::Millis => format!("{:.1} ms", value * 1e3),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::PerSecond => format!("{value:.0} /s"),
            Unit::Kilobytes => format!("{:.1} KB", value / 1024.0),
            Unit::Megabytes => format!("{:.1} MB", value / (1024.0 * 1024.0)),
            Unit::Percent => format!("{:.2} %", value * 100.0),
        }
    }
}

/// What a measure should be, in the same unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    AtMost {
        must: f64,
        aim: f64,
    },
    AtLeast {
        must: f64,
        aim: f64,
    },
    /// Shown beside the others: a floor, a peer.
    None,
}

impl Bound {
    fn verdict(self, value: f64) -> &'static str {
        let (must, aim) = match self {
            Bound::AtMost { must, aim } => (value <= must, value <= aim),
            Bound::AtLeast { must, aim } => (value >= must, value >= aim),
            Bound::None => return "",
        };
        match (must, aim) {
            (_, true) => "aim",
            (true, false) => "must",
            (false, false) => "**missed**",
        }
    }

    fn show(self, unit: Unit) -> (String, String) {
        match self {
            Bound::AtMost { must, aim } | Bound::AtLeast { must, aim } => (unit.show(must), unit.show(aim)),
            Bound::None => (String::new(), String::new()),
        }
    }
}

/// One measure.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The row of the promise that it belongs to.
    pub(crate) of: &'static str,
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: Unit,
    pub(crate) bound: Bound,
    /// What it is made of.
    pub(crate) note: String,
}

impl Row {
    pub(crate) fn new(of: &'static str, what: impl Into<String>, measured: f64, unit: Unit) -> Row {
        Row { of, what: what.into(), measured, unit, bound: Bound::None, note: String::new() }
    }

    pub(crate) fn at_most(self, must: f64, aim: f64) -> Row {
        Row { bound: Bound::AtMost { must, aim }, ..self }
    }

    pub(crate) fn at_least(self, must: f64, aim: f64) -> Row {
        Row { bound: Bound::AtLeast { must, aim }, ..self }
    }

    /// Shown only.
    pub(crate) fn unjudged(self) -> Row {
        Row { bound: Bound::None, ..self }
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Row {
        Row { note: note.into(), ..self }
    }

    fn line(&self) -> String {
        let (must, aim) = self.bound.show(self.unit);
        let (measured, verdict) = (self.unit.show(self.measured), self.bound.verdict(self.measured));
        format!("| {} | {} | {must} | {aim} | {measured} | {verdict} | {} |", self.of, self.what, self.note)
    }
}

/// All rows as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let head = "| # | measure | must | aim | measured | met | made of |\n|---|---|---:|---:|---:|---|---|\n";
    rows.iter().fold(head.to_owned(), |text, row| text + &row.line() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_judged_from_the_right_side() {
        let cost = |value| Row::new("1", "cost", value, Unit::Ratio).at_most(1.6, 1.35).line();
        assert_eq!(cost(1.2), "| 1 | cost | 1.60 | 1.35 | 1.20 | aim |  |");
        assert_eq!(cost(1.5), "| 1 | cost | 1.60 | 1.35 | 1.50 | must |  |");
        assert!(cost(1.7).contains("missed") && cost(f64::NAN).contains("missed"));
        let rate = |value| Row::new("3", "rate", value, Unit::PerSecond).at_least(30.0, 100.0).line();
        assert!(rate(29.0).contains("missed") && rate(30.0).contains("must") && rate(100.0).contains("| aim |"));
        assert_eq!(Row::new("", "R", 75e-6, Unit::Micros).note("n").line(), "|  | R |  |  | 75.0 us |  | n |");
    }
}
