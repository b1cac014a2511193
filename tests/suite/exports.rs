//! Exports as source systems write them, under a schema that does not say so: the refusal names the option.

use crate::workspace::Workspace;

/// Compares nothing with an export of one row after its header, and returns what is printed.
fn refusal(primary_key: &str, columns: &[&str], source: &str, export: &str) -> String {
    let workspace = Workspace::from_schemas();
    let columns: String = columns.iter().map(|column| format!("  - {{ {column} }}\n")).collect();
    let schema = format!(
        "table: t\nprimary_key: {primary_key}\ncolumns:\n{columns}source: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
    );
    workspace.write("schemas/t.yaml", schema.as_bytes());
    workspace.write("t.csv", export.as_bytes());
    let output = workspace.tidemark(&["delta", "t", "none", "t.csv"]);
    assert_eq!(output.status, 1, "{export}: {}", output.transcript());
    output.stderr
}

const ID: &str = "name: id, type: int";

/// A column of one type, a text that it does not read, and what the refusal says.
const VALUES: &[(&str, &str, &str)] = &[
    (
        "type: binary",
        r"\xabbaff",
        r#"`\xabbaff` is not a binary in base64; declare `encoding: hex` and `prefix: "\\x"`"#,
    ),
    ("type: binary", "0xABBAFFAA", "declare `encoding: hex` and `prefix: 0x`"),
    ("type: 'decimal(9,2)'", "\"1.234,56\"", "`decimal_mark: \",\"` and `group_mark: \".\"` if it is a"),
    ("type: 'decimal(9,2)'", "\"1,50\"", "declare `decimal_mark: \",\"` if it is a number"),
    ("type: 'decimal(9,2)'", "\"1,234\"", "declare `decimal_mark: \",\"`, or `group_mark: \",\"`, if it is a number"),
    ("type: 'decimal(9,2)'", "5 %", "declare `strip: [\"%\"]` if it is a number"),
    ("type: 'decimal(9,2)'", "€ -5.00", "declare `strip: [\"€\"]`"),
    ("type: 'decimal(9,2)'", "($5.00)", "declare `sign: parentheses` and `strip: [\"$\"]`"),
    ("type: 'decimal(9,2)'", "1'234.50", "declare `group_mark: \"'\"`"),
    ("type: 'decimal(9,2)', group_mark: \"'\"", "1’234.50", "declare `group_mark: \"’\"`"),
    ("type: 'decimal(9,2)', decimal_mark: ',', group_mark: \"\\u202f\"", "1\u{a0}234", "`group_mark: \"\\u00a0\"`"),
    ("type: 'decimal(9,2)', sign: parentheses", "-5", "declare `sign: leading`"),
    ("type: int", "1.234", "declare `group_mark: \".\"`"),
    ("type: int", " 5", "` 5` is not an int; declare `trim: true`"),
    ("type: date", "2024-01-31 ", "declare `trim: true`"),
    ("type: char(2)", "DE  ", "declare `trim: true`"),
    ("type: boolean", "true ", "declare `trim: true`"),
    ("type: 'decimal(9,2)'", "5.00-", "declare `sign: trailing`"),
    ("type: int", "5-", "declare `sign: trailing`"),
    ("type: double", "(5)", "declare `sign: parentheses`"),
    ("type: bigint", "NA", "make the column nullable and add it to the column's `nulls` if it means NULL"),
    ("type: bigint, nullable: true", "NA", "`NA` is not a bigint; add it to the column's `nulls` if it means NULL"),
    ("type: boolean", "X", "declare `true_values` and `false_values`"),
    ("type: timestamp", "1650000123", "declare `format: epoch_seconds`"),
    ("type: timestamptz", "1650000123000", "declare `format: epoch_millis`"),
    ("type: timestamp", "1650000123000000", "declare `format: epoch_micros`"),
    ("type: date, nullable: true", "0000-00-00", "`0000-00-00` is not a date; add it to the column's `nulls`"),
    ("type: date, format: '%Y%m%d'", "00000000", "make the column nullable and add it to the column's `nulls`"),
    ("type: date, nullable: true", "2021-09-00", "`2021-09-00` is not a date; add it to the column's `nulls`"),
    ("type: date, nullable: true", "infinity", "add it to the column's `nulls`"),
    ("type: date, nullable: true", "20245-03-02", "add it to the column's `nulls`"),
    ("type: timestamptz, nullable: true", "12024-05-06 07:08:09+00", "add it to the column's `nulls`"),
    ("type: date, nullable: true", "0044-03-15 BC", "add it to the column's `nulls`"),
    ("type: date", "31.12.2025", "`31.12.2025` is not a date; declare a `format` such as `%d.%m.%Y`"),
    ("type: timestamp", "2025-12-31 23:59", "declare a `format` such as `%Y-%m-%d %H:%M`"),
    ("type: timestamp", "at noon on day 3", "declare the column's `format`"),
    ("type: date", "1/2/2024", "declare a `format` such as `%-d/%-m/%Y` or `%-m/%-d/%Y`"),
    ("type: date", "2020-1-1", "declare a `format` such as `%Y-%-m-%-d`"),
    ("type: date, format: '%d-%b-%y'", "7-JUN-03", "declare a `format` such as `%-d-%b-%y`"),
    ("type: timestamp", "01/31/2024 01:05 PM", "declare a `format` such as `%m/%d/%Y %-I:%M %p`"),
    ("type: timestamptz", "2024-01-31 10:00:00 UTC", "declare a `format` such as `%Y-%m-%d %H:%M:%S%.f %Z`"),
    ("type: timestamptz, format: '%Y-%m-%d %H:%M:%S %Z'", "2024-03-31 02:30:00 Europe/Berlin", "its clocks skip"),
    ("type: timestamptz, format: epoch_millis", "1650000123000000", "declare `format: epoch_micros`"),
    ("type: char(2), nulls: [NA]", "NA", "NULL in a column that is not nullable: `NA`; declare `nulls` in this column"),
];

#[test]
fn a_value_that_an_option_would_read_is_refused_with_the_option() {
    for (column, text, expected) in VALUES {
        let stderr = refusal("[id]", &[ID, &format!("name: v, {column}")], "", &format!("id,v\n1,{text}\n"));
        assert!(stderr.contains(expected), "{text}: {stderr}");
    }
}

#[test]
fn nothing_is_advised_where_no_option_helps() {
    for (column, text) in [
        ("type: timestamp", "2024-01-01 24:00:00"),
        ("type: timestamp", "2024-01-01 23:59:60"),
        ("type: timestamp", "2024-01-01 00:00:00.1234567"),
        ("type: timestamp, format: '%m/%d/%Y %I:%M %p'", "01/02/2024 13:00 PM"),
        ("type: int", "3000000000"),
        ("type: 'decimal(4,2)'", "1.234"),
        ("type: 'decimal(4,2)', group_mark: ','", "\"1,23,456\""),
        ("type: date, format: '%d/%m/%Y'", "31/02/2024"),
    ] {
        let stderr = refusal("[id]", &[ID, &format!("name: v, {column}")], "", &format!("id,v\n1,{text}\n"));
        assert!(stderr.contains(" is not a") && !stderr.contains("declare"), "{text}: {stderr}");
    }
}

#[test]
fn an_empty_part_of_a_key_is_refused_with_the_option() {
    let columns = ["name: campaign, type: string", "name: device, type: string"];
    let stderr = refusal("[campaign, device]", &columns, "", "campaign,device\nspring,\n");
    assert!(stderr.contains("the key is NULL; declare `nulls: []` in this column if the empty text is"), "{stderr}");
}

#[test]
fn no_advice_says_anything_about_a_masked_value() {
    for option in ["pii: true", "publish: false"] {
        let stderr = refusal("[id]", &[ID, &format!("name: v, type: timestamp, {option}")], "", "id,v\n1,1650000123\n");
        assert!(stderr.contains("a masked value is not a timestamp\n"), "{stderr}");
    }
}

#[test]
fn a_column_that_the_schema_does_not_name_is_refused_with_the_line_to_add() {
    let stderr = refusal("[id]", &[ID], "", "id,city\n1,Bonn\n");
    assert!(stderr.contains("the header names an unknown column `city`"), "{stderr}");
    assert!(
        stderr.contains("`- { name: city, type: string, nullable: true }`; or declare `unlisted: ignore`"),
        "{stderr}"
    );
    for name in ["", "größe", "1st", "_id"] {
        let stderr = refusal("[id]", &[ID], "", &format!("id,{name}\n1,x\n"));
        assert!(stderr.contains("declare `unlisted: ignore` under `source`"), "{stderr}");
        assert!(!stderr.contains("add it to"), "{stderr}");
    }
}

#[test]
fn a_later_part_without_a_header_is_refused_with_the_option() {
    let workspace = Workspace::from_schemas();
    let schema = format!(
        "table: t\nprimary_key: [id]\ncolumns:\n  - {{ {ID} }}\n  - {{ name: name, type: string }}\n\
         source: {{ compression: none, complete: {{ count: 2 }} }}\nengine: {{ athena: false }}\n"
    );
    workspace.write("schemas/t.yaml", schema.as_bytes());
    workspace.write("export/1.csv", b"id,name\n1,Ann\n");
    workspace.write("export/2.csv", b"2,Bob\n");
    let output = workspace.tidemark(&["delta", "t", "none", "export"]);
    assert_eq!(output.status, 1, "{}", output.transcript());
    assert!(output.stderr.contains("export/2.csv:1: the first line names none of the columns"), "{}", output.stderr);
    assert!(output.stderr.contains("declare `header: first_part` under `source`"), "{}", output.stderr);
}

#[test]
fn repeated_rows_are_refused_or_counted_once_with_a_note() {
    let columns = ["name: person, type: string", "name: amount, type: int"];
    let export = "person,amount\nana,12\nleo,31\nleo,31\n";
    let stderr = refusal("[person, amount]", &columns, "duplicates: refuse", export);
    for expected in ["t.csv:3", "t.csv:4", "key (leo, 31) appears again with the same row", "2 places"] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}

#[test]
fn what_a_baseline_was_allowed_is_not_refused_later() {
    let workspace = Workspace::from_schemas();
    let schema = |source: &str| {
        format!(
            "table: t\nprimary_key: [id]\ncolumns:\n  - {{ {ID} }}\nsource: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
        )
    };
    for (version, source, export) in [
        ("V1", "unlisted: ignore", "x,id\na,1\nb,1\nc,2\n"),
        ("V2", "duplicates: refuse", "id\n1\n3\n"),
        ("V3", "duplicates: refuse", "id\n3\n"),
    ] {
        workspace.write("schemas/t.yaml", schema(source).as_bytes());
        workspace.write(&format!("exports/acme/t/{version}/t.csv"), export.as_bytes());
        let output = workspace.run();
        assert_eq!(output.status, 0, "{version}: {}", output.transcript());
        assert_eq!(
            output.stdout.contains("1 repeated row counted once, how many is not compared"),
            version == "V1",
            "{}",
            output.stdout
        );
    }
    let sent = workspace.published("acme/t/V2").len() - 2;
    assert_eq!((sent, workspace.tidemark(&["verify"]).status), (2, 0));
}
