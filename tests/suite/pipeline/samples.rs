//! The samples of all tenants and tables through the pipeline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use runtime::name::TableKey;
use runtime::store::Status;
use serde_json::{Value as Json, json};

use crate::deployment::{Deployment, LinesByTable, published_to_files, wait};
use crate::workspace::{Workspace, add_to_summary, files};

/// The files of exports by version, `TENANT/TABLE/VERSION`.
fn by_version(folder: &Path) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let mut versions: BTreeMap<String, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (path, bytes) in files(folder) {
        let path = path.to_str().unwrap().to_owned();
        let version = path.rsplit_once('/').unwrap().0.to_owned();
        versions.entry(version).or_default().push((path, bytes));
    }
    // Markers and manifests are delivered after all other files.
    versions
        .values_mut()
        .for_each(|files| files.sort_by_key(|(path, _)| path.rsplit('/').next().unwrap().starts_with('_')));
    versions
}

/// Versions in rounds: the first of every tenant's table, then the second, and so on.
fn rounds(versions: &BTreeMap<String, Vec<(String, Vec<u8>)>>) -> Vec<Vec<String>> {
    let mut by_table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for version in versions.keys() {
        by_table.entry(version.rsplit_once('/').unwrap().0.to_owned()).or_default().push(version.clone());
    }
    for versions in by_table.values_mut() {
        versions.sort_by(|a, b| runtime::name::natural_cmp(a, b));
    }
    let rounds = by_table.values().map(Vec::len).max().unwrap_or_default();
    (0..rounds).map(|round| by_table.values().filter_map(|versions| versions.get(round).cloned()).collect()).collect()
}

#[test]
fn the_pipeline_publishes_all_samples_exactly_like_a_local_run() {
    let workspace = Workspace::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("samples/exports");
    workspace.tidemark(&["run", samples.to_str().unwrap()]);
    let expected = published_to_files(&workspace);
    let deployment = Deployment::get();
    let versions = by_version(&samples);
    for round in rounds(&versions) {
        for version in &round {
            versions[version].iter().for_each(|(path, bytes)| deployment.put(path, bytes));
        }
        deployment.wait_until_done(round.iter().map(String::as_str));
    }
    let (published, _) = deployment.published("");
    let published: LinesByTable =
        published.into_iter().filter(|((tenant, _), _)| ["acme", "globex"].contains(&tenant.as_str())).collect();
    assert_eq!(published.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (table, lines) in &expected {
        assert_eq!(&published[table], lines, "{table:?}");
    }
    for path in versions.keys() {
        let history = workspace.tidemark(&["history", path.rsplit_once('/').unwrap().0, "--format", "json"]);
        let history: Json = serde_json::from_str(&history.stdout).unwrap();
        let local =
            history.as_array().unwrap().iter().find(|version| path.ends_with(version["version"].as_str().unwrap()));
        let deployed = deployment.version(path).unwrap();
        assert_eq!(deployed.status.name(), local.unwrap()["status"].as_str().unwrap(), "{path}");
    }
    let records: usize = expected.values().map(BTreeSet::len).sum();
    let (versions, tables) = (versions.len(), expected.len());
    add_to_summary(&format!(
        "pipeline: {records} records of {versions} versions of {tables} tables are the same as those of a local run"
    ));
    assert_consumer_has_newest_snapshots(&deployment, &samples);
}

/// The consumer's table contains the newest snapshot of each tenant, as the reference implementation reads it.
fn assert_consumer_has_newest_snapshots(deployment: &Deployment, samples: &Path) {
    let table = &generated::orders::TABLE;
    let mut rows: BTreeMap<(String, String), Json> = BTreeMap::new();
    for tenant in ["acme", "globex"] {
        let versions =
            deployment.registry.versions(&TableKey { tenant: tenant.into(), table: "orders".into() }).unwrap();
        let newest = versions.iter().rfind(|version| version.status == Status::Succeeded).unwrap();
        let files = files(&samples.join(tenant).join("orders").join(&newest.version));
        let parts: Vec<(&str, &[u8])> =
            files.iter().map(|(path, bytes)| (path.to_str().unwrap(), bytes.as_slice())).collect();
        let snapshot = tests::reference::export::read(table, &parts).unwrap();
        assert!(snapshot.rejects.is_empty());
        for row in snapshot.rows.into_values() {
            let json = |name: &str| row.value(table, name).json.clone();
            let key = format!("[{},{}]", json("region"), json("order_id"));
            let columns = COMPARED.map(|name| (name.to_owned(), json(name)));
            rows.insert((tenant.into(), key), columns.into_iter().collect());
        }
    }
    wait("the consumer has every row", || consumed(deployment) == rows);
    add_to_summary(&format!("pipeline: the consumer's table has the {} rows of the newest snapshots", rows.len()));
}

/// The compared columns of `orders`.
const COMPARED: [&str; 5] = ["customer_email", "status", "amount", "note", "updated_at"];

/// The rows of the consumer's table, as JSON.
fn consumed(deployment: &Deployment) -> BTreeMap<(String, String), Json> {
    use aws_sdk_dynamodb::types::AttributeValue;
    let table = deployment.consumer_table.as_deref().expect("the deployment has the sample consumer");
    let mut pages = deployment.aws.dynamodb.scan().table_name(table).into_paginator().items().send();
    let mut rows = BTreeMap::new();
    while let Some(item) = deployment.aws.wait(pages.next()) {
        let item = item.unwrap();
        let text = |name: &str| match &item[name] {
            AttributeValue::S(text) | AttributeValue::N(text) => json!(text),
            _ => Json::Null,
        };
        let tenant = item["tenant"].as_s().unwrap();
        if item.contains_key("deleted") || !["acme", "globex"].contains(&tenant.as_str()) {
            continue;
        }
        let row: serde_json::Map<String, Json> = COMPARED.iter().map(|name| ((*name).to_owned(), text(name))).collect();
        let mut row = Json::Object(row);
        // DynamoDB drops the trailing zeros of numbers.
        if let Some(amount) = row["amount"].as_str() {
            row["amount"] = json!(format!("{:.2}", amount.parse::<f64>().unwrap()));
        }
        rows.insert((tenant.clone(), item["key"].as_s().unwrap().clone()), row);
    }
    rows
}
