//! Guards hold a version; a person reviews its plan, and approves or rejects it.

use serde_json::Value;

use crate::workspace::{CommandOutput, Workspace, files};

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of the orders from `first` to `last`, with the status that `status` returns for each.
fn orders(first: u32, last: u32, status: impl Fn(u32) -> &'static str) -> String {
    let row = |n: u32| format!("eu,{n},secret{n}@example.com,{},1.00,,2026-01-01 00:00:00,job\n", status(n));
    HEADER.to_owned() + &(first..=last).map(row).collect::<String>()
}

/// An export of 200 orders, and one that lacks the second half of them.
fn truncated() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 200, |_| "paid"));
    workspace.export("acme/orders/V2", &orders(1, 100, |n| if n == 7 { "shipped" } else { "paid" }));
    workspace
}

fn plan_hash(workspace: &Workspace, version: &str) -> String {
    let output = workspace.tidemark(&["plan", version, "--format", "json"]);
    let version: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.transcript()));
    version["plan"]["hash"].as_str().unwrap().to_owned()
}

fn approve(workspace: &Workspace, version: &str) -> CommandOutput {
    workspace.tidemark(&["approve", version, &plan_hash(workspace, version)[..8]])
}

#[test]
fn a_truncated_export_is_held_and_its_plan_explains_why_in_a_few_lines() {
    let workspace = truncated();
    let output = workspace.run();
    insta::assert_snapshot!("held", output.transcript());
    assert!(workspace.published("acme/orders/V2").is_empty());
    let plan = workspace.tidemark(&["plan", "acme/orders/V2"]);
    insta::assert_snapshot!("plan", plan.transcript());
    assert!(plan.stdout.lines().count() <= 13, "{}", plan.stdout);
    assert!(!plan.stdout.contains("secret"));
    // A held version is reported once, and `status` keeps showing it.
    assert_eq!(workspace.run().status, 0);
    assert!(workspace.tidemark(&["status"]).stdout.contains("HELD  deletes 50 % > 20 %"));
}

#[test]
fn a_rejected_version_can_be_delivered_again() {
    let workspace = truncated();
    workspace.run();
    insta::assert_snapshot!("reject", workspace.tidemark(&["reject", "acme/orders/V2"]).transcript());
    assert_eq!(workspace.statuses("acme/orders")["V2"], "REJECTED");
    assert_eq!(workspace.run().status, 0);
    // The same version again, complete this time.
    workspace.export("acme/orders/V2", &orders(1, 201, |_| "paid"));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "SUCCEEDED");
    assert_eq!(workspace.published("acme/orders/V2").len(), 3);
}

#[test]
fn a_waiting_version_can_be_rejected_even_if_its_table_has_no_schema() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 11, |_| "paid"));
    workspace.export("acme/unknown/V1", "a\n1\n");
    workspace.write("exports/acme/web_events/V1/part-0000.tsv.zst", b"");
    assert_eq!(workspace.run().status, 0);
    for version in ["acme/unknown/V1", "acme/web_events/V1"] {
        let rejected = workspace.tidemark(&["reject", version, "--because", "not ours"]);
        assert_eq!(rejected.status, 0, "{}", rejected.transcript());
        let (table, _) = version.rsplit_once('/').unwrap();
        assert_eq!(workspace.statuses(table)["V1"], "REJECTED");
        assert!(workspace.tidemark(&["history", table]).stdout.contains("not ours"));
    }
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/unknown")["V1"], "REJECTED");
    // A version that was rejected while it waited starts over when more of it comes.
    workspace.write("exports/acme/web_events/V1/part-0001.tsv.zst", b"");
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/web_events")["V1"], "WAITING");
    let again = workspace.tidemark(&["reject", "acme/orders/V1"]);
    assert!(again.status == 1 && again.stderr.contains("only a HELD or WAITING version"), "{}", again.transcript());
}

#[test]
fn an_approved_plan_is_published_as_reviewed() {
    let workspace = truncated();
    workspace.run();
    let output = approve(&workspace, "acme/orders/V2");
    insta::assert_snapshot!("approve", output.transcript());
    assert_eq!(workspace.published("acme/orders/V2").len(), 103);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "SUCCEEDED");
}

#[test]
fn an_approval_must_name_the_reviewed_plan() {
    let workspace = truncated();
    workspace.run();
    for (name, arguments) in [
        ("approve_another_hash", ["approve", "acme/orders/V2", "00000000"]),
        ("approve_short_hash", ["approve", "acme/orders/V2", &plan_hash(&workspace, "acme/orders/V2")[..4]]),
        ("approve_succeeded", ["approve", "acme/orders/V1", "00000000"]),
    ] {
        insta::assert_snapshot!(name, workspace.tidemark(&arguments).transcript());
    }
    assert!(workspace.published("acme/orders/V2").is_empty());
}

#[test]
fn a_newer_version_supersedes_a_held_one() {
    let workspace = truncated();
    workspace.run();
    workspace.export("acme/orders/V3", &orders(1, 199, |_| "paid"));
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/orders/V3")[0]["previous"], "V1");
    assert_eq!(workspace.statuses("acme/orders")["V2"], "SUPERSEDED");
    let output = workspace.tidemark(&["approve", "acme/orders/V2", "00000000"]);
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("it is SUPERSEDED"), "{}", output.stderr);
}

#[test]
fn approving_one_held_version_does_not_publish_the_next() {
    let workspace = truncated();
    workspace.export("acme/orders/V3", &orders(1, 95, |_| "paid"));
    workspace.run();
    let statuses = workspace.statuses("acme/orders");
    assert_eq!((statuses["V2"].as_str(), statuses["V3"].as_str()), ("HELD", "HELD"));
    let stale = plan_hash(&workspace, "acme/orders/V3");
    // Compared with V2, V3 lacks only five of a hundred rows, and no guard breaks. But nobody has reviewed it.
    let output = approve(&workspace, "acme/orders/V2");
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert_eq!(workspace.statuses("acme/orders")["V3"], "HELD");
    assert!(output.stdout.contains("HELD       was held before, and planned again"), "{}", output.stdout);
    let plan = workspace.tidemark(&["plan", "acme/orders/V3"]).stdout;
    assert!(plan.contains("V2 → V3") && plan.contains("✗ was held before, and planned again"), "{plan}");
    assert_eq!(workspace.tidemark(&["approve", "acme/orders/V3", &stale]).status, 1);
    assert_eq!(workspace.run().status, 0, "it is reported once");
    assert!(workspace.published("acme/orders/V3").is_empty());
    assert_eq!(approve(&workspace, "acme/orders/V3").status, 0);
    assert_eq!(workspace.published("acme/orders/V3")[0]["previous"], "V2");
}

#[test]
fn a_held_version_needs_an_approval_whatever_made_it_be_planned_again() {
    const NARROW: &str = "table: t\nprimary_key: [id]\ncolumns:\n  - { name: id, type: int }\n  - { name: a, type: string, nullable: true }\n";
    let wide = format!("{NARROW}  - {{ name: b, type: string, nullable: true }}\n");
    let workspace = Workspace::from_schemas();
    let export = |version: &str, count: u32, has_b: bool| {
        let b = if has_b { ",b" } else { "" };
        let rows: String = (0..count).map(|n| format!("{n},x{}\n", if has_b { "," } else { "" })).collect();
        workspace.export(&format!("acme/t/{version}"), &format!("id,a{b}\n{rows}"));
    };
    workspace.write("schemas/t.yaml", wide.as_bytes());
    export("V1", 200, true);
    export("V2", 100, true);
    assert_eq!(workspace.run().status, 1);
    // The guard that held it is switched off, and the schema changes, so that it is planned again.
    let without_guards = wide.replace("name: a", "pii: true, name: a") + "guards: { max_delete_ratio: none }\n";
    workspace.write(
        "schemas/t.yaml",
        without_guards.replace("name: b, type: string", "name: b, type: varchar(9)").as_bytes(),
    );
    let output = workspace.run();
    assert!(output.stdout.contains("was held before, and planned again"), "{}", output.transcript());
    assert!(workspace.published("acme/t/V2").is_empty());
    // An approval counts for the plan that it names, even if that has to be made again.
    let hash = plan_hash(&workspace, "acme/t/V2");
    std::fs::remove_dir_all(workspace.path(".tidemark/changes/acme/t/V2")).unwrap();
    assert_eq!(workspace.tidemark(&["approve", "acme/t/V2", &hash]).status, 0);
    assert_eq!(workspace.statuses("acme/t")["V2"], "SUCCEEDED");
}

#[test]
fn a_held_version_is_planned_again_only_if_an_older_one_is_published_and_then_needs_a_new_approval() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 200, |_| "paid"));
    workspace.export("acme/orders/V3", &orders(1, 100, |_| "paid"));
    assert_eq!(workspace.run().status, 1);
    let plan = |workspace: &Workspace| files(&workspace.path(".tidemark/changes/acme/orders/V3"));
    let (stale, before) = (plan_hash(&workspace, "acme/orders/V3"), plan(&workspace));
    // An older version that comes late and is not published leaves the plan as it is.
    workspace.export("acme/orders/V2", &orders(1, 50, |_| "paid"));
    assert_eq!(workspace.run().status, 1);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "HELD");
    assert!(plan(&workspace) == before, "it is not planned again");
    // One that is published is what V3 is compared with from now on, even if V3 is approved at the same time.
    workspace.export("acme/orders/V2", &orders(1, 180, |_| "paid"));
    let output = workspace.tidemark(&["approve", "acme/orders/V3", &stale]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    let statuses = workspace.statuses("acme/orders");
    assert_eq!((statuses["V2"].as_str(), statuses["V3"].as_str()), ("SUCCEEDED", "HELD"));
    assert!(workspace.published("acme/orders/V3").is_empty());
    let planned = plan(&workspace);
    assert_eq!(workspace.run().status, 0, "it is reported once");
    assert!(plan(&workspace) == planned, "it is planned once");
    assert_eq!(workspace.tidemark(&["approve", "acme/orders/V3", &stale]).status, 1);
    assert_eq!(approve(&workspace, "acme/orders/V3").status, 0);
    assert_eq!(workspace.published("acme/orders/V3")[0]["previous"], "V2");
}

#[test]
fn an_export_that_changes_while_held_is_planned_again() {
    let workspace = truncated();
    workspace.run();
    let stale = plan_hash(&workspace, "acme/orders/V2");
    workspace.export("acme/orders/V2", &orders(1, 90, |_| "paid"));
    let output = workspace.tidemark(&["approve", "acme/orders/V2", &stale]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(workspace.published("acme/orders/V2").is_empty());
    assert_eq!(workspace.statuses("acme/orders")["V2"], "HELD");
    assert_ne!(plan_hash(&workspace, "acme/orders/V2"), stale);
}

#[test]
fn plan_shows_a_version_before_any_run_publishes_it() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 200, |_| "paid"));
    workspace.run();
    workspace.export("acme/orders/V2", &orders(2, 201, |n| if n % 10 == 0 { "shipped" } else { "paid" }));
    // A run that cannot take the lock only registers it.
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    registry.execute("UPDATE tables SET owner = 'process 1', expires_at = 4102444800000", []).unwrap();
    workspace.run();
    registry.execute("UPDATE tables SET owner = NULL, expires_at = NULL", []).unwrap();
    insta::assert_snapshot!("plan_of_registered", workspace.tidemark(&["plan", "acme/orders/V2"]).transcript());
    assert_eq!(workspace.statuses("acme/orders")["V2"], "PLANNED");
    assert!(workspace.published("acme/orders/V2").is_empty());
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "SUCCEEDED");
}

#[test]
fn each_guard_breaks_just_past_its_limit() {
    use runtime::plan::Counts;
    use runtime::run::guard::{GuardBreach, count_breaches};
    use runtime::table::Guards;

    let none =
        Guards { max_delete_ratio: None, max_update_ratio: None, min_rows: 0, min_baseline_rows: 0, ..Guards::DEFAULT };
    let counts = Counts { baseline_rows: 100, rows: 100, inserted: 20, updated: 50, deleted: 20, duplicates: 0 };
    let cases: [(Guards, Counts, bool, &[&str]); 12] = [
        (Guards::DEFAULT, counts, true, &[]),
        (Guards::DEFAULT, Counts { deleted: 21, ..counts }, true, &["deletes 21 % > 20 %"]),
        (Guards::DEFAULT, Counts { updated: 51, ..counts }, true, &["updates 51 % > 50 %"]),
        (Guards::DEFAULT, Counts { baseline_rows: 99, deleted: 99, ..counts }, true, &[]),
        (Guards::DEFAULT, Counts { rows: 0, ..counts }, false, &["0 rows < 1"]),
        (Guards::DEFAULT, Counts { deleted: 100, ..counts }, false, &[]),
        (Guards { max_insert_ratio: Some(0.19), ..none.clone() }, counts, true, &["inserts 20 % > 19 %"]),
        (Guards { max_inserts: Some(19), ..none.clone() }, counts, true, &["inserts 20 > 19"]),
        (Guards { max_updates: Some(49), ..none.clone() }, counts, true, &["updates 50 > 49"]),
        (Guards { max_deletes: Some(19), ..none.clone() }, counts, true, &["deletes 20 > 19"]),
        (Guards { max_deletes: Some(20), ..none.clone() }, counts, true, &[]),
        (none.clone(), Counts { baseline_rows: 0, inserted: 1000, ..counts }, true, &[]),
    ];
    for (guards, counts, has_baseline, expected) in cases {
        let breaches = count_breaches(&guards, &counts, has_baseline);
        let rendered: Vec<String> = breaches.iter().map(GuardBreach::to_string).collect();
        assert_eq!(rendered, expected, "{guards:?} {counts:?}");
    }
}

#[test]
fn an_approval_of_a_version_whose_files_are_gone_fails() {
    let workspace = truncated();
    workspace.run();
    let hash = plan_hash(&workspace, "acme/orders/V2");
    std::fs::remove_dir_all(workspace.path("exports/acme/orders/V2")).unwrap();
    let output = workspace.tidemark(&["approve", "acme/orders/V2", &hash]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("its files changed after the review"), "{}", output.stderr);
    assert!(workspace.published("acme/orders/V2").is_empty());
}

#[test]
fn a_version_held_before_a_resync_says_how_to_publish_it_after_all() {
    let workspace = truncated();
    workspace.run();
    workspace.tidemark(&["resync", "acme/orders"]);
    let output = approve(&workspace, "acme/orders/V2");
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("tidemark resync acme/orders --cancel"), "{}", output.stderr);
    workspace.tidemark(&["resync", "acme/orders", "--cancel"]);
    assert_eq!(approve(&workspace, "acme/orders/V2").status, 0);
    assert_eq!(workspace.statuses("acme/orders")["V2"], "SUCCEEDED");
}
