//! Athena refuses queries beyond the account's quota, and is paid also for those that lead to nothing.

use runtime::name::TableKey;
use runtime::store::Status;
use serde_json::{Value as Json, json};

use super::{Journey, orders};
use crate::deployment::{Deployment, wait};
use crate::remote::Remote;
use crate::stack::Stack;

/// Refuses the next calls, as many as the SDK makes of one, or more.
fn too_many(action: &str, calls: u32) -> Json {
    let refusal = |nth: u32| json!({ "action": action, "error": "TooManyRequestsException", "nth": nth });
    (1..=calls).map(refusal).collect()
}

/// Counts the refused calls of a tenant or a database.
fn refused(scope: &str) -> usize {
    Stack::get().athena_log_of(scope).iter().filter(|call| call["error"] == "TooManyRequestsException").count()
}

#[test]
fn a_query_beyond_the_quota_waits_and_fails_no_step() {
    let deployment = Deployment::with_athena();
    let journey = Journey::from_texts("quota", [orders(0, 120, "open"), orders(5, 125, "open")]);
    let failed = deployment.executions("FAILED");
    for (number, action) in ["StartQueryExecution", "GetQueryExecution"].into_iter().enumerate() {
        let before = refused("quota");
        {
            let _refusals = Stack::get().inject_failures("quota", &too_many(action, 5));
            journey.deliver(&deployment, number);
            deployment.wait_for(&journey.path(["V1", "V2"][number]), Status::Succeeded);
        }
        assert_eq!(refused("quota") - before, 5, "{action}");
    }
    journey.check(&deployment);
    assert_eq!(deployment.executions("FAILED"), failed);
    let log = ["plan", "athena"].map(|function| deployment.log(function)).concat();
    let of_quota = |line: &&Json| line["tenant"] == "quota" && line.to_string().contains("TooManyRequests");
    let levels: Vec<&Json> = log.iter().filter(of_quota).map(|line| &line["level"]).collect();
    assert_eq!(levels, [&json!("INFO"), &json!("INFO")], "the steps report that Athena is busy, and not an error");
}

#[test]
fn a_run_waits_until_athena_accepts_its_query() {
    let remote = Remote::with(&[("acme/orders/V1", &orders(0, 50, "open"))]);
    let database = &remote.sandbox.database;
    let _refusals = Stack::get().inject_failures(database, &too_many("StartQueryExecution", 12));
    let output = remote.with_athena_and_env(&["run", &remote.uri("")], &[("TIDEMARK_BUSY_MILLIS", "100")]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert_eq!(refused(database), 12);
}

#[test]
fn a_version_whose_queries_are_paid_for_without_a_result_fails_after_three_and_can_be_retried() {
    let deployment = Deployment::with_athena();
    let key = TableKey { tenant: "paid".into(), table: "orders".into() };
    let failure = |nth: u32| json!({ "state": "FAILED", "after": true, "category": 2, "nth": nth });
    {
        let _failures = Stack::get().inject_failures("paid", &(1..=3).map(failure).collect());
        let mut failed = deployment.executions("FAILED");
        deployment.deliver("paid/orders/V1", &orders(0, 120, "open"));
        for _ in 0..3 {
            wait("the execution fails", || deployment.executions("FAILED") > failed);
            failed = deployment.executions("FAILED");
            wait("the lease is free", || deployment.registry.state(&key).unwrap().owner.is_none());
            deployment.start(&key);
        }
        deployment.wait_for("paid/orders/V1", Status::Failed);
    }
    let version = deployment.version("paid/orders/V1").unwrap();
    let reason = version.reason.unwrap();
    assert!(reason.contains("Athena was paid for 3 queries that led to no plan"), "{reason}");
    wait("the alarm's metric is in the log", || {
        deployment.log("plan").iter().any(|line| line["Failed"] == 1.0 && line["Tenant"] == "paid")
    });
    let retried = deployment.tidemark(&["retry", "paid/orders/V1"]);
    assert_eq!(retried.status, 0, "{}", retried.transcript());
    deployment.wait_for("paid/orders/V1", Status::Succeeded);
}

#[test]
fn a_version_beyond_the_daily_budget_of_its_table_waits_for_the_next_day() {
    let deployment = Deployment::with_athena();
    let journey = Journey::from_texts("budget", [orders(0, 120, "open"), orders(5, 125, "open")]);
    let failed = deployment.executions("FAILED");
    let key = TableKey { tenant: "budget".into(), table: "orders".into() };
    {
        // Enough for one of two exports alone, and not for both of them after it.
        let size = |number| journey.size(number);
        let budget = (size(0) + size(1)).to_string();
        let _budget = deployment.with_environment("plan", &[("TIDEMARK_ATHENA_BUDGET", &budget)]);
        journey.deliver(&deployment, 0);
        deployment.wait_for(&journey.path("V1"), Status::Succeeded);
        journey.deliver(&deployment, 1);
        wait("the version waits", || {
            let is_refused =
                |line: &Json| line["tenant"] == "budget" && line.to_string().contains("the budget of orders");
            deployment.log("plan").iter().any(is_refused)
        });
        assert_eq!(deployment.version(&journey.path("V2")).unwrap().status, Status::Registered);
        assert!(deployment.registry.state(&key).unwrap().owner.is_some(), "the execution goes on");
    }
    // On another day, or with a larger budget, it is compared.
    deployment.wait_for(&journey.path("V2"), Status::Succeeded);
    journey.check(&deployment);
    assert_eq!(deployment.executions("FAILED"), failed);
}
