//! What a plan shows of deleted rows: where they were, their values, and what they have in common.

use serde_json::{Value, json};

use crate::workspace::Workspace;

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

fn order(n: u32) -> String {
    let region = if n.is_multiple_of(3) { "eu" } else { "us" };
    format!("{region},{n},secret{}@example.com,paid,{}.50,,2026-01-01 00:00:00,job{n}\n", n % 3, n % 7)
}

/// The plan of a version that lacks these of the orders from 1 to 300, as JSON and as text.
fn plan_without(is_missing: impl Fn(u32) -> bool) -> (Value, String) {
    let workspace = Workspace::new();
    let export = |numbers: &mut dyn Iterator<Item = u32>| HEADER.to_owned() + &numbers.map(order).collect::<String>();
    workspace.export("acme/orders/V1", &export(&mut (1..=300)));
    workspace.export("acme/orders/V2", &export(&mut (1..=300).filter(|n| !is_missing(*n))));
    workspace.run();
    let text = workspace.tidemark(&["plan", "acme/orders/V2"]);
    assert_eq!(text.status, 0, "{}", text.stderr);
    let json = workspace.tidemark(&["plan", "acme/orders/V2", "--format", "json"]).stdout;
    assert!(!text.stdout.contains("secret") && !json.contains("secret"), "{}\n{json}", text.stdout);
    let json: Value = serde_json::from_str(&json).unwrap();
    (json["plan"]["findings"].clone(), text.stdout)
}

#[test]
fn a_truncation_is_recognised_although_other_rows_are_deleted_too() {
    let (findings, text) = plan_without(|n| n == 7 || n > 200);
    assert_eq!(findings["deleted_block"], json!({"rows": 100, "after": "(us, 200)", "at_the_end": true}));
    let line =
        "The export ends after key (us, 200): 100 of 101 deleted keys are one block at the end. It may be truncated.";
    assert!(text.contains(line), "{text}");
    let (_, text) = plan_without(|n| n > 200);
    assert!(text.contains("after key (us, 200): the deleted keys are one block at the end."), "{text}");
}

#[test]
fn a_missing_part_is_recognised_although_other_rows_are_deleted_too() {
    let (_, text) = plan_without(|n| n == 299 || (50..150).contains(&n));
    assert!(text.contains("100 of 101 deleted keys are one block, after key (us, 49)."), "{text}");
    let (_, text) = plan_without(|n| n == 299 || n < 100);
    assert!(text.contains("99 of 100 deleted keys are one block, at the beginning of the baseline."), "{text}");
    // Scattered deletions have no block worth naming.
    let (findings, text) = plan_without(|n| n.is_multiple_of(2));
    assert_eq!(findings["deleted_block"]["rows"], json!(1));
    assert!(!text.contains("block"), "{text}");
}

#[test]
fn what_all_deleted_rows_have_in_common_is_shown_and_private_values_are_masked() {
    let (findings, text) = plan_without(|n| n.is_multiple_of(3));
    let expected = json!([
        ["region", "eu"],
        ["customer_email", "***"],
        ["status", "paid"],
        ["note", "NULL"],
        ["updated_at", "2026-01-01T00:00:00.000000"],
    ]);
    assert_eq!(findings["deleted_common"], expected);
    assert!(text.contains("All deleted rows have region = eu · customer_email = *** · status = paid"), "{text}");
    // All regions, and two addresses.
    let (findings, _) = plan_without(|n| n % 3 != 1 && n > 100);
    assert_eq!(findings["deleted_common"].as_array().unwrap().len(), 3, "{findings}");
    // One row has nothing in common with others.
    let (findings, text) = plan_without(|n| n == 5);
    assert_eq!(findings["deleted_common"], json!([]));
    assert!(!text.contains("All deleted rows"), "{text}");
}

#[test]
fn samples_show_the_values_of_rows() {
    let (findings, text) = plan_without(|n| n == 5 || n == 9);
    let values = json!([
        ["customer_email", "***"],
        ["status", "paid"],
        ["amount", "5.50"],
        ["note", "NULL"],
        ["updated_at", "2026-01-01T00:00:00.000000"],
    ]);
    assert_eq!(findings["deletes"][0], json!({"key": "(us, 5)", "values": values}));
    assert!(text.contains("  − (us, 5)   customer_email  *** · status  paid · amount  5.50 · note  NULL"), "{text}");
    assert!(text.contains("  − (eu, 9)"), "{text}");
}
