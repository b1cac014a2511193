//! What BEGIN says about a changed schema, so that rows which are not sent again can be carried over.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[cfg(feature = "pipeline")]
use crate::canonical::row::Layout;
#[cfg(feature = "pipeline")]
use crate::epoch::Drift;
#[cfg(feature = "pipeline")]
use crate::operation::value::segment_json;
#[cfg(feature = "pipeline")]
use crate::table::Table;

/// How a version's schema differs from that of the version it was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// `table@hash` of the schema before.
    pub from: String,
    /// Columns that rows do not have yet.
    pub added: Vec<AddedColumn>,
    /// The names of columns that rows do not have any more.
    pub dropped: Vec<String>,
    /// Columns with another name.
    pub renamed: Vec<RenamedColumn>,
    /// Columns with another type, by their new names.
    pub retyped: Vec<RetypedColumn>,
}

/// A column that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its value in rows that are not sent again, as operations write it: the schema's `default`, or null.
    pub value: Value,
}

/// A column that was renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenamedColumn {
    /// Its old name.
    pub from: String,
    /// Its new name.
    pub to: String,
}

/// A column whose type changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetypedColumn {
    /// Its name now.
    pub name: String,
    /// Its old type.
    pub from: String,
    /// Its new type.
    pub to: String,
}

impl SchemaChange {
    /// The change that a drift describes. `baseline` is how the baseline is read with today's types.
    #[cfg(feature = "pipeline")]
    pub(crate) fn new(drift: &Drift, table: &Table, baseline: &Layout) -> Self {
        let added = baseline.fills().map(|(column, segment)| AddedColumn {
            name: column.name.into(),
            ty: column.ty.to_string(),
            value: segment_json(column, segment),
        });
        let renamed = drift.renamed.iter().map(|(from, to)| RenamedColumn { from: from.clone(), to: to.clone() });
        let retyped = drift.retyped.iter().map(|(name, from, to)| RetypedColumn {
            name: name.clone(),
            from: from.clone(),
            to: to.clone(),
        });
        Self {
            from: format!("{}@{}", table.name, drift.from),
            added: added.collect(),
            dropped: drift.removed.clone(),
            renamed: renamed.collect(),
            retyped: retyped.collect(),
        }
    }

    /// Carries the columns outside the key of a row that is not sent again over to the new schema. A row that is sent
    /// again may be carried over, too: its operation has all values.
    pub fn carry_over(&self, values: &mut Map<String, Value>) {
        for name in &self.dropped {
            values.remove(name);
        }
        // All at once, because two columns may swap their names.
        let taken: Vec<_> =
            self.renamed.iter().filter_map(|column| Some((column, values.remove(&column.from)?))).collect();
        values.extend(taken.into_iter().map(|(column, value)| (column.to.clone(), value)));
        for column in &self.retyped {
            if let Some(value) = values.get_mut(&column.name) {
                convert(value, &column.to);
            }
        }
        values.extend(self.added.iter().map(|column| (column.name.clone(), column.value.clone())));
    }
}

/// Rewrites a value as one of another type. A value that has no counterpart there stays: its row is sent again.
fn convert(value: &mut Value, to: &str) {
    let text = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(word) => word.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return,
    };
    let (ty, text) = match to.strip_suffix(", trimmed") {
        Some(ty) => (ty, text.trim_matches([' ', '\t'])),
        None => (to, text.as_str()),
    };
    let (name, parameters) = ty.split_once('(').unwrap_or((ty, ""));
    let scale = parameters.trim_end_matches(')').split_once(',').and_then(|(_, scale)| scale.trim().parse().ok());
    let converted = match name {
        "tinyint" | "smallint" | "int" | "bigint" => {
            decimal(text, 0).and_then(|text| text.parse::<i64>().ok()).map(Value::from)
        }
        "decimal" => decimal(text, scale.unwrap_or(0)).map(Value::from),
        "float" | "double" => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from),
        "char" | "varchar" | "string" => Some(Value::from(text)),
        _ => None,
    };
    if let Some(converted) = converted {
        *value = converted;
    }
}

/// A decimal number with exactly this many fraction digits; `None` if it is not a number or has more.
fn decimal(text: &str, scale: usize) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if unsigned.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > scale {
        return None;
    }
    let sign = if text.starts_with('-') && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{fraction:0<scale$}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_rewritten_as_the_new_type() {
        for (old, to, new) in [
            (json!(7), "bigint", json!(7)),
            (json!("-007.00"), "int", json!(-7)),
            (json!("7.50"), "int", json!("7.50")),
            (json!(7), "decimal(12,2)", json!("7.00")),
            (json!("1.50"), "decimal(12,3)", json!("1.500")),
            (json!("1.500"), "decimal(12, 2)", json!("1.50")),
            (json!("-0.00"), "decimal(12,1)", json!("0.0")),
            (json!("+.5"), "decimal(12,1)", json!("0.5")),
            (json!("one"), "decimal(12,1)", json!("one")),
            (json!(16_777_217), "double", json!(16_777_217.0)),
            (json!("2.50"), "double", json!(2.5)),
            (json!(7), "string", json!("7")),
            (json!(true), "varchar(5)", json!("true")),
            (json!(" a\t"), "string, trimmed", json!("a")),
            (json!("2026-01-02"), "date", json!("2026-01-02")),
            (json!(null), "string", json!(null)),
        ] {
            let mut value = old.clone();
            convert(&mut value, to);
            assert_eq!(value, new, "{old} as {to}");
        }
    }

    #[test]
    fn columns_are_dropped_renamed_retyped_and_added() {
        let change: SchemaChange = serde_json::from_value(json!({
            "from": "t@0", "dropped": ["gone"],
            "added": [{"name": "new", "type": "int", "value": 1}, {"name": "none", "type": "int", "value": null}],
            "renamed": [{"from": "a", "to": "b"}, {"from": "b", "to": "a"}],
            "retyped": [{"name": "b", "from": "int", "to": "decimal(3,1)"}],
        }))
        .unwrap();
        let Value::Object(mut values) = json!({"a": 1, "b": "x", "gone": 3, "kept": 4}) else { unreachable!() };
        change.carry_over(&mut values);
        assert_eq!(Value::Object(values), json!({"a": "x", "b": "1.0", "kept": 4, "new": 1, "none": null}));
    }
}
