//! What the daily check removes, and what it leaves.

use runtime::aws::s3::{self, S3Uri};
use runtime::store::Status;
use serde_json::json;

use super::orders;
use crate::deployment::Deployment;

/// The names of the objects below `changes/TENANT/orders` of the bucket for change sets, and of the exports.
fn change_sets(deployment: &Deployment, tenant: &str) -> Vec<String> {
    let bucket = deployment.bucket.replace("exports", "work");
    s3::object_names(&deployment.aws, &S3Uri { bucket, key: format!("changes/{tenant}/orders") }).unwrap()
}

/// The versions that have change sets.
fn versions_with_change_sets(deployment: &Deployment, tenant: &str) -> Vec<String> {
    let mut versions: Vec<String> =
        change_sets(deployment, tenant).iter().filter_map(|name| name.split('/').next()).map(str::to_owned).collect();
    versions.dedup();
    versions
}

/// Runs the daily check as if everything were old. Returns how much it removed.
pub(super) fn expire(deployment: &Deployment) -> u64 {
    let _old = deployment.with_environment("find", &[("TIDEMARK_DAY", "0")]);
    deployment.invoke("find", &json!({ "scheduled": "expiry" }))["expired"].as_u64().unwrap()
}

#[test]
fn change_sets_expire_but_never_those_that_a_held_version_waits_for() {
    let deployment = Deployment::get();
    deployment.deliver("expiry/orders/V1", &orders(0, 200, "open"));
    deployment.wait_for("expiry/orders/V1", Status::Succeeded);
    deployment.deliver("expiry/orders/V2", &orders(0, 20, "open"));
    deployment.wait_for("expiry/orders/V2", Status::Held);
    assert_eq!(versions_with_change_sets(&deployment, "expiry"), ["V1", "V2"]);
    let answer = deployment.invoke("find", &json!({ "scheduled": "today" }));
    assert_eq!(answer["expired"], 0, "none is as old as the parameter says");
    assert!(expire(&deployment) > 0);
    assert_eq!(versions_with_change_sets(&deployment, "expiry"), ["V2"]);
    let replayed = deployment.tidemark(&["replay", "expiry/orders/V1"]);
    assert_ne!(replayed.status, 0, "{}", replayed.transcript());
    let plan = deployment.version("expiry/orders/V2").unwrap().plan.unwrap().hash;
    let approved = deployment.tidemark(&["approve", "expiry/orders/V2", &plan]);
    assert_eq!(approved.status, 0, "{}", approved.transcript());
    deployment.wait_for("expiry/orders/V2", Status::Succeeded);
    expire(&deployment);
    assert_eq!(versions_with_change_sets(&deployment, "expiry"), [""; 0]);
    let history = deployment.tidemark(&["history", "expiry/orders"]);
    assert!(history.stdout.contains("gc"), "the journal says what was removed: {}", history.stdout);
}
