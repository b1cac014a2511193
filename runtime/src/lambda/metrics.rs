//! Metrics, as lines of JSON that CloudWatch makes metrics of: the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! Their only dimension is the table, beside none at all: each tenant's table with metrics of its own would cost more than
//! everything else. The tenant stands in the line, where Logs Insights finds it.

use serde_json::{Value as Json, json};

use crate::clock;
use crate::name::TableKey;
use crate::run::Outcome;
use crate::store::Version;

/// The variable that names the namespace of every metric, which is the deployment's own.
const NAMESPACE: &str = "TIDEMARK_METRICS";

/// A metric: its name, its unit, its value.
pub(super) type Metric = (&'static str, &'static str, f64);

/// What else stands in a line.
type Properties = serde_json::Map<String, Json>;

/// What was published of a version, and how long it took since its export was complete.
pub(super) fn published(version: &Version) {
    let mut metrics = vec![("Published", "Count", 1.0)];
    metrics.extend(figures(version));
    of_version(&version.key, Some(&version.version), &metrics);
}

/// How large a version is, what it changes, and how long ago its export was complete.
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

/// That a guard holds a version.
pub(super) fn held(version: &Version) {
    let reason = version.reason.as_deref().unwrap_or_default();
    tracing::warn!(tenant = version.key.tenant, table = version.key.table, version = version.version, reason, "HELD");
    // The alarm stands as long as the sweeper finds it HELD; it begins here. What the plan has is no metric, since nothing of
    // it was published.
    let figures = figures(version).into_iter().map(|(name, _, value)| (name.to_owned(), value.into()));
    let mut properties = of(&version.key, Some(&version.version));
    properties.extend(figures);
    tell(properties, &[&["Table"], &[]], &[("Held", "Count", 1.0)]);
    held_now(&version.key.table, 1);
}

/// How many versions of a table are HELD.
pub(super) fn held_now(table: &str, versions: usize) {
    let properties = Properties::from_iter([("Table".to_owned(), table.into())]);
    tell(properties, &[&["Table"]], &[("HeldVersions", "Count", versions as f64)]);
}

/// That an export is at fault. The rows that are stand in the registry's words, which mask what is personal.
pub(super) fn failed(outcome: &Outcome) {
    let version = outcome.version.as_deref();
    let note = outcome.note.as_deref().unwrap_or_default();
    tracing::warn!(tenant = outcome.key.tenant, table = outcome.key.table, version, note, "FAILED");
    of_version(&outcome.key, version, &[("Failed", "Count", 1.0)]);
}

/// Something about a table or one of its versions.
pub(super) fn of_version(key: &TableKey, version: Option<&str>, metrics: &[Metric]) {
    tell(of(key, version), &[&["Table"], &[]], metrics);
}

fn of(key: &TableKey, version: Option<&str>) -> Properties {
    let named = [("Tenant", json!(key.tenant)), ("Table", json!(key.table)), ("Version", json!(version))];
    named.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

/// Something about the whole pipeline.
pub(super) fn of_all(metrics: &[Metric]) {
    tell(Properties::new(), &[&[]], metrics);
}

fn tell(properties: Properties, dimensions: &[&[&str]], metrics: &[Metric]) {
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
        let line = line(of(&key, Some("V1")), "Tidemark/billing", &[&["Table"], &[]], &metrics);
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
