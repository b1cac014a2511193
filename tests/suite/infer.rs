//! `infer`: the schema of a table from its exports. Every schema here was proved by the command itself: the generator
//! reads it, and the engine reads every row with it.

mod dialects;
mod exports;
mod keys;
mod passes;
mod random_tables;
mod samples;

use runtime::infer::{Draft, Request, infer};

use crate::workspace::{Workspace, gzip};

/// The schema of the exports of a workspace.
fn draft(workspace: &Workspace, paths: &[&str]) -> Result<Draft, runtime::Error> {
    infer(&Request { paths: paths.iter().map(|path| workspace.path(path)).collect(), ..Request::default() })
}

/// The schema of one uncompressed file.
fn schema(bytes: impl AsRef<[u8]>) -> String {
    let workspace = Workspace::new();
    workspace.write("shop/export.csv", bytes.as_ref());
    match draft(&workspace, &["shop/export.csv"]) {
        Ok(draft) => draft.yaml,
        Err(error) => panic!("{error} ({:?})", error.next_step()),
    }
}

/// Why a file has no schema.
fn refusal(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let workspace = Workspace::new();
    workspace.write(name, bytes.as_ref());
    let error = draft(&workspace, &[name]).map(|draft| draft.yaml).unwrap_err();
    format!("{error}: {}", error.next_step().unwrap_or_default()).replace(&*workspace.path("").to_string_lossy(), "")
}

/// The line of a column, without its comment.
fn column(yaml: &str, name: &str) -> String {
    let start = format!("  - {{ name: {name},");
    let line = yaml.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name} in {yaml}"));
    line[start.len()..].split(" }").next().unwrap().trim().to_owned()
}

/// Checks the lines of a schema, and a column's options.
fn has(yaml: &str, lines: &[&str]) {
    for line in lines {
        assert!(yaml.lines().any(|other| other.trim() == *line), "no `{line}` in {yaml}");
    }
}

#[test]
fn a_plain_table_needs_no_options() {
    let yaml = schema("id,name,total,paid_on\n1,Ann,9.50,2026-01-02\n2,Bob,10.00,2026-01-03\n");
    has(&yaml, &["table: export", "primary_key: [id]", "compression: none"]);
    assert_eq!(column(&yaml, "id"), "type: int");
    assert_eq!(column(&yaml, "total"), "type: \"decimal(9,2)\"");
    assert_eq!(column(&yaml, "paid_on"), "type: date");
    assert!(!yaml.contains("delimiter") && !yaml.contains("engine"), "{yaml}");
}

#[test]
fn types_hold_every_value_and_no_more() {
    let yaml = schema(
        "id;big;huge;price;exponent;rough;flag;code;when;at;tz;note\n\
         1;3000000000;99999999999999999999;1.5;1.5E-7;1e300;yes;007;31.12.2025;2026-01-02 03:04:05.6;2026-01-02T03:04:05Z;a\n\
         2;1;1;12.25;0E-18;2.5;no;123;01.01.2026;2026-01-02 03:04:05;2026-01-02T03:04:05+01:00;bcd\n",
    );
    for (name, expected) in [
        ("big", "type: bigint"),
        ("huge", "type: \"decimal(38,0)\""),
        ("price", "type: \"decimal(9,2)\""),
        ("exponent", "type: \"decimal(18,18)\""),
        ("rough", "type: double"),
        ("flag", "type: boolean, true_values: [\"yes\"], false_values: [\"no\"]"),
        ("code", "type: char(3)"),
        ("when", "type: date, format: \"%d.%m.%Y\""),
        ("at", "type: timestamp"),
        ("tz", "type: timestamptz"),
        ("note", "type: string"),
    ] {
        assert_eq!(column(&yaml, name), expected, "{yaml}");
    }
    has(&yaml, &["delimiter: \";\""]);
}

#[test]
fn numbers_with_a_currency_stay_text_with_the_options_that_read_them() {
    let yaml = schema("id;price;share;fee;code\n1;12,50 €;5 %;EUR 1.00;ABC1\n2;-1.000,00 €;-12 %;EUR 12.25;ABC22\n");
    for (column, options) in [
        ("price", "type: \"decimal(9,2)\", decimal_mark: \",\", group_mark: \".\", strip: [\"€\"]"),
        ("share", "type: int, strip: [\"%\"]"),
        ("fee", "type: \"decimal(9,2)\", strip: [\"EUR\"]"),
    ] {
        assert_eq!(self::column(&yaml, column), "type: string");
        let text = yaml.split_whitespace().collect::<Vec<_>>().join(" ").replace("# ", "");
        assert!(text.contains(options), "no {options} in {yaml}");
        let changed = yaml.replace(&format!("name: {column}, type: string"), &format!("name: {column}, {options}"));
        let changed = format!("{changed}engine: {{ athena: false }}\n");
        assert!(generator::parse(&changed).is_ok(), "{changed}");
    }
    assert!(!yaml.contains("`ABC`"), "{yaml}");
}

#[test]
fn days_and_months_that_could_be_swapped_are_a_choice() {
    let ambiguous = schema("id,on\n1,01/02/2026\n2,03/04/2026\n");
    assert!(ambiguous.contains("# choice: day and month could be the other way round: `%m/%d/%Y`"), "{ambiguous}");
    let clear = schema("id,on\n1,01/02/2026\n2,03/14/2026\n");
    assert_eq!(column(&clear, "on"), "type: date, format: \"%m/%d/%Y\"");
    assert!(!clear.contains("other way round"), "{clear}");
}

#[test]
fn one_row_at_the_end_of_a_large_file_changes_the_type() {
    let rows: String = (0..100_000).map(|id| format!("{id},{}\n", id % 7)).collect();
    let yaml = schema(format!("id,value\n{rows}100000,x\n"));
    assert_eq!((column(&yaml, "id"), column(&yaml, "value")), ("type: int".into(), "type: string".into()));
    has(&yaml, &["primary_key: [id]"]);
    let yaml = schema(format!("id,value\n{rows}99999,4\n"));
    assert!(yaml.contains("# choice: no key was found"), "{yaml}");
}

#[test]
fn nulls_are_what_was_seen_and_marked_where_they_could_be_values() {
    let yaml = schema("id,count,note\n1,,a\n2,5,\n3,NULL,b\n");
    assert_eq!(column(&yaml, "count"), "type: int, nullable: true");
    assert_eq!(column(&yaml, "note"), "type: string, nullable: true");
    has(&yaml, &["nulls: [\"\", \"NULL\"]"]);
    let yaml = schema("id\tcount\tnote\n1\t\\N\ta\n2\t5\t\n3\t6\t\\N\n");
    has(&yaml, &["nulls: [\"\\\\N\"]"]);
    let yaml = schema("id,note\n1,\n2,\"\"\n3,b\n");
    has(&yaml, &["quoted_nulls: false", "engine: { athena: false }"]);
}

#[test]
fn columns_are_found_by_name_in_parts_that_order_them_differently() {
    let workspace = Workspace::new();
    workspace.write("orders/V1/a.csv.gz", &gzip(b"id,name\n1,a\n2,b\n"));
    workspace.write("orders/V1/b.csv.gz", &gzip(b"name,id\nc,3\n"));
    workspace.write("orders/V1/_SUCCESS", b"");
    workspace.write("orders/V1/.hidden", b"\0");
    let draft = draft(&workspace, &["orders/V1"]).unwrap();
    assert_eq!(draft.rows, 3);
    has(&draft.yaml, &["table: orders", "primary_key: [id]", "complete: { marker: \"_SUCCESS\" }"]);
}

#[test]
fn only_the_first_part_of_a_split_file_has_a_header() {
    let workspace = Workspace::new();
    for (name, text) in [("1", "id,name\n1,a\n2,b\n"), ("2", "3,c\n4,d\n")] {
        workspace.write(&format!("orders/part-{name}.csv"), text.as_bytes());
    }
    let yaml = draft(&workspace, &["orders"]).unwrap().yaml;
    has(&yaml, &["header: first_part", "complete: { count: 2 }", "primary_key: [id]"]);
}

#[test]
fn versions_with_other_columns_are_named_and_left_out() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", "id,name\n1,a\n1,b\n");
    workspace.export("acme/orders/V2", "id,name,city\n1,a,x\n2,b,y\n");
    workspace.export("globex/orders/V3", "id,name,city\n1,a,x\n3000000000,b,y\n");
    let draft = draft(&workspace, &["exports"]).unwrap();
    assert_eq!((draft.versions.len(), draft.other_versions), (2, vec!["V1".to_owned()]));
    assert_eq!(column(&draft.yaml, "id"), "type: bigint");
    assert!(draft.yaml.contains("# choice: these exports have other columns and are not described: V1"));
}

#[test]
fn the_order_of_rows_changes_nothing() {
    let mut rows: Vec<String> = (0..500)
        .map(|id| {
            let note = ["", "NULL", "\"a, b\"", "x"][id % 4];
            format!("{id};{:03};{}.{:02};0{}/{:02}/2026;{note}", id % 20, id, id % 100, id % 9 + 1, id % 12 + 1)
        })
        .collect();
    let write = |rows: &[String]| schema(format!("id;code;amount;day;note\n{}\n", rows.join("\n")));
    let expected = write(&rows);
    for turn in 1..6 {
        rows.sort_by_key(|row| xxhash_rust::xxh3::xxh3_64_with_seed(row.as_bytes(), turn));
        assert_eq!(write(&rows), expected);
    }
}

#[test]
fn what_is_said_of_columns_contains_no_value() {
    let yaml = schema("id,secret\n1,hunter2\n2,swordfish\n");
    assert!(!yaml.contains("hunter2") && !yaml.contains("swordfish"), "{yaml}");
}

#[test]
fn files_that_no_schema_can_describe_are_refused_with_the_reason() {
    let rows = "id,name,city\n1,a,x\n2,b,y\n3,c,z\n";
    for (name, bytes, expected) in [
        ("a.csv", gzip(b"id\n1\n"), "a.csv: its name does not fit its content, which is gzip: rename it"),
        ("a.csv.gz", b"id,n\n1,2\n".to_vec(), "a.csv.gz: its name does not fit its content, which is not compressed"),
        ("a.csv", b"PK\x03\x04rest".to_vec(), "a.csv: it is a zip archive, or an Excel workbook"),
        ("a.csv", format!("{rows}4,d\n").into_bytes(), "a.csv:5: 2 fields where the rows before it have 3"),
        ("a.csv", rows.replace("2,b", "2").into_bytes(), "a.csv:3: 2 fields where the rows before it have 3"),
        ("a.csv", b"id,n\n1,a\0\n".to_vec(), "there are NUL bytes in the text"),
        ("a.csv", b"\xEF\xBB\xBFid,n\n1,caf\xE9\n".to_vec(), "a.csv:2: it has a byte that is not a character in utf-8"),
        ("a.csv", b"id,n\n1,\x81\n".to_vec(), "a.csv:2: it has a byte that is not a character in windows-1252"),
        ("a.csv", b"".to_vec(), "there is no row in it"),
        ("a.csv", b"~#\n~#\n".to_vec(), "there is no row in it"),
        ("a.csv", b";;\n;;\n".to_vec(), "there is no row in it"),
        ("a.csv", b"id,n,n\n1,2,3\n4,5,6\n".to_vec(), "a.csv: its header has the same name twice"),
    ] {
        let error = refusal(name, bytes);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn the_command_writes_a_file_that_other_commands_read() {
    let workspace = Workspace::new();
    workspace.export("acme/invoices/V1", "no,total\n1,9.50\n2,1\n");
    workspace.export("acme/invoices/V2", "no,total\n1,9.75\n3,2\n");
    let infer = ["infer", "exports", "-o", "mine/invoices.yaml"];
    let output = workspace.tidemark(&infer);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert_eq!(output.stdout, "mine/invoices.yaml: 4 rows read, 0 choices to review\n");
    let again = workspace.tidemark(&infer);
    assert_eq!(again.status, 1);
    assert!(again.stderr.contains("the file exists, and nothing was written"), "{}", again.stderr);
    assert_eq!(workspace.tidemark(&[&infer[..], &["--force"]].concat()).status, 0);

    let run = workspace.tidemark(&["--schemas", "mine", "run", "exports"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(workspace.statuses("acme/invoices")["V2"], "SUCCEEDED");
    let left: Vec<_> =
        std::fs::read_dir(workspace.path("mine")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["invoices.yaml"]);
}

#[test]
fn the_name_of_the_schemas_file_is_that_of_the_table() {
    let workspace = Workspace::new();
    workspace.write("dump of June.csv", b"no,total\n1,9.50\n2,1\n");
    workspace.export("acme/orders/V1", "no\n1\n2\n");
    for (path, file, table, is_a_choice) in [
        ("dump of June.csv", "mine/invoices.yaml", "invoices", false),
        ("exports/acme/orders/V1", "mine/bills.yaml", "bills", false),
        ("dump of June.csv", "other/Not a name.yaml", "dump_of_june", true),
        // Here the folders say it.
        ("exports", "other/invoices.yaml", "orders", false),
    ] {
        let output = workspace.tidemark(&["infer", path, "-o", file]);
        assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{file}");
        let yaml = std::fs::read_to_string(workspace.path(file)).unwrap();
        assert!(yaml.contains(&format!("\ntable: {table}\n")), "{file}: {yaml}");
        assert_eq!(yaml.contains("choice: the name of the table"), is_a_choice, "{file}: {yaml}");
    }
    let delta = workspace.tidemark(&["--schemas", "mine", "delta", "invoices", "none", "dump of June.csv"]);
    assert_eq!(delta.status, 0, "{}", delta.stderr);
}

#[test]
fn the_command_prints_the_schema_or_the_facts() {
    let workspace = Workspace::new();
    workspace.write("orders.csv", b"id,name\n1,a\n2,b\n");
    let text = workspace.tidemark(&["infer", "orders.csv"]);
    insta::assert_snapshot!("infer", text.transcript());
    let json = workspace.tidemark(&["infer", "orders.csv", "--format", "json"]);
    let facts: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        [&facts["rows"], &facts["primary_key"][0], &facts["columns"][0]["type"]],
        [&serde_json::json!(2), &"id".into(), &"int".into()]
    );
    assert_eq!(facts["yaml"], text.stdout);
}

#[test]
fn a_wrong_command_line_is_explained() {
    let workspace = Workspace::new();
    workspace.export("acme/orders/V1", "id\n1\n");
    workspace.export("acme/items/V1", "id\n1\n");
    for (arguments, expected) in [
        (&["infer", "nowhere"][..], "no such file or folder"),
        (&["infer", "exports"], "choose one with --table: items, orders"),
        (&["infer", "exports", "--table", "order"], "it has no exports of this tenant and table"),
        (&["infer", "exports", "--table", "Or ders"], "cannot be the name of a table"),
        (&["infer", "exports/acme"], "it is the folder of one tenant"),
        (&["infer", "exports/acme/orders", "--tenant", "acme"], "--tenant chooses from folders"),
        (&["infer", "exports/acme/orders", "--key", "ix"], "--key names `ix`, which is not a column"),
        (&["infer", "exports/acme/orders", "--force"], "--output"),
    ] {
        let output = workspace.tidemark(arguments);
        assert_eq!(output.status, 2, "{arguments:?} {}", output.stdout);
        assert!(output.stderr.contains(expected), "{arguments:?}: {}", output.stderr);
    }
}
