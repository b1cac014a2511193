//! Floats in JSON: a number if it is finite, otherwise one of the strings `NaN`, `Infinity` and `-Infinity`.
//!
//! Generated structs name this module in `#[serde(with = "runtime::float")]`, on `f32`, `f64` and their options.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;

/// A field of a generated struct that holds a float.
pub trait FloatField: Sized {
    /// The field as a double; `None` is NULL.
    fn get(&self) -> Option<f64>;
    /// The field from a double; `None` if the field cannot be NULL, but the value is.
    fn put(value: Option<f64>) -> Option<Self>;
    /// Whether it is written with the shortest digits of a 32-bit float.
    const IS_SINGLE: bool;
}

impl FloatField for f64 {
    const IS_SINGLE: bool = false;

    fn get(&self) -> Option<f64> {
        Some(*self)
    }

    fn put(value: Option<f64>) -> Option<Self> {
        value
    }
}

impl FloatField for f32 {
    const IS_SINGLE: bool = true;

    fn get(&self) -> Option<f64> {
        Some(f64::from(*self))
    }

    fn put(value: Option<f64>) -> Option<Self> {
        value.map(|value| value as f32)
    }
}

impl<F: FloatField> FloatField for Option<F> {
    const IS_SINGLE: bool = F::IS_SINGLE;

    fn get(&self) -> Option<f64> {
        self.as_ref().and_then(F::get)
    }

    fn put(value: Option<f64>) -> Option<Self> {
        match value {
            None => Some(None),
            some => F::put(some).map(Some),
        }
    }
}

/// The string that JSON has for a float that is not finite; `None` if it is finite.
pub(crate) fn name(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// The float that has this name in JSON, if any.
pub(crate) fn from_name(name: &str) -> Option<f64> {
    match name {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// Writes the field.
pub fn serialize<F: FloatField, S: Serializer>(field: &F, serializer: S) -> Result<S::Ok, S::Error> {
    match field.get() {
        None => serializer.serialize_none(),
        Some(value) => match name(value) {
            Some(name) => serializer.serialize_str(name),
            None if F::IS_SINGLE => serializer.serialize_f32(value as f32),
            None => serializer.serialize_f64(value),
        },
    }
}

/// Reads the field.
pub fn deserialize<'de, F: FloatField, D: Deserializer<'de>>(deserializer: D) -> Result<F, D::Error> {
    let value = deserializer.deserialize_any(FloatVisitor)?;
    F::put(value).ok_or_else(|| de::Error::custom("expected a float, not null"))
}

struct FloatVisitor;

impl Visitor<'_> for FloatVisitor {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, `NaN`, `Infinity`, `-Infinity` or null")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value as f64))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        match from_name(text) {
            Some(value) => Ok(Some(value)),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
