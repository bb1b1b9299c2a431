//! The table that people read.
//!
//! Owns how rows look: Markdown, so that it can be pasted into docs/performance.md.

use std::time::Duration;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) per_node: Duration,
    pub(crate) floor: Option<(&'static str, Duration)>,
    pub(crate) note: String,
}

/// Prints all rows.
pub(crate) fn print(rows: &[Row]) {
    println!("| measure | per unit | floor | ratio | note |\n|---|---:|---|---:|---|");
    for row in rows {
        let (floor, ratio) = match row.floor {
            Some((name, floor)) if !floor.is_zero() => (
                format!("{name} {}", micros(floor)),
                format!("{:.2}", row.per_node.as_secs_f64() / floor.as_secs_f64()),
            ),
            Some(_) | None => (String::new(), String::new()),
        };
        println!("| {} | {} | {floor} | {ratio} | {} |", row.what, micros(row.per_node), row.note);
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
