//! What values are: the types that TOSCA itself has, and how the text of a value is read by them.
//!
//! Owns the forms of texts, numbers, versions, times and quantities, and how two values compare. Promises that what is
//! no value of a type is refused with what would be one. Never knows the types that templates define.

mod compare;
mod primitive;
mod unit;

pub(crate) use compare::{Measure, compare};
pub(crate) use primitive::{Primitive, TypeVersion};
pub(crate) use unit::{Family, Number, Units, split};
