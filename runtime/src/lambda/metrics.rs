//! Metrics, as lines of JSON that CloudWatch makes metrics of: the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! Their only dimension is the table, beside none at all: each tenant's table with metrics of its own would cost more than
//! everything else. The tenant stands in the line, where Logs Insights finds it.

use serde_json::{Value as Json, json};

use crate::clock;
use crate::run::Outcome;
use crate::store::{TableKey, Version};

/// The namespace of every metric.
const NAMESPACE: &str = "Tidemark";

/// A metric: its name, its unit, its value.
pub(super) type Metric = (&'static str, &'static str, f64);

/// What was published of a version, and how long it took since its export was complete.
pub(super) fn published(version: &Version) {
    let Some(plan) = &version.plan else { return };
    let counts = plan.counts;
    let seconds = (clock::now_ms() - version.registered_at).max(0) as f64 / 1000.0;
    let bytes: u64 = version.parts.iter().map(|part| part.size).sum();
    let metrics = [
        ("Published", "Count", 1.0),
        ("Rows", "Count", counts.rows as f64),
        ("Inserted", "Count", counts.inserted as f64),
        ("Updated", "Count", counts.updated as f64),
        ("Deleted", "Count", counts.deleted as f64),
        ("Bytes", "Bytes", bytes as f64),
        ("Seconds", "Seconds", seconds),
    ];
    of_version(&version.key, Some(&version.version), &metrics);
}

/// That a guard holds a version.
pub(super) fn held(version: &Version) {
    let reason = version.reason.as_deref().unwrap_or_default();
    tracing::warn!(tenant = version.key.tenant, table = version.key.table, version = version.version, reason, "HELD");
    of_version(&version.key, Some(&version.version), &[("Held", "Count", 1.0)]);
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
    let properties = json!({ "Tenant": key.tenant, "Table": key.table, "Version": version });
    println!("{}", line(properties, &json!([["Table"], []]), metrics));
}

/// Something about the whole pipeline.
pub(super) fn of_all(metrics: &[Metric]) {
    println!("{}", line(json!({}), &json!([[]]), metrics));
}

fn line(mut properties: Json, dimensions: &Json, metrics: &[Metric]) -> Json {
    let defined: Vec<Json> = metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    for (name, _, value) in metrics {
        properties[*name] = json!(value);
    }
    properties["_aws"] = json!({
        "Timestamp": clock::now_ms(),
        "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": defined }],
    });
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_defines_its_metrics_and_has_their_values_and_no_tenant_among_its_dimensions() {
        let properties = json!({ "Tenant": "acme", "Table": "orders", "Version": "V1" });
        let line = line(properties, &json!([["Table"], []]), &[("Rows", "Count", 3.0), ("Seconds", "Seconds", 0.5)]);
        let defined = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(defined["Namespace"], "Tidemark");
        assert_eq!(defined["Dimensions"], json!([["Table"], []]));
        assert_eq!(
            defined["Metrics"],
            json!([{ "Name": "Rows", "Unit": "Count" }, { "Name": "Seconds", "Unit": "Seconds" }])
        );
        assert!(line["_aws"]["Timestamp"].is_i64());
        assert_eq!((&line["Rows"], &line["Seconds"], &line["Tenant"]), (&json!(3.0), &json!(0.5), &json!("acme")));
    }
}
