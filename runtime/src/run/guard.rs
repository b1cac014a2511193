//! The guards: rules over a plan that can hold a run before anything is published.

use crate::change_set::Counts;
use crate::table::Guards;

/// Every rule that the counts break, in words; none when the plan may be published.
///
/// Ratios are over the baseline's rows, from `min_baseline_rows` on. Without a baseline only `min_rows` applies.
pub fn broken(guards: &Guards, counts: &Counts, has_baseline: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if counts.rows < guards.min_rows {
        reasons.push(format!("{} rows < {}", counts.rows, guards.min_rows));
    }
    if !has_baseline {
        return reasons;
    }
    let kinds = [
        ("deletes", counts.deleted, guards.max_delete_ratio, guards.max_deletes),
        ("updates", counts.updated, guards.max_update_ratio, guards.max_updates),
        ("inserts", counts.inserted, guards.max_insert_ratio, guards.max_inserts),
    ];
    for (kind, number, max_ratio, max_number) in kinds {
        let ratio = ratio(number, counts.baseline_rows);
        let max_ratio = max_ratio.filter(|max| counts.baseline_rows >= guards.min_baseline_rows && ratio > *max);
        reasons.extend(max_ratio.map(|max| format!("{kind} {} > {}", percent(ratio), percent(max))));
        reasons.extend(max_number.filter(|max| number > *max).map(|max| format!("{kind} {number} > {max}")));
    }
    reasons
}

/// A number of operations over the baseline's rows; over an empty baseline, over one row.
pub fn ratio(number: u64, baseline_rows: u64) -> f64 {
    number as f64 / baseline_rows.max(1) as f64
}

/// A ratio in percent: `50.7 %`, `20 %`, `0.004 %`.
pub fn percent(ratio: f64) -> String {
    let hundred = ratio * 100.0;
    let text = if hundred >= 0.1 || hundred == 0.0 { format!("{hundred:.1}") } else { format!("{hundred:.4}") };
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
