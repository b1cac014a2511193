//! Everything that is known about one version.

use super::entries::{Entry, VersionHistory};
use crate::cli::output::{collapsed, count, offender_lines, plural, short_hash, time};
use crate::plan::Counts;
use crate::reject::Rejects;
use crate::store::Version;

pub(super) fn text(history: &VersionHistory) -> String {
    let version = &history.version;
    let reason = version.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
    let mut lines = vec![format!("{version}  {}{reason}", version.status), facts(version)];
    lines
        .extend(version.plan.as_ref().map(|plan| format!("plan        {}: {}", short_hash(plan), counts(plan.counts))));
    lines.extend(version.refused_parts.is_some().then(|| "revision    refused: its files changed later".into()));
    for entry in history.entries() {
        lines.push(entry.text());
        lines.extend(found(entry));
    }
    lines.join("\n") + "\n"
}

fn facts(version: &Version) -> String {
    let parts = plural(version.parts.len() as u64, "part");
    let sequence = version.sequence.map(|sequence| format!(", sequence {sequence}")).unwrap_or_default();
    format!("registered  {}  {parts}{sequence}; since {}", time(version.registered_at), time(version.updated_at))
}

fn counts(counts: Counts) -> String {
    let collapsed = collapsed(&counts).map(|note| format!("; {note}")).unwrap_or_default();
    let Counts { rows, inserted, updated, deleted, .. } = counts;
    let [inserted, updated, deleted] = [inserted, updated, deleted].map(count);
    format!("{}: {inserted} inserted, {updated} updated, {deleted} deleted{collapsed}", plural(rows, "row"))
}

/// The counts of the plan that was held, or the rows that could not be read.
fn found(entry: &Entry) -> Vec<String> {
    let plan = serde_json::from_value::<Counts>(entry.details()["plan"]["counts"].clone()).ok();
    let rejects = serde_json::from_value::<Rejects>(entry.details()["rejects"].clone()).ok();
    let mut lines: Vec<String> = plan.into_iter().map(|found| format!("  {}", counts(found))).collect();
    lines.extend(rejects.iter().flat_map(offender_lines));
    lines
}
