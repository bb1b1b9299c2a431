//! What a value is by YAML itself, where no type of TOSCA says otherwise.

use super::node::{Kind, Node, Style};

/// A value as the core schema of YAML 1.2 (section 10.3) reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Written<'n> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'n str),
    List,
    Map,
}

impl Node {
    /// What it is by YAML itself.
    pub(crate) fn written(&self) -> Written<'_> {
        match &self.kind {
            Kind::List(_) => Written::List,
            Kind::Map(_) => Written::Map,
            Kind::Scalar { text, style: Style::Quoted } => Written::Text(text),
            Kind::Scalar { style: Style::Plain, .. } if self.is_null() => Written::Null,
            Kind::Scalar { text, style: Style::Plain } => match &**text {
                "true" | "True" | "TRUE" => Written::Bool(true),
                "false" | "False" | "FALSE" => Written::Bool(false),
                text => number(text),
            },
        }
    }
}

/// A number, or the text that is none.
fn number(text: &str) -> Written<'_> {
    if let Some(integer) = integer(text) {
        return Written::Integer(integer);
    }
    match float(text) {
        Some(float) => Written::Float(float),
        None => Written::Text(text),
    }
}

/// `42`, `-7`, `0o17`, `0xFF`.
pub(crate) fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with(['+', '-']));
    }
    text.parse().ok()
}

/// `1.5`, `1e3`, `.5`, `-.inf`, `.NaN`; whole numbers, too.
pub(crate) fn float(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']) {
        ".inf" | ".Inf" | ".INF" => Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" | ".NaN" | ".NAN" => (!text.starts_with(['+', '-'])).then_some(f64::NAN),
        // What Rust knows besides (`inf`, `nan`, `infinity`) is text.
        digits
            if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
                && digits.contains(|c: char| c.is_ascii_digit()) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}
