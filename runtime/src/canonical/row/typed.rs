//! The row hash of typed values, with which a consumer can check its rows against a fingerprint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde::ser::Error as _;
use serde_json::{Map, Value};

use crate::canonical::row::Layout;
use crate::canonical::row_bytes::write_text;
use crate::canonical::value::{hex_digits, write_bits};
use crate::float;
use crate::table::{Column, Type};

impl Layout {
    /// The row hash of a generated `Key` and `Values`, computed from the values alone. The sum of these hashes over all
    /// rows of a consumer is the `fingerprint` of the last END it applied. Fails if they belong to another table.
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
            .ok_or_else(|| serde_json::Error::custom(format!("no field for column `{}`", column.name)))?;
        write_value(column, value, image).ok_or_else(|| {
            serde_json::Error::custom(format!("the field for column `{}` does not have its type", column.name))
        })?;
    }
    Ok(())
}

/// Appends the segment of a JSON value; `None` if it is not a value of the column.
fn write_value(column: &Column, value: &Value, image: &mut Vec<u8>) -> Option<()> {
    let mut text = Vec::new();
    match (column.ty, value) {
        (_, Value::Null) => {
            image.push(b'-');
            return Some(());
        }
        (Type::Float | Type::Double, Value::String(name)) => write_bits(float::from_name(name)?, &mut text),
        (Type::Float | Type::Double, value) => write_bits(value.as_f64()?, &mut text),
        (_, Value::Bool(word)) => text.extend_from_slice(word.to_string().as_bytes()),
        (_, Value::Number(number)) => text.extend_from_slice(number.to_string().as_bytes()),
        (Type::Binary(_), Value::String(base64)) => {
            text.extend(BASE64.decode(base64).ok()?.into_iter().flat_map(hex_digits));
        }
        (_, Value::String(string)) => text.extend_from_slice(string.as_bytes()),
        (_, Value::Array(_) | Value::Object(_)) => return None,
    }
    write_text(&text, image);
    Some(())
}
