//! `report`: pages that need nothing but a browser, and the same as Markdown and JSON.

mod long;
mod pages;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::workspace::{CommandOutput, Workspace};
use pages::Site;

const HEADER: &str = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";

/// An export of the orders from `first` to `last`.
fn orders(first: u32, last: u32, status: &str) -> String {
    let row = |n: u32| format!("eu,{n},secret{n}@example.com,{status},1.00,,2026-01-01 00:00:00,job\n");
    HEADER.to_owned() + &(first..=last).map(row).collect::<String>()
}

/// An export of 200 orders, and one that lacks the second half of them.
fn truncated() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &orders(1, 200, "paid"));
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/orders/V2", &orders(1, 100, "paid"));
    assert_eq!(workspace.run().status, 1);
    workspace
}

/// A workspace with the samples in it, published.
fn samples() -> Workspace {
    let workspace = Workspace::new();
    let exports = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/exports");
    workspace.tidemark(&["run", exports.to_str().unwrap()]);
    workspace
}

fn succeed(workspace: &Workspace, arguments: &[&str]) -> CommandOutput {
    let output = workspace.tidemark(arguments);
    assert_eq!(output.status, 0, "{arguments:?}: {}", output.transcript());
    output
}

/// The pages of a report, whose links and rules are checked.
fn report(workspace: &Workspace) -> Site {
    succeed(workspace, &["report", "-o", "report"]);
    let site = Site::read(&workspace.path("report"));
    site.assert_sound();
    site
}

fn json(workspace: &Workspace, arguments: &[&str]) -> Value {
    let output = succeed(workspace, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&output.stdout).unwrap()
}

#[test]
fn a_report_is_a_folder_of_pages_that_link_to_each_other_and_to_nothing_else() {
    let site = report(&samples());
    assert!(site.pages.len() > 14, "the overview, 14 tables, and the versions that are held");
    let front = &site.pages["index.html"];
    for name in ["acme/orders", "globex/web_events"] {
        assert!(front.contains(&format!("<a href=\"tables/{name}.html\">{name}</a>")), "{front}");
    }
    let orders = &site.pages["tables/acme/orders.html"];
    assert!(orders.contains("One row per customer order, keyed by sales region and order number."), "{orders}");
    assert!(orders.contains("The order total; NULL until the order is priced."), "{orders}");
    assert_eq!(orders.matches("<svg ").count(), 4, "rows, and a chart for each kind of operation");
}

#[test]
fn numbers_are_those_of_the_history() {
    let workspace = samples();
    let site = report(&workspace);
    let tables = json(&workspace, &["status"]);
    for table in tables.as_array().unwrap() {
        let key = format!("{}/{}", table["tenant"].as_str().unwrap(), table["table"].as_str().unwrap());
        let shown = site.rows(&format!("tables/{key}.html"), "versions");
        let history = json(&workspace, &["history", &key]);
        assert_eq!(shown.len(), history.as_array().unwrap().len(), "{key}");
        for (version, row) in history.as_array().unwrap().iter().rev().zip(shown) {
            assert_eq!(row[0], version["version"].as_str().unwrap(), "{key}");
            assert_eq!(row[1], version["status"].as_str().unwrap(), "{key}");
            let came = version["registered_at"].as_str().unwrap();
            assert_eq!(row[6], format!("{} {}Z", &came[..10], &came[11..16]), "{key}");
            for (name, cell) in ["rows", "inserted", "updated", "deleted"].iter().zip(&row[2..]) {
                let number = version["plan"]["counts"][name].as_u64().map(|number| number.to_string());
                assert_eq!(cell.replace(',', ""), number.unwrap_or_default(), "{key} {name}");
            }
        }
    }
}

#[test]
fn a_held_version_has_a_page_with_its_plan_as_a_picture_and_what_to_do() {
    let workspace = truncated();
    let site = report(&workspace);
    let page = &site.pages["versions/acme/orders/V2.html"];
    for text in [
        "100 of 200 rows of the baseline are gone (50 %)",
        "100 of them are one block at the end, after the key (eu, 100): the export may be truncated.",
        "deletes 50 % &gt; 20 %",
        "<rect class=\"gone\" height=\"22.0\" width=\"320.0\" x=\"320.0\"",
        "hold by run",
        "reject acme/orders/V2",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(site.pages["index.html"].contains("acme/orders/V2"));
    // What was decided about it stays on its page.
    succeed(&workspace, &["reject", "acme/orders/V2", "--by", "alice", "--because", "half is missing"]);
    let site = report(&workspace);
    let page = &site.pages["versions/acme/orders/V2.html"];
    assert!(page.contains("reject by alice: half is missing"), "{page}");
    assert!(!page.contains("approve acme/orders/V2"), "{page}");
}

#[test]
fn private_values_are_masked() {
    let workspace = truncated();
    let site = report(&workspace);
    site.assert_without("secret");
    for format in ["text", "md", "json"] {
        let output = succeed(&workspace, &["report", "--format", format]);
        assert!(!output.stdout.contains("secret"), "{}", output.stdout);
    }
}

#[test]
fn values_that_have_become_private_since_they_were_recorded_are_masked() {
    let workspace = Workspace::from_schemas();
    let schema = |key: &str, name: &str| {
        let columns = format!("columns: [{{ name: id, type: string{key} }}, {{ name: name, type: string{name} }}]");
        let text = format!("table: t\nprimary_key: [id]\n{columns}\nengine: {{ athena: false }}\n");
        workspace.write("schemas/t.yaml", text.as_bytes());
    };
    schema("", "");
    let rows =
        |count: u32| format!("id,name\n{}", (0..count).map(|n| format!("k3y{n},s3cret{n}\n")).collect::<String>());
    workspace.export("acme/t/V1", &rows(200));
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/t/V2", &rows(100));
    assert_eq!(workspace.run().status, 1);
    let page = "versions/acme/t/V2.html";
    assert!(report(&workspace).pages[page].contains("s3cret100"));
    schema("", ", pii: true");
    let site = report(&workspace);
    site.assert_without("s3cret");
    assert!(site.pages[page].contains("k3y100"));
    schema(", pii: true", "");
    report(&workspace).assert_without("k3y");
    // A table whose schema is gone may have had private columns.
    workspace.write("schemas/t.yaml", b"table: other\nprimary_key: [id]\ncolumns: [{ name: id, type: int }]\n");
    std::fs::rename(workspace.path("schemas/t.yaml"), workspace.path("schemas/other.yaml")).unwrap();
    let site = report(&workspace);
    site.assert_without("s3cret");
    site.assert_without("k3y");
}

#[test]
fn nothing_that_comes_from_outside_is_markup() {
    const HOSTILE: &str =
        "</p><script>alert(1)</script><img src=x onerror=alert(2)> \"'& {{ 7 * 7 }} [x](http://evil.example) | a";
    let workspace = Workspace::from_schemas();
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let schema = format!(
        "table: t\ndescription: {quoted}\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: string, description: {quoted} }}\n  - {{ name: v, type: int }}\nsource: {{ delimiter: \";\", quote: none }}\nengine: {{ athena: false }}\n"
    );
    workspace.write("schemas/t.yaml", schema.as_bytes());
    let rows = |count: u32, value: &str| {
        format!("id;v\n{}", (0..count).map(|n| format!("{n} {HOSTILE};{value}\n")).collect::<String>())
    };
    workspace.export("acme/t/V1", &rows(200, "1"));
    assert_eq!(workspace.run().status, 0);
    workspace.export("acme/t/V2", &rows(100, "1"));
    workspace.export("acme/t/V3", &rows(2, HOSTILE));
    assert_eq!(workspace.run().status, 1);
    let decided = ["reject", "acme/t/V2", "--by", HOSTILE, "--because", HOSTILE];
    succeed(&workspace, &decided);
    let site = report(&workspace);
    for (name, page) in &site.pages {
        for markup in ["<script>", "<img", "<p></p>", "onerror=alert(2)>"] {
            assert!(!page.contains(markup), "{markup} in {name}: {page}");
        }
    }
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;";
    for page in ["tables/acme/t.html", "versions/acme/t/V2.html", "index.html"] {
        assert!(site.pages[page].contains(escaped), "{page}");
    }
    let markdown = succeed(&workspace, &["report", "--format", "md"]).stdout;
    for markup in ["<script", "<img", "[x](", "http://"] {
        assert!(!markdown.contains(markup), "{markup}: {markdown}");
    }
    assert_eq!(json(&workspace, &["report"])["tables"][0]["description"], HOSTILE);
}

#[test]
fn since_says_what_is_news() {
    let workspace = truncated();
    let totals = |since: &str| json(&workspace, &["report", "--since", since])["totals"].clone();
    let all = totals("24h");
    assert_eq!(
        (&all["came"], &all["published"], &all["inserted"], &all["held"]),
        (&2.into(), &1.into(), &200.into(), &1.into())
    );
    for since in ["7d", "2020-01-01", "2020-01-01T00:00Z", "1h 30m"] {
        assert_eq!(totals(since), all, "{since}");
    }
    let none = totals("2099-01-01");
    assert_eq!(
        (&none["came"], &none["published"], &none["held"]),
        (&0.into(), &0.into(), &1.into()),
        "it is still held"
    );
    for wrong in ["yesterday", "-1d", "0h", "2026-13-01", ""] {
        let output = workspace.tidemark(&["report", &format!("--since={wrong}")]);
        assert_eq!(output.status, 2, "{wrong}");
        assert!(output.stderr.contains("is neither a duration nor a time"), "{}", output.stderr);
    }
}

#[test]
fn the_text_and_the_markdown_say_the_same_in_a_few_lines() {
    let workspace = truncated();
    let text = succeed(&workspace, &["report"]).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("2 versions came, 1 published: 200 rows inserted, 0 updated, 0 deleted."), "{text}");
    assert_eq!(lines[1..], ["acme/orders/V2  HELD  deletes 50 % > 20 %"]);
    let markdown = succeed(&workspace, &["report", "--format", "md"]).stdout;
    assert!(markdown.contains("| acme/orders/V2 | HELD | deletes 50 % \\> 20 % |"), "{markdown}");
    assert!(markdown.contains("| acme/orders | V1 | SUCCEEDED | 200 | 200 | 0 | 0 |"), "{markdown}");
}

#[test]
fn a_folder_with_other_files_is_refused_and_an_earlier_report_is_replaced() {
    let workspace = truncated();
    let refused = |folder: &str| {
        let output = workspace.tidemark(&["report", "-o", folder]);
        assert_eq!(output.status, 2, "{}", output.transcript());
        output.stderr
    };
    workspace.write("mine/notes.txt", b"keep");
    assert!(refused("mine").contains("the folder has files that are not a report's"));
    assert!(refused("exports/report").contains("would be among the exports"));
    assert!(refused("mine/notes.txt").contains("cannot list"));
    report(&workspace);
    workspace.write("report/tables/acme/gone.html", b"<p>from an earlier report");
    workspace.write("report/notes.txt", b"keep");
    succeed(&workspace, &["report", "-o", "report"]);
    assert!(!workspace.path("report/tables/acme/gone.html").exists());
    assert_eq!(std::fs::read(workspace.path("report/notes.txt")).unwrap(), b"keep");
    assert_eq!(workspace.tidemark(&["report", "-o", "new", "--state", "nowhere"]).status, 2);
    assert!(!workspace.path("new").exists(), "nothing is written without a registry");
}

#[test]
fn what_is_overdue_is_in_the_report() {
    let workspace = Workspace::from_schemas();
    let expect = "expect: { every: 1h, by: \"00:00\", window: 1h, tenants: [acme] }";
    let schema = "table: t\nprimary_key: [id]\ncolumns: [{ name: id, type: int }]\nengine: { athena: false }\n";
    workspace.write("schemas/t.yaml", format!("{schema}{expect}\n").as_bytes());
    workspace.export("globex/t/V1", "id\n1\n");
    assert_eq!(workspace.run().status, 0);
    let site = report(&workspace);
    let overdue = "<span class=\"status OVERDUE\">OVERDUE</span>";
    assert!(site.pages["index.html"].contains(overdue) && site.pages["tables/acme/t.html"].contains(overdue));
    assert!(site.pages["tables/acme/t.html"].contains("by 00:00 and every hour UTC"));
    assert_eq!(json(&workspace, &["report"])["totals"]["overdue"], 1);
    assert!(succeed(&workspace, &["report"]).stdout.contains("acme/t  OVERDUE  no export came by "));
}

#[test]
fn a_table_whose_records_are_damaged_does_not_hide_the_others() {
    let workspace = truncated();
    workspace.export("globex/orders/V1", &orders(1, 3, "paid"));
    workspace.run();
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    registry.execute("UPDATE versions SET record = '<b>' WHERE tenant = 'acme' AND place LIKE '%1'", []).unwrap();
    drop(registry);
    let output = workspace.tidemark(&["report", "-o", "report", "--format", "json"]);
    assert_eq!(output.status, 2, "{}", output.transcript());
    assert!(output.stderr.contains("is damaged"), "{}", output.stderr);
    let site = Site::read(&workspace.path("report"));
    site.assert_sound();
    assert!(site.pages["index.html"].contains("UNREADABLE") && site.pages.contains_key("tables/globex/orders.html"));
}

#[test]
fn rows_that_could_not_be_read_are_named() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", &(orders(1, 2, "paid") + "eu,x,a@b.c,paid,1.00,,2026-01-01 00:00:00,job\n"));
    assert_eq!(workspace.run().status, 1);
    let site = report(&workspace);
    let page = &site.pages["tables/acme/orders.html"];
    assert!(page.contains("part.csv.gz:4 order_id: `x` is not a bigint"), "{page}");
}

#[test]
fn the_index_has_every_table_and_column() {
    let site = report(&samples());
    let mut columns = BTreeMap::new();
    for (table, tenants, names) in site.index() {
        assert_eq!(tenants, ["acme", "globex"], "{table}");
        columns.insert(table, names);
    }
    let expected: BTreeMap<String, Vec<String>> = generated::TABLES
        .iter()
        .map(|table| (table.name.to_owned(), table.columns.iter().map(|column| column.name.to_owned()).collect()))
        .collect();
    assert_eq!(columns, expected);
}
