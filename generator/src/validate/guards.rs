//! Checks the guards.

use crate::diagnostic::{Code, Diagnostic};
use crate::model::Guards;
use crate::spec::{GuardsSpec, Limit, Optional, Spanned};

/// The maximum ratio of rows that exist in the baseline.
const ALL_ROWS: f64 = 1.0;

/// The largest number of rows that a YAML number represents exactly.
const MAX_ROWS: f64 = 9_007_199_254_740_991.0;

/// The unit of most limits.
const ROWS: &str = "rows";

/// The model of `guards`.
pub(super) fn guards(spec: &GuardsSpec, diagnostics: &mut Vec<Diagnostic>) -> Guards {
    let default = Guards::default();
    Guards {
        max_delete_ratio: ratio(
            "max_delete_ratio",
            &spec.max_delete_ratio,
            ALL_ROWS,
            default.max_delete_ratio,
            diagnostics,
        ),
        max_update_ratio: ratio(
            "max_update_ratio",
            &spec.max_update_ratio,
            ALL_ROWS,
            default.max_update_ratio,
            diagnostics,
        ),
        max_insert_ratio: ratio(
            "max_insert_ratio",
            &spec.max_insert_ratio,
            f64::MAX,
            default.max_insert_ratio,
            diagnostics,
        ),
        max_deletes: limit("max_deletes", ROWS, &spec.max_deletes, diagnostics),
        max_updates: limit("max_updates", ROWS, &spec.max_updates, diagnostics),
        max_inserts: limit("max_inserts", ROWS, &spec.max_inserts, diagnostics),
        min_rows: rows("min_rows", &spec.min_rows, default.min_rows, diagnostics),
        min_baseline_rows: rows("min_baseline_rows", &spec.min_baseline_rows, default.min_baseline_rows, diagnostics),
        max_version_jump_days: match &spec.max_version_jump_days {
            None => default.max_version_jump_days,
            days => limit("max_version_jump_days", "days", days, diagnostics),
        },
    }
}

fn ratio(
    name: &str,
    limit: &Optional<Limit>,
    max: f64,
    default: Option<f64>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<f64> {
    let Some(Spanned { value, span }) = limit.as_ref() else { return default };
    let Limit::At(ratio) = *value else { return None };
    if !(0.0..=max).contains(&ratio) {
        let bounds = if max == ALL_ROWS { "expected a ratio from 0 to 1" } else { "expected a ratio of at least 0" };
        diagnostics.push(
            Diagnostic::new(Code::OutOfRange, span, format!("`{name}` is out of range"))
                .label(bounds)
                .help(format!("write `0.2` for 20 %, or `{name}: none` to switch the guard off")),
        );
    }
    // Turns `-0.0` into `0.0`, which are written differently in generated code.
    Some(ratio + 0.0)
}

fn limit(name: &str, unit: &str, limit: &Optional<Limit>, diagnostics: &mut Vec<Diagnostic>) -> Option<u64> {
    let Spanned { value, span } = limit.as_ref()?;
    match value {
        Limit::Off => None,
        Limit::At(max) => Some(whole_number(name, unit, &Spanned { value: *max, span: span.clone() }, diagnostics)),
    }
}

fn rows(name: &str, value: &Optional<f64>, default: u64, diagnostics: &mut Vec<Diagnostic>) -> u64 {
    value.as_ref().map_or(default, |value| whole_number(name, ROWS, value, diagnostics))
}

fn whole_number(name: &str, unit: &str, number: &Spanned<f64>, diagnostics: &mut Vec<Diagnostic>) -> u64 {
    let value = number.value;
    if value.fract() != 0.0 || !(0.0..=MAX_ROWS).contains(&value) {
        diagnostics.push(
            Diagnostic::new(Code::OutOfRange, &number.span, format!("`{name}` is out of range"))
                .label(format!("expected a whole number of {unit}, at least 0")),
        );
    }
    value as u64
}
