//! Messages about rows and headers show what is in the file, and propose nothing that is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::workspace::Workspace;

/// What a run says about a part of `orders`.
fn problem(header: &str, row: &str) -> String {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &format!("{header}\n{row}\n"));
    let output = workspace.run();
    assert_eq!(output.status, 1, "{}", output.transcript());
    output.stderr
}

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by";

#[test]
fn rejected_values_are_shown_as_in_the_file() {
    for (amount, shown) in [
        ("\"12,50\"", "`\"12,50\"`"),
        ("\"1\"\"2\"", "`\"1\"\"2\"`"),
        (" 12.50 x", "` 12.50 x`"),
        ("C:\\temp", "`C:\\temp`"),
        ("it's", "`it's`"),
        ("1\t2", "`1\\t2`"),
    ] {
        let problem = problem(HEADER, &format!("eu,1,,open,{amount},,2026-01-01 00:00:00,a"));
        assert!(problem.contains(&format!("{shown} is not a decimal(12,2)")), "{amount}: {problem}");
    }
}

#[test]
fn help_about_a_header_proposes_nothing_that_is_refused() {
    let with = |old: &str, new: &str| HEADER.replace(old, new);
    for (header, expected, refused) in [
        (with("note", " note"), "remove the blanks around `note` in the header", "rename"),
        (with("note", "note\t"), "remove the blanks around `note` in the header", "rename"),
        (format!("{HEADER},"), "name every column in the header", "add it"),
        (with("note", ""), "name every column in the header", "add it"),
        (format!("{HEADER},Gift wrap"), "for its column; or declare `unlisted: ignore`", "add it"),
        (format!("{HEADER},order-ref"), "for its column; or declare `unlisted: ignore`", "add it"),
        (format!("{HEADER},_place"), "for its column; or declare `unlisted: ignore`", "add it"),
        (format!("{HEADER},{}", "x".repeat(129)), "for its column; or declare `unlisted: ignore`", "add it"),
        (
            with("note", "no-te"),
            "the schema has `note`; declare the column's `header: \"no-te\"`",
            "rename one of them",
        ),
        (with("note", "NOTE"), "the schema has `note`; declare `header_case: ignore`", "add it"),
        (format!("{HEADER},Note"), "deliver it again without this column", "add it"),
        (format!("{HEADER},gift"), "add it to the schema", "rename"),
        (with("amount", "ammount"), "the schema has `amount`; rename one of them", "add it"),
    ] {
        let problem = problem(&header, "eu,1,,open,1,,2026-01-01 00:00:00,a");
        let help = problem.lines().find(|line| line.starts_with("help: ")).unwrap();
        assert!(help.contains(expected) && !help.contains(refused), "{header}: {problem}");
    }
}

#[test]
fn why_says_that_rows_cannot_be_read() {
    let workspace = Workspace::new();
    let row = |key: &str| format!("{key},,open,1,,2026-01-01 00:00:00,a\n");
    let text = format!("{HEADER}\n{}{}{}", row("eu,1"), row("eu,1x"), row("us,2x"));
    workspace.export("acme/orders/V1", &text);
    workspace.run();
    let output = workspace.tidemark(&["why", "acme/orders", "eu", "7"]);
    assert_eq!(output.status, 0, "{}", output.transcript());
    assert!(output.stdout.contains("not found"), "{}", output.stdout);
    let note = "1 row with a key that cannot be read, at part.csv.gz:3";
    assert!(output.stdout.contains(note), "{}", output.stdout);
    // The row that is there is shown all the same, and of another region nothing is in doubt.
    let found = workspace.tidemark(&["why", "acme/orders", "eu", "1"]).stdout;
    assert!(found.contains("part.csv.gz:2") && found.contains(note), "{found}");
    let other = workspace.tidemark(&["why", "acme/orders", "ap", "1"]).stdout;
    assert!(other.contains("not in the export") && !other.contains("cannot be read"), "{other}");
}

#[test]
fn why_shows_the_other_versions_if_one_cannot_be_read() {
    for unreadable in ["exports/acme/test_table/V1", "exports/acme/test_table/V1/part.csv.gz"] {
        let workspace = Workspace::new();
        workspace.export("acme/test_table/V1", "PK1;1;a;x\n");
        workspace.export("acme/test_table/V2", "PK1;2;a;x\n");
        workspace.run();
        workspace.drop_root();
        fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o000)).unwrap();
        let output = workspace.tidemark(&["why", "acme/test_table", "PK1"]);
        assert_eq!(output.status, 2, "{}", output.transcript());
        assert!(output.stdout.contains("its files cannot be read"), "{}", output.stdout);
        assert!(output.stdout.contains("Permission denied"), "{}", output.stdout);
        assert!(output.stdout.contains("part.csv.gz:1"), "{}", output.stdout);
        fs::set_permissions(workspace.path(unreadable), Permissions::from_mode(0o755)).unwrap();
    }
}
