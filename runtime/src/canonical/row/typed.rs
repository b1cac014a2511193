//! The row hash of typed values, so that a consumer can check what it holds against a fingerprint.

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::{Map, Value};

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::write_text;
use crate::canonical::value::{hex_digits, write_bits};
use crate::table::{Column, Type};
use crate::types::Binary;

impl Layout {
    /// The row hash of a generated `Key` and `Values`, computed from the values alone. The sum of these over all rows
    /// that a consumer holds is the `fingerprint` of the last END it applied. Fails when they are of another table.
    pub fn hash_of_typed<K: Serialize, V: Serialize>(&self, key: &K, values: &V) -> serde_json::Result<i64> {
        let mut image = Vec::new();
        write_columns(self.key_columns(), &object(key)?, &mut image)?;
        write_columns(self.value_columns(), &object(values)?, &mut image)?;
        Ok(self.hash_of_image(&image))
    }
}

fn object(fields: &impl Serialize) -> serde_json::Result<Map<String, Value>> {
    match serde_json::to_value(fields)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(serde_json::Error::custom("expected a struct with a field for each column")),
    }
}

fn write_columns<'c>(
    columns: impl Iterator<Item = &'c Column>,
    fields: &Map<String, Value>,
    image: &mut Vec<u8>,
) -> serde_json::Result<()> {
    for column in columns {
        let value = fields
            .get(column.name)
            .ok_or_else(|| serde_json::Error::custom(format!("there is no field for column `{}`", column.name)))?;
        write_value(column, value, image).ok_or_else(|| {
            serde_json::Error::custom(format!("the field for column `{}` has another type", column.name))
        })?;
    }
    Ok(())
}

/// The canonical text behind what stands in the JSON.
fn write_value(column: &Column, value: &Value, image: &mut Vec<u8>) -> Option<()> {
    let mut text = Vec::new();
    match (column.ty, value) {
        (_, Value::Null) => {
            image.push(b'-');
            return Some(());
        }
        (Type::Float | Type::Double, value) => write_bits(float(value)?, &mut text),
        (_, Value::Bool(word)) => text.extend_from_slice(word.to_string().as_bytes()),
        (_, Value::Number(number)) => text.extend_from_slice(number.to_string().as_bytes()),
        (Type::Binary(_), Value::String(base64)) => {
            let Binary(bytes) = base64.parse().ok()?;
            text.extend(bytes.into_iter().flat_map(hex_digits));
        }
        (_, Value::String(string)) => text.extend_from_slice(string.as_bytes()),
        (_, Value::Array(_) | Value::Object(_)) => return None,
    }
    write_text(&text, image);
    Some(())
}

fn float(value: &Value) -> Option<f64> {
    match value.as_str() {
        None => value.as_f64(),
        Some("NaN") => Some(f64::NAN),
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}
