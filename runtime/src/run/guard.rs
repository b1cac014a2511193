//! The guards: rules over a plan that can hold a run before anything is published.

use crate::plan::{Counts, Plan, Reset};
use crate::table::Guards;

/// What is said of a guard that breaks in updates of an added column while another column was removed.
pub(crate) const RENAMED: &str = "; was a column renamed?";

/// Every rule that the plan breaks, in words; none when it may be published.
///
/// UPDATEs in nothing but added columns are no surprise, and are not counted; unless columns went as well, since then
/// one may have been renamed. A version that is published whole must not be much smaller than what it replaces.
pub fn reasons(guards: &Guards, plan: &Plan) -> Vec<String> {
    let mut counts = plan.counts;
    let drift = plan.drift.as_ref();
    let may_hide_a_rename = drift.is_some_and(|drift| drift.may_hide_a_rename());
    if !may_hide_a_rename {
        counts.updated -= plan.findings.backfilled;
    }
    let mut reasons = broken(guards, &counts, plan.previous.is_some());
    if may_hide_a_rename && let Some(reason) = reasons.iter_mut().find(|reason| reason.starts_with("updates")) {
        *reason += RENAMED;
    }
    reasons.extend(plan.reset.as_ref().and_then(|reset| shrunk(guards, &counts, reset)));
    reasons
}

fn shrunk(guards: &Guards, counts: &Counts, reset: &Reset) -> Option<String> {
    let max = guards.max_delete_ratio.filter(|_| reset.rows >= guards.min_baseline_rows)?;
    let lost = ratio(reset.rows.saturating_sub(counts.rows), reset.rows);
    let version = reset.version.as_deref().unwrap_or("the last version");
    (lost > max).then(|| format!("{} fewer rows than {version} > {}", percent(lost), percent(max)))
}

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
