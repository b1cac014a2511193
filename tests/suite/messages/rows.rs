//! Messages about rows and headers show what is in the file, and propose nothing that is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use runtime::table::Table;

use crate::engines::{DeltaInput, DeltaResult, native_delta};
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
        (HEADER.replace(',', ";"), "declare `delimiter: \";\"` under `source`", "add it"),
        (HEADER.replace(',', "[|]"), "declare `delimiter: \"[|]\"` under `source`", "add it"),
        (HEADER.replace(',', "¢"), "declare `delimiter: \"¢\"` under `source`", "add it"),
        (format!("\"{}\"", HEADER.replace(',', "\";\"")), "declare `delimiter: \";\"` under `source`", "add it"),
        (format!("{HEADER},"), "declare `trailing_delimiter: true` under `source`", "add it"),
        ("Orders of March".into(), "declare `skip_first` if this line is a title", "add it"),
        (format!("{HEADER},gift"), "add it to the schema", "rename"),
        (with("amount", "ammount"), "the schema has `amount`; rename one of them", "add it"),
    ] {
        let problem = problem(&header, "eu,1,,open,1,,2026-01-01 00:00:00,a");
        let help = problem.lines().find(|line| line.starts_with("help: ")).unwrap();
        assert!(help.contains(expected) && !help.contains(refused), "{header}: {problem}");
    }
}

#[test]
fn the_line_of_a_bad_row_is_right_whatever_ends_a_record() {
    for (source, text, line) in [
        (r#"record_end: "\n\n""#, "id,v,day,is_on\n\n1,a,,\n\nx,b,,\n\n", 5),
        (r##"record_end: "\n#\n""##, "id,v,day,is_on\n#\n1,a,,\n#\nx,b,,\n#\n", 5),
        (r##"record_end: "|#|\n""##, "id,v,day,is_on|#|\n1,a\nb,,|#|\nx,b,,|#|\n", 4),
        (r#"record_end: "\r""#, "id,v,day,is_on\r1,a,,\rx,b,,\r", 3),
        ("escape: mysql", "id,v,day,is_on\n1,a\\\nb,\\N,\\N\nx,b,\\N,\\N\n", 4),
        ("multiline: true", "id,v,day,is_on\n1,\"a\nb\",,\nx,b,,\n", 4),
        (r#"multiline: true, escape: "\\""#, "id,v,day,is_on\n1,\"a\nb\",,\nx,b,,\n", 4),
    ] {
        let snapshot = vec![("part.csv".to_owned(), text.as_bytes().to_vec())];
        let input = DeltaInput { table: table(source), baseline: None, snapshot };
        let DeltaResult::Rejected { shown, .. } = native_delta(&input) else { panic!("{source}: nothing is rejected") };
        assert_eq!(shown.iter().map(|reject| reject.line).collect::<Vec<_>>(), [line], "{source}");
    }
}

/// A table with these columns and this source.
fn table(source: &str) -> &'static Table {
    let schema = format!(
        "table: t\nprimary_key: [id]\ncolumns:\n  - {{ name: id, type: int }}\n  - {{ name: v, type: string }}\n  \
         - {{ name: day, type: date, nullable: true }}\n  - {{ name: is_on, type: boolean, nullable: true }}\n\
         source: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
    );
    tests::table::parse(&schema).unwrap()
}

/// What a run says about a part of that table.
fn problem_of(source: &str, text: &str) -> String {
    problem_of_bytes(source, text.as_bytes())
}

fn problem_of_bytes(source: &str, text: &[u8]) -> String {
    crate::engines::native_problem(table(source), text)
}

#[test]
fn every_refusal_names_the_option_that_reads_the_file() {
    let row = "1,a,2026-01-01,true";
    for (source, text, option) in [
        ("header: false", "1;a;2026-01-01;true\n", "declare `delimiter: \";\"`"),
        ("header: false", "1,a,2026-01-01,true,\n", "declare `trailing_delimiter: true`"),
        ("header: false", ",1,a,2026-01-01,true\n", "a first column for the empty field"),
        (
            "header: false",
            ",1,a,2026-01-01,true,\n",
            "`trailing_delimiter: true` and a first column for the empty field",
        ),
        ("header: false", "1,\"a \\\"b\\\"\",2026-01-01,true\n", "declare `escape: "),
        ("header: false", "1,9\" wide,2026-01-01,true\n", "declare `quote: none`"),
        ("header: false, quote: none", "1,\"a,b\",2026-01-01,true\n", "declare `quote: "),
        ("header: false", "1,\"a\nb\",2026-01-01,true\n", "declare `multiline: true`"),
        ("header: false", "1,a,2026-01-01,true\r2,b,2026-01-01,true\r", "declare `record_end: "),
        ("header: false", "1,a,31.01.2026,true\n", "`%d.%m.%Y`"),
        ("header: false", "1,a,31/01/2026,true\n", "`%d/%m/%Y`"),
        ("header: false", "1,a,01/31/2026,true\n", "`%m/%d/%Y`"),
        ("header: false", "1,a,NULL,true\n", "add it to the column's `nulls`"),
        ("header: false", "1,a,2026-01-01,Y\n", "`true_values`"),
        ("header: false", &format!("{row}\n*** end ***\n"), "`trailer`"),
        ("header: false, final_newline: required", row, "final_newline"),
    ] {
        let problem = problem_of(source, text);
        assert!(problem.contains(option), "{text}: {problem}");
    }
}

#[test]
fn a_byte_that_is_not_a_character_is_shown_as_it_is_in_the_file() {
    for (encoding, text, shown) in [
        ("utf-8", &b"1,Caf\xE9,,\n"[..], "`Caf\\xe9` is not UTF-8"),
        ("windows-1252", b"1,Caf\xE9 \x81,,\n", "`Café \\x81` has a byte that is not a character"),
        ("windows-1253", b"1,\xD2\xE1,,\n", "`\\xd2α` has a byte that is not a character"),
        ("shift_jis", b"1,\x83\x5C\xA0,,\n", "`ソ\\xa0` has a byte that is not a character"),
    ] {
        let problem = problem_of_bytes(&format!("header: false, encoding: {encoding}"), text);
        assert!(problem.contains(shown), "{shown}: {problem}");
    }
}

#[test]
fn exports_of_every_writer_are_refused_with_the_option_that_reads_them() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let rows: [(&[&str], &str, Vec<u8>, &str); 11] = [
        (&["id", "short", "name"], "delimiter: \"|\", header: false", b"BEGIN 2\na|b|c\nEND 2\n".to_vec(), "`trailer`"),
        (&["day", "txn", "cash"], "", b"day,txn,cash\na,b,c\n*** end of data ***\n".to_vec(), "`trailer`"),
        (&["country", "upc"], "delimiter: \"\\t\"", b"Report of March\ncountry\tupc\n".to_vec(), "`skip_first`"),
        (&["id", "name"], "delimiter: \";\"", b"sep=;\nid;name\n".to_vec(), "`skip_first: 1`"),
        (&["id", "name"], "", b"id;name\n1;a\n".to_vec(), "`delimiter: \";\"`"),
        (&["first", "last", "town"], "", b"first[|]last[|]town\n".to_vec(), "`delimiter: \"[|]\"`"),
        (&["first", "last", "town"], "", "first¢last¢town\n".into(), "`delimiter: \"¢\"`"),
        (&["id", "name"], "", b"\"Sample No\",name\n".to_vec(), "`header: \"Sample No\"`"),
        (&["id", "name"], "", utf16("\u{FEFF}id,name\r\n1,Dvořák\r\n"), "`encoding: utf-16le`"),
        (&["id", "name"], "", utf16("id,name\r\n1,Dvořák\r\n"), "`encoding: utf-16le`"),
        (&["id", "name"], "", b"id,name\n1,Caf\xE9 cr\xE8me\n".to_vec(), "`source.encoding`"),
    ];
    for (columns, source, text, option) in rows {
        let columns: String = columns.iter().map(|name| format!("  - {{ name: {name}, type: string }}\n")).collect();
        let key = columns.split([':', ',']).nth(1).unwrap().trim().to_owned();
        let schema = format!(
            "table: t\nprimary_key: [{key}]\ncolumns:\n{columns}source: {{ compression: none, {source} }}\nengine: {{ athena: false }}\n"
        );
        let problem = crate::engines::native_problem(tests::table::parse(&schema).unwrap(), &text);
        assert!(problem.contains(option), "{option}: {problem}");
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
