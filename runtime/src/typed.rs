//! Reads the structs of generated code from JSON, or whatever else serde reads.
//!
//! All of them share this reader, which generated code calls once per field. Code that serde derives for each struct
//! takes the compiler three times as long as everything else in a generated module.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

#[doc(hidden)]
pub use serde::de::{Deserialize, Deserializer, MapAccess};
use serde::de::{DeserializeSeed, Error, IgnoredAny, Visitor};
use serde_json::Value;

use crate::float;
use crate::types::{Binary, Date, Decimal, Timestamp, Timestamptz};

/// Implements [`serde::Deserialize`] for a struct: `deserialize!(Key { region, kind as "type" })`.
///
/// Fields may have any order, and others are ignored. A missing one is `None` where its type allows that.
#[macro_export]
macro_rules! deserialize {
    ($struct:ident { $($field:ident $(as $name:literal)?),* $(,)? }) => {
        impl $crate::typed::Row for $struct {
            const NAMES: &'static [&'static str] = &[
                $($crate::typed::name(stringify!($field), &[$($name)?])),*
            ];

            fn read<'de, A: $crate::typed::MapAccess<'de>>(
                fields: &mut $crate::typed::Fields<A>,
            ) -> Result<Self, A::Error> {
                Ok(Self { $($field: fields.take()?),* })
            }
        }

        impl<'de> $crate::typed::Deserialize<'de> for $struct {
            fn deserialize<D: $crate::typed::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::typed::read(deserializer)
            }
        }
    };
}

/// The name of a field: that in `as`, if there is one.
#[doc(hidden)]
pub const fn name(field: &'static str, other: &[&'static str]) -> &'static str {
    match other {
        [other, ..] => other,
        [] => field,
    }
}

/// A struct of generated code.
pub trait Row: Sized {
    /// The names of its fields, in order.
    const NAMES: &'static [&'static str];

    /// Takes one field after the other.
    fn read<'de, A: MapAccess<'de>>(fields: &mut Fields<A>) -> Result<Self, A::Error>;
}

/// The value of a field.
pub trait Field: Sized {
    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// What a field has that is missing; `None` if it may not be.
    fn missing() -> Option<Self> {
        None
    }
}

macro_rules! fields {
    ($($type:ty => $read:path;)*) => {$(
        impl Field for $type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $read(deserializer)
            }
        }
    )*};
}

fields! {
    bool => Self::deserialize;
    i8 => Self::deserialize;
    i16 => Self::deserialize;
    i32 => Self::deserialize;
    i64 => Self::deserialize;
    f32 => float::deserialize;
    f64 => float::deserialize;
    String => Self::deserialize;
    Binary => Self::deserialize;
    Date => Self::deserialize;
    Timestamp => Self::deserialize;
    Timestamptz => Self::deserialize;
}

impl<const SCALE: u8> Field for Decimal<SCALE> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<T: Field> Field for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(OptionVisitor(PhantomData))
    }

    fn missing() -> Option<Self> {
        Some(None)
    }
}

struct OptionVisitor<T>(PhantomData<T>);

impl<'de, T: Field> Visitor<'de> for OptionVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::read(deserializer).map(Some)
    }
}

/// Reads a struct.
///
/// # Errors
///
/// A field is missing, is there twice, or is not a value of its type.
pub fn read<'de, R: Row, D: Deserializer<'de>>(deserializer: D) -> Result<R, D::Error> {
    deserializer.deserialize_map(RowVisitor(PhantomData))
}

struct RowVisitor<R>(PhantomData<R>);

impl<'de, R: Row> Visitor<'de> for RowVisitor<R> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields {}", R::NAMES.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<R, A::Error> {
        let mut fields = Fields { map, names: R::NAMES, done: 0, early: BTreeMap::new(), is_at_end: false };
        let row = R::read(&mut fields)?;
        fields.skip_others()?;
        Ok(row)
    }
}

/// The fields of a struct, in its order. Nothing is kept while they come in that order, as they do in operations.
#[derive(Debug)]
pub struct Fields<A> {
    map: A,
    names: &'static [&'static str],
    /// The number of fields that were taken.
    done: usize,
    /// Fields that came before their turn, by their positions.
    early: BTreeMap<usize, Value>,
    is_at_end: bool,
}

impl<'de, A: MapAccess<'de>> Fields<A> {
    /// The value of the next field.
    ///
    /// # Errors
    ///
    /// It is missing or not a value of its type, or a field is there twice.
    pub fn take<T: Field>(&mut self) -> Result<T, A::Error> {
        let value = match self.early.remove(&self.done) {
            Some(value) => T::read(value).map_err(A::Error::custom)?,
            None => self.read_on()?,
        };
        self.done += 1;
        Ok(value)
    }

    fn read_on<T: Field>(&mut self) -> Result<T, A::Error> {
        while let Some(position) = self.next_position()? {
            if position == self.done {
                return self.map.next_value_seed(FieldSeed(PhantomData));
            }
            let value = self.map.next_value()?;
            self.early.insert(position, value);
        }
        T::missing().ok_or_else(|| A::Error::missing_field(self.names[self.done]))
    }

    /// Reads what follows the last field, in which no field may be repeated.
    fn skip_others(&mut self) -> Result<(), A::Error> {
        while self.next_position()?.is_some() {
            self.map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    /// The position of the next name, which must not have been there before; `None` at the end. Skips unknown fields.
    fn next_position(&mut self) -> Result<Option<usize>, A::Error> {
        while !self.is_at_end {
            match self.map.next_key_seed(NameSeed { names: self.names, likely: self.done })? {
                None => self.is_at_end = true,
                Some(None) => {
                    self.map.next_value::<IgnoredAny>()?;
                }
                Some(Some(position)) => return self.first_of(position).map(Some),
            }
        }
        Ok(None)
    }

    fn first_of(&self, position: usize) -> Result<usize, A::Error> {
        let is_repeated = position < self.done || self.early.contains_key(&position);
        if is_repeated { Err(A::Error::duplicate_field(self.names[position])) } else { Ok(position) }
    }
}

struct FieldSeed<T>(PhantomData<T>);

impl<'de, T: Field> DeserializeSeed<'de> for FieldSeed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// Finds the position of a name; `None` if it is no field's.
struct NameSeed {
    names: &'static [&'static str],
    /// The position that is tried first.
    likely: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        if self.names.get(self.likely) == Some(&name) {
            return Ok(Some(self.likely));
        }
        Ok(self.names.iter().position(|other| *other == name))
    }
}

#[cfg(test)]
mod tests {
    use crate::types::Decimal;

    #[derive(Debug, PartialEq)]
    struct Values {
        amount: Decimal<2>,
        rate: Option<f64>,
        kind: Option<String>,
    }

    deserialize!(Values { amount, rate, kind as "type" });

    fn values(json: &str) -> Result<Values, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_may_have_any_order_and_others_are_ignored() {
        let expected = Values { amount: Decimal::from_unscaled(150), rate: Some(0.1), kind: Some("x".into()) };
        for json in [
            r#"{"amount":"1.50","rate":0.1,"type":"x"}"#,
            r#"{"type":"x","new":[{}],"rate":0.1,"amount":"1.50"}"#,
            r#"{"rate":0.1,"amount":"1.50","type":"x","new":null}"#,
        ] {
            assert_eq!(values(json), Ok(Values { kind: expected.kind.clone(), ..expected }), "{json}");
        }
    }

    #[test]
    fn a_float_that_is_not_finite_is_read_before_its_turn_and_in_it() {
        for json in [r#"{"amount":"1.50","rate":"Infinity"}"#, r#"{"rate":"Infinity","amount":"1.50"}"#] {
            assert_eq!(values(json).unwrap().rate, Some(f64::INFINITY), "{json}");
        }
    }

    #[test]
    fn only_a_field_that_can_be_null_may_be_missing() {
        let none = Values { amount: Decimal::from_unscaled(0), rate: None, kind: None };
        assert_eq!(values(r#"{"amount":"0.00"}"#), Ok(none));
        assert!(values(r#"{"rate":1.5,"type":null}"#).unwrap_err().starts_with("missing field `amount`"));
        assert!(values(r#"{"amount":null}"#).unwrap_err().starts_with("invalid type: null, expected a string"));
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        for json in [
            r#"{"amount":"0.00","amount":"0.00"}"#,
            r#"{"amount":"0.00","rate":1,"type":null,"type":null}"#,
            r#"{"amount":"0.00","type":null,"type":null}"#,
            r#"{"type":null,"rate":1,"rate":2,"amount":"0.00"}"#,
            r#"{"amount":"0.00","rate":1,"type":null,"new":1,"amount":"0.00"}"#,
        ] {
            assert!(values(json).unwrap_err().starts_with("duplicate field"), "{json}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_its_place() {
        assert_eq!(values(r#"{"amount":"1.5x"}"#).unwrap_err(), "expected a decimal at line 1 column 16");
        assert!(values(r#"["1.50"]"#).unwrap_err().contains("an object with the fields amount, rate, type"));
    }
}
