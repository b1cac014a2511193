//! Metrics in the embedded metric format: lines of JSON in the log that CloudWatch turns into metrics.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html>
//!
//! Each metric exists per table and in total. Metrics per tenant and table would cost more than everything else; the
//! tenant is in the line, where Logs Insights finds it.

use serde_json::{Value as Json, json};

use crate::clock;
use crate::inspect::overdue::Overdue;
use crate::name::TableKey;
use crate::run::Outcome;
use crate::store::Version;

/// The environment variable with the namespace of all metrics of the deployment.
const NAMESPACE: &str = "TIDEMARK_METRICS";

/// A metric: its name, its unit, its value.
pub(super) type Metric = (&'static str, &'static str, f64);

/// The other fields of a line.
type Properties = serde_json::Map<String, Json>;

/// Reports a version that was published, and the time since its export was complete.
pub(super) fn published(version: &Version) {
    let mut metrics = vec![("Published", "Count", 1.0)];
    metrics.extend(figures(version));
    report(&version.key, Some(&version.version), &metrics);
}

/// Reports a version that was superseded although it was delivered in turn.
pub(super) fn passed_over(version: &Version, by: &Version) {
    tracing::warn!(
        tenant = version.key.tenant,
        table = version.key.table,
        version = version.version,
        by = by.version,
        "The version was superseded although it was delivered in turn; is the name of the newest mistyped?"
    );
    report(&version.key, Some(&version.version), &[("Refused", "Count", 1.0)]);
}

/// The size and the counts of a version, and the time since its export was complete.
fn figures(version: &Version) -> Vec<Metric> {
    let seconds = (clock::now_ms() - version.registered_at).max(0) as f64 / 1000.0;
    let bytes: u64 = version.parts.iter().map(|part| part.size).sum();
    let mut figures = vec![("Bytes", "Bytes", bytes as f64), ("Seconds", "Seconds", seconds)];
    if let Some(plan) = &version.plan {
        let counts = plan.counts;
        figures.extend([
            ("Rows", "Count", counts.rows as f64),
            ("Inserted", "Count", counts.inserted as f64),
            ("Updated", "Count", counts.updated as f64),
            ("Deleted", "Count", counts.deleted as f64),
        ]);
        figures.extend(plan.findings.scan.as_ref().map(|scan| ("AthenaBytes", "Bytes", scan.bytes as f64)));
    }
    figures
}

/// Reports a version that a guard holds.
pub(super) fn held(version: &Version) {
    let reason = version.reason.as_deref().unwrap_or_default();
    tracing::warn!(
        tenant = version.key.tenant,
        table = version.key.table,
        version = version.version,
        reason,
        "A guard holds the version."
    );
    // The alarm starts here and lasts as long as the sweeper finds the version HELD. Its counts are fields but not
    // metrics, because nothing was published.
    let figures = figures(version).into_iter().map(|(name, _, value)| (name.to_owned(), value.into()));
    let mut properties = properties(&version.key, Some(&version.version));
    properties.extend(figures);
    print(properties, &[&["Table"], &[]], &[("Held", "Count", 1.0)]);
    held_now(&version.key.table, 1);
}

/// Reports how many versions of a table are HELD.
pub(super) fn held_now(table: &str, versions: usize) {
    let properties = Properties::from_iter([("Table".to_owned(), table.into())]);
    print(properties, &[&["Table"]], &[("HeldVersions", "Count", versions as f64)]);
}

/// Reports an export that should have arrived and did not. The alarm lasts as long as the sweeper reports it.
pub(super) fn overdue(key: &TableKey, overdue: &Overdue) {
    tracing::warn!(tenant = key.tenant, table = key.table, "{overdue}");
    print(properties(key, None), &[&["Table"]], &[("Overdue", "Count", 1.0)]);
}

/// Reports a version whose export is at fault. The note masks personal data.
pub(super) fn failed(outcome: &Outcome) {
    let version = outcome.version.as_deref();
    let note = outcome.note.as_deref().unwrap_or_default();
    tracing::warn!(tenant = outcome.key.tenant, table = outcome.key.table, version, note, "The export cannot be used.");
    report(&outcome.key, version, &[("Failed", "Count", 1.0)]);
}

/// Reports metrics of a table or of one of its versions.
pub(super) fn report(key: &TableKey, version: Option<&str>, metrics: &[Metric]) {
    print(properties(key, version), &[&["Table"], &[]], metrics);
}

fn properties(key: &TableKey, version: Option<&str>) -> Properties {
    let fields = [("Tenant", json!(key.tenant)), ("Table", json!(key.table)), ("Version", json!(version))];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Reports metrics of the whole pipeline.
pub(super) fn report_total(metrics: &[Metric]) {
    print(Properties::new(), &[&[]], metrics);
}

fn print(properties: Properties, dimensions: &[&[&str]], metrics: &[Metric]) {
    let namespace = std::env::var(NAMESPACE).unwrap_or_default();
    println!("{}", line(properties, &namespace, dimensions, metrics));
}

fn line(mut properties: Properties, namespace: &str, dimensions: &[&[&str]], metrics: &[Metric]) -> Json {
    let defined: Vec<Json> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    properties.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    let metrics = json!([{ "Namespace": namespace, "Dimensions": dimensions, "Metrics": defined }]);
    properties.insert("_aws".into(), json!({ "Timestamp": clock::now_ms(), "CloudWatchMetrics": metrics }));
    properties.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_defines_its_metrics_and_has_their_values_and_no_tenant_among_its_dimensions() {
        let key = TableKey { tenant: "acme".into(), table: "orders".into() };
        let metrics = [("Rows", "Count", 3.0), ("Seconds", "Seconds", 0.5)];
        let line = line(properties(&key, Some("V1")), "Tidemark/billing", &[&["Table"], &[]], &metrics);
        let defined = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(defined["Namespace"], "Tidemark/billing");
        assert_eq!(defined["Dimensions"], json!([["Table"], []]));
        assert_eq!(
            defined["Metrics"],
            json!([{ "Name": "Rows", "Unit": "Count" }, { "Name": "Seconds", "Unit": "Seconds" }])
        );
        assert!(line["_aws"]["Timestamp"].is_i64());
        assert_eq!((&line["Rows"], &line["Seconds"], &line["Tenant"]), (&json!(3.0), &json!(0.5), &json!("acme")));
    }
}
