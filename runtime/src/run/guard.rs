//! Guards: limits on a plan that hold its version before anything is published.

use std::fmt;

use serde_json::json;

use super::runner::Runner;
use super::version_name::{date, day, days};
use crate::breakpoint::Breakpoint;
use crate::error::Result;
use crate::plan::{Counts, Plan, Reset};
use crate::store::{Action, Lease, Status, Version, newest};
use crate::table::{Guards, Table};
use crate::wording::plural;

/// A guard that a plan breaks. `Display` renders it for people: `deletes 50 % > 20 %`.
#[derive(Debug, Clone, PartialEq)]
pub enum GuardBreach {
    /// The snapshot has fewer rows than `min_rows`.
    Rows {
        /// The snapshot's rows.
        rows: u64,
        /// The guard's limit.
        min: u64,
    },
    /// Too many operations of a kind, as a share of the baseline's rows: `max_delete_ratio` and so on.
    Ratio {
        /// The kind that was counted.
        kind: OperationKind,
        /// The operations divided by the baseline's rows.
        ratio: f64,
        /// The guard's limit.
        max: f64,
        /// Whether a renamed column may be the cause.
        may_be_a_rename: bool,
    },
    /// Too many operations of a kind: `max_deletes` and so on.
    Number {
        /// The kind that was counted.
        kind: OperationKind,
        /// The number of operations.
        number: u64,
        /// The guard's limit.
        max: u64,
        /// Whether a renamed column may be the cause.
        may_be_a_rename: bool,
    },
    /// The date that a version begins with is too far from that of the version before: `max_version_jump_days`.
    Jump {
        /// The version before; `None` if there is none, and the day of the delivery counts.
        after: Option<String>,
        /// The number of days.
        days: i64,
        /// The guard's limit.
        max: u64,
    },
    /// The version before begins with a date, and this one does not.
    NoDate {
        /// The version before.
        after: String,
    },
    /// The version was HELD before, and nobody has approved its present plan.
    WasHeld,
    /// A version that is published in full lacks more than `max_delete_ratio` of the rows that it replaces.
    Shrunk {
        /// The missing rows divided by the rows that it replaces.
        ratio: f64,
        /// The guard's limit.
        max: f64,
        /// The version that it replaces, if there is one.
        version: Option<String>,
    },
}

/// What a guard counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// INSERTs.
    Inserts,
    /// UPDATEs.
    Updates,
    /// DELETEs.
    Deletes,
}

impl GuardBreach {
    /// The kind of operation that was counted; `None` if rows were counted.
    pub fn kind(&self) -> Option<OperationKind> {
        match self {
            GuardBreach::Ratio { kind, .. } | GuardBreach::Number { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    /// Returns whether a renamed column may be the cause.
    pub fn may_be_a_rename(&self) -> bool {
        match self {
            GuardBreach::Ratio { may_be_a_rename, .. } | GuardBreach::Number { may_be_a_rename, .. } => {
                *may_be_a_rename
            }
            _ => false,
        }
    }

    fn suspect_a_rename(&mut self) {
        if let GuardBreach::Ratio { may_be_a_rename, .. } | GuardBreach::Number { may_be_a_rename, .. } = self {
            *may_be_a_rename = true;
        }
    }
}

impl fmt::Display for GuardBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GuardBreach::Rows { rows, min } => write!(f, "{} < {min}", plural(*rows, "row"))?,
            GuardBreach::Ratio { kind, ratio, max, .. } => {
                write!(f, "{kind} {} > {}", percent(*ratio), percent(*max))?;
            }
            GuardBreach::Number { kind, number, max, .. } => write!(f, "{kind} {number} > {max}")?,
            GuardBreach::Jump { after: Some(after), days, max } => {
                write!(f, "version_jump: {days} days after {after} > {max}")?;
            }
            GuardBreach::Jump { after: None, days, max } => {
                write!(f, "version_jump: {days} days after its delivery > {max}")?;
            }
            GuardBreach::NoDate { after } => write!(f, "version_jump: no date, unlike {after}")?,
            GuardBreach::WasHeld => f.write_str("was held before, and planned again")?,
            GuardBreach::Shrunk { ratio, max, version } => {
                let version = version.as_deref().unwrap_or("the last version");
                write!(f, "{} fewer rows than {version} > {}", percent(*ratio), percent(*max))?;
            }
        }
        if self.may_be_a_rename() { f.write_str("; was a column renamed?") } else { Ok(()) }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OperationKind::Inserts => "inserts",
            OperationKind::Updates => "updates",
            OperationKind::Deletes => "deletes",
        })
    }
}

impl Runner {
    /// Holds a version whose plan breaks a guard, until someone approves that plan.
    pub(super) fn guard(&self, lease: &Lease, table: &Table, planned: Version) -> Result<Version> {
        let Some(plan) = planned.plan.as_ref().filter(|_| planned.status == Status::Planned) else {
            return Ok(planned);
        };
        let published = self.registry.published_before(&planned.key, &planned.version)?;
        let breaches = breaches(&table.guards, &published, &planned, plan);
        if breaches.is_empty() {
            return Ok(planned);
        }
        let reasons: Vec<String> = breaches.iter().map(GuardBreach::to_string).collect();
        let reason = reasons.join(", ");
        let found = json!({ "reason": reason, "plan": plan });
        let held = planned.with_finding(Status::Held, reason);
        self.registry.advance_and_log(lease, Status::Planned, &held, Some((Action::Hold, found)))?;
        Breakpoint::Held.reached();
        Ok(held)
    }
}

/// Returns every guard that a version's plan breaks; none if it may be published. `published` are those before it.
pub fn breaches(guards: &Guards, published: &[Version], version: &Version, plan: &Plan) -> Vec<GuardBreach> {
    let mut breaches = plan_breaches(guards, plan);
    breaches.extend(jump(guards, published, version));
    // What was held once is not published because the baseline became worse meanwhile.
    breaches.extend((version.was_held && !version.is_approved()).then_some(GuardBreach::WasHeld));
    breaches
}

/// A version whose name is mistyped would be the newest for a long time, and supersede what is delivered after it.
fn jump(guards: &Guards, published: &[Version], version: &Version) -> Option<GuardBreach> {
    let max = guards.max_version_jump_days?;
    let before = newest(published).map(|before| &before.version);
    let date_before = before.and_then(|before| date(before));
    let Some(own) = date(&version.version) else {
        return before.filter(|_| date_before.is_some()).map(|after| GuardBreach::NoDate { after: after.clone() });
    };
    let (after, from) = match (before, date_before) {
        (Some(before), Some(date)) => (Some(before.clone()), date),
        _ => (None, day(version.registered_at)?),
    };
    let days = days(from, own);
    (days > 0 && days.unsigned_abs() > max).then_some(GuardBreach::Jump { after, days, max })
}

/// Returns every guard that the plan itself breaks.
///
/// UPDATEs that change only added columns are expected and not counted, unless columns were removed as well: then one
/// of them may have been renamed. A version that is published in full must not be much smaller than what it replaces.
fn plan_breaches(guards: &Guards, plan: &Plan) -> Vec<GuardBreach> {
    let mut counts = plan.counts;
    let may_be_a_rename = plan.drift.as_ref().is_some_and(|drift| drift.may_hide_a_rename());
    if !may_be_a_rename {
        counts.updated -= plan.findings.backfilled;
    }
    let mut breaches = count_breaches(guards, &counts, plan.previous.is_some());
    let updates = breaches.iter_mut().find(|breach| breach.kind() == Some(OperationKind::Updates));
    if may_be_a_rename && let Some(breach) = updates {
        breach.suspect_a_rename();
    }
    breaches.extend(plan.reset.as_ref().and_then(|reset| shrunk(guards, &counts, reset)));
    breaches
}

fn shrunk(guards: &Guards, counts: &Counts, reset: &Reset) -> Option<GuardBreach> {
    let max = guards.max_delete_ratio.filter(|_| reset.rows >= guards.min_baseline_rows)?;
    let ratio = ratio(reset.rows.saturating_sub(counts.rows), reset.rows);
    (ratio > max).then(|| GuardBreach::Shrunk { ratio, max, version: reset.version.clone() })
}

/// Returns every guard that the counts break.
///
/// Ratios are relative to the baseline's rows, and apply from `min_baseline_rows` on. Without a baseline, only
/// `min_rows` applies.
pub fn count_breaches(guards: &Guards, counts: &Counts, has_baseline: bool) -> Vec<GuardBreach> {
    let mut breaches = Vec::new();
    if counts.rows < guards.min_rows {
        breaches.push(GuardBreach::Rows { rows: counts.rows, min: guards.min_rows });
    }
    if !has_baseline {
        return breaches;
    }
    let limits = [
        (OperationKind::Deletes, counts.deleted, guards.max_delete_ratio, guards.max_deletes),
        (OperationKind::Updates, counts.updated, guards.max_update_ratio, guards.max_updates),
        (OperationKind::Inserts, counts.inserted, guards.max_insert_ratio, guards.max_inserts),
    ];
    let may_be_a_rename = false;
    for (kind, number, max_ratio, max_number) in limits {
        let ratio = ratio(number, counts.baseline_rows);
        let max_ratio = max_ratio.filter(|max| counts.baseline_rows >= guards.min_baseline_rows && ratio > *max);
        breaches.extend(max_ratio.map(|max| GuardBreach::Ratio { kind, ratio, max, may_be_a_rename }));
        let max_number = max_number.filter(|max| number > *max);
        breaches.extend(max_number.map(|max| GuardBreach::Number { kind, number, max, may_be_a_rename }));
    }
    breaches
}

/// A number of operations divided by the baseline's rows; an empty baseline counts as one row.
pub fn ratio(number: u64, baseline_rows: u64) -> f64 {
    number as f64 / baseline_rows.max(1) as f64
}

/// A ratio in percent: `50.7 %`, `20 %`, `0.004 %`.
pub fn percent(ratio: f64) -> String {
    let hundred = ratio * 100.0;
    let text = if hundred >= 0.1 || hundred == 0.0 { format!("{hundred:.1}") } else { format!("{hundred:.4}") };
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
