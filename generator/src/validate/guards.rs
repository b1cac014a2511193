//! The rules that can hold a run.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Guards;
use crate::spec::{GuardsSpec, Limit, Optional, Spanned};

/// A ratio of rows that were there before cannot be above one.
const WHOLE: f64 = 1.0;

/// The most rows that a number in YAML names exactly.
const MAX_ROWS: f64 = 9_007_199_254_740_991.0;

/// The model of `guards`.
pub(super) fn guards(spec: &GuardsSpec, found: &mut Vec<Diagnostic>) -> Guards {
    let default = Guards::default();
    Guards {
        max_delete_ratio: ratio("max_delete_ratio", &spec.max_delete_ratio, WHOLE, default.max_delete_ratio, found),
        max_update_ratio: ratio("max_update_ratio", &spec.max_update_ratio, WHOLE, default.max_update_ratio, found),
        max_insert_ratio: ratio("max_insert_ratio", &spec.max_insert_ratio, f64::MAX, default.max_insert_ratio, found),
        max_deletes: limit("max_deletes", &spec.max_deletes, found),
        max_updates: limit("max_updates", &spec.max_updates, found),
        max_inserts: limit("max_inserts", &spec.max_inserts, found),
        min_rows: rows("min_rows", &spec.min_rows, default.min_rows, found),
        min_baseline_rows: rows("min_baseline_rows", &spec.min_baseline_rows, default.min_baseline_rows, found),
    }
}

fn ratio(
    name: &str,
    written: &Optional<Limit>,
    most: f64,
    default: Option<f64>,
    found: &mut Vec<Diagnostic>,
) -> Option<f64> {
    let written = written.as_ref();
    let Some(Spanned { value, span }) = written else { return default };
    let Limit::At(ratio) = *value else { return None };
    if !(0.0..=most).contains(&ratio) {
        let bounds = if most == WHOLE { "a ratio from 0 to 1" } else { "a ratio from 0 on" };
        found.push(
            Diagnostic::new(Code::OutOfRange, span, format!("`{name}` is out of range"))
                .label(bounds)
                .help(format!("20 % is `0.2`; `{name}: none` switches the guard off")),
        );
    }
    // `-0.0` would be another text in generated code than `0`.
    Some(ratio + 0.0)
}

fn limit(name: &str, written: &Optional<Limit>, found: &mut Vec<Diagnostic>) -> Option<u64> {
    let Spanned { value, span } = written.as_ref()?;
    match value {
        Limit::Off => None,
        Limit::At(rows) => Some(whole_number(name, &Spanned { value: *rows, span: span.clone() }, found)),
    }
}

fn rows(name: &str, written: &Optional<f64>, default: u64, found: &mut Vec<Diagnostic>) -> u64 {
    written.as_ref().map_or(default, |written| whole_number(name, written, found))
}

fn whole_number(name: &str, written: &Spanned<f64>, found: &mut Vec<Diagnostic>) -> u64 {
    let value = written.value;
    if value.fract() != 0.0 || !(0.0..=MAX_ROWS).contains(&value) {
        found.push(
            Diagnostic::new(Code::OutOfRange, &written.span, format!("`{name}` is out of range"))
                .label("a whole number of rows, from 0 on"),
        );
    }
    value as u64
}
