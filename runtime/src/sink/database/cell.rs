//! The values of a row, as a database takes them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::float;
use crate::operation::Scalar;

/// A value, as a database takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Float,
    Binary,
    /// Everything that operations carry as text, and a database reads from it.
    Text,
}

impl Cell<'_> {
    /// The same cell with its own text.
    pub(crate) fn to_owned_cell(&self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Bool(value) => Cell::Bool(*value),
            Cell::Integer(value) => Cell::Integer(*value),
            Cell::Real(value) => Cell::Real(*value),
            Cell::Text(text) => Cell::Text(Cow::Owned(text.to_string())),
            Cell::Bytes(bytes) => Cell::Bytes(bytes.clone()),
        }
    }
}

impl Kind {
    /// The kind of a type by its name, as an [epoch](crate::epoch::OldColumn) has it.
    pub(crate) fn from_type_name(name: &str) -> Self {
        match name.split(['(', ',', ' ']).next().unwrap_or_default() {
            "boolean" => Kind::Boolean,
            "tinyint" | "smallint" | "int" | "bigint" => Kind::Integer,
            "float" | "double" => Kind::Float,
            "binary" => Kind::Binary,
            _ => Kind::Text,
        }
    }

    /// A value of an operation as a cell; `None` if it is not of this kind.
    pub(crate) fn cell<'a>(self, value: &Scalar<'a>) -> Option<Cell<'a>> {
        Some(match (self, value) {
            (_, Scalar::Null) => Cell::Null,
            (Kind::Boolean, Scalar::Bool(value)) => Cell::Bool(*value),
            (Kind::Integer, Scalar::Integer(value)) => Cell::Integer(*value),
            (Kind::Float, Scalar::Number(value)) => Cell::Real(*value),
            (Kind::Float, Scalar::Integer(value)) => Cell::Real(*value as f64),
            (Kind::Float, Scalar::Text(name)) => Cell::Real(float::from_name(name)?),
            (Kind::Binary, Scalar::Text(base64)) => Cell::Bytes(BASE64.decode(base64.as_bytes()).ok()?),
            (Kind::Text, Scalar::Text(text)) => Cell::Text(text.clone()),
            _ => return None,
        })
    }
}
