//! Exports as source systems write them: what is described, and what is a marked choice.

use super::{column, has, refusal, schema};

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn small_decimals_with_exponents_are_exact() {
    let yaml = schema(
        "product_id|category|units|net\n101|SKIN CARE|12.000000000000000000|104.250000000000000000\n102|HAIR CARE|0E-18|0E-18\n103|SOAP|3.000000000000000000|1.5E-7\n",
    );
    assert_eq!(column(&yaml, "net"), "type: \"decimal(38,18)\"");
    has(&yaml, &["delimiter: \"|\"", "primary_key: [product_id]"]);
}

#[test]
fn utf16_is_recognised_with_and_without_a_byte_order_mark() {
    let text = "id,name,since\r\n12,Jana Dvořák,2019-10-04\r\n13,Noël Müller,2019-10-16\r\n";
    for bom in ["", "\u{FEFF}"] {
        let yaml = schema(utf16(&format!("{bom}{text}")));
        has(&yaml, &["encoding: utf-16le", "engine: { athena: false }", "primary_key: [id]"]);
        assert_eq!(column(&yaml, "since"), "type: date");
    }
}

#[test]
fn a_code_page_is_a_choice() {
    let yaml = schema(b"id;classe;prix\n1;Caf\xE9 cr\xE8me;3\n2;Th\xE9 glac\xE9;4\n");
    has(&yaml, &["encoding: windows-1252", "delimiter: \";\""]);
    assert!(yaml.contains("# choice: the text is not UTF-8"), "{yaml}");
    let error = refusal("t.csv", b"id,name\n1,Caf\x8E\n2,H\x81\n");
    assert!(error.contains("write a schema with that `encoding`"), "{error}");
}

#[test]
fn numbers_of_a_sap_list_are_numbers() {
    let yaml = schema(
        "belnr;buzei;dmbtr;budat;augdt\n0100000017;1;1.234,56;20240131;20240215\n0100000017;2;1.234,56-;20240131;00000000\n0100000018;1;0,05;20240201;00000000\n",
    );
    let number = "type: \"decimal(9,2)\", decimal_mark: \",\", group_mark: \".\", sign: trailing";
    assert_eq!(column(&yaml, "dmbtr"), number);
    assert_eq!(column(&yaml, "belnr"), "type: char(10)");
    assert_eq!(column(&yaml, "budat"), "type: date, format: \"%Y%m%d\"");
    assert_eq!(column(&yaml, "augdt"), "type: date, format: \"%Y%m%d\", nullable: true, nulls: [\"\", \"00000000\"]");
    has(&yaml, &["primary_key: [belnr, buzei]", "engine: { athena: false }"]);
}

#[test]
fn names_that_no_column_can_have_are_headers() {
    let yaml = schema("_id,Account.Name,Größe,größe,3rd\n1,cold start,one,x,1\n2,warm start,two,y,1\n");
    assert_eq!(column(&yaml, "id"), "header: \"_id\", type: int");
    assert_eq!(column(&yaml, "account_name"), "header: \"Account.Name\", type: string");
    assert_eq!(column(&yaml, "groesse"), "header: \"Größe\", type: string");
    assert_eq!(column(&yaml, "groesse_2"), "header: \"größe\", type: string");
    assert_eq!(column(&yaml, "column_3rd"), "header: \"3rd\", type: int");
    let yaml = schema("\"Sample No\",\"Sample Text\"\n1,cold\n2,warm\n");
    assert_eq!(column(&yaml, "sample_no"), "header: \"Sample No\", type: int");
}

#[test]
fn a_number_in_the_first_row_is_a_value_whatever_its_width() {
    for number in ["0.001000", " 0000.001000", "1234567890123"] {
        let yaml = schema(format!("a|{number}\nb|0.007\nc|0.100\n"));
        has(&yaml, &["header: false"]);
    }
}

#[test]
fn a_word_can_be_null_in_one_column_and_a_text_in_another() {
    let yaml = schema("name,iso2,area\nNamibia,NA,825615\nAtlantis,AT,NA\n");
    assert_eq!(column(&yaml, "area"), "type: int, nullable: true, nulls: [\"\", \"NA\"]");
    assert_eq!(column(&yaml, "iso2"), "type: char(2)");
    assert!(yaml.contains("# choice: `NA` is a text here; with `nulls` it could be NULL"), "{yaml}");
}

#[test]
fn dates_that_mean_no_date_are_null() {
    let yaml = schema(
        "id,born,dt\n1,1980-02-03,2003-04-05 06:07:08\n2,0000-00-00,0000-00-00 00:00:00\n3,\\N,2009-10-11 12:13:14\n",
    );
    assert_eq!(column(&yaml, "born"), "type: date, nullable: true, nulls: [\"0000-00-00\", \"\\\\N\"]");
    let yaml = schema("id,born\n1,1980-02-03\n2,2021-09-00\n");
    assert_eq!(column(&yaml, "born"), "type: char(10)");
}

#[test]
fn lines_around_the_rows_are_skipped_or_counted() {
    let yaml = schema(
        "Version\tFrom\tTo\tPartner\n3\t2024-02-01\t2024-02-29\tNorth\ncountry\tproduct\tupc\nDE\tA\t400000000017\nFR\tA\t030000000021\n",
    );
    has(&yaml, &["skip_first: 2", "delimiter: \"\\t\"", "primary_key: [country]"]);
    let yaml = schema("sep=;\nid;name\n1;one\n");
    has(&yaml, &["skip_first: 1", "delimiter: \";\""]);
    let yaml = schema(
        "day,txn,descr,cash\n02/05/2024,50001,deposit,120.00\n02/06/2024,50002,buy,-45.50\n*** end of data ***\n",
    );
    has(&yaml, &["trailer: \"^\\\\*\\\\*\\\\* end of data \\\\*\\\\*\\\\*$\"", "primary_key: [txn]"]);
    let yaml = schema(
        "BEGIN EXTRACT 20230601 0000002\nNLABCDE12345|1AB2C|ONE LTD|!end\nZTABCDE12345||TWO INC|!end\nEND EXTRACT 20230601 0000002\n",
    );
    has(&yaml, &["trailer: \"^END EXTRACT [0-9]+ ([0-9]+)$\"", "skip_first: 1"]);
    let yaml = schema("code,text\nA1,first\nA2,second\nTRAILER,2\n");
    has(&yaml, &["trailer: \"^TRAILER,([0-9]+)$\"", "primary_key: [code]"]);
    let yaml = schema("id,name\n# a comment\n1,a\n2,b\n");
    has(&yaml, &["comment: \"#\"", "primary_key: [id]"]);
}

#[test]
fn a_line_of_dashes_below_the_header_is_a_comment() {
    for text in
        ["id,name\n--,----\n1,Ann\n2,Bob\n", "id,name\r\n--,----\r\n1,Ann\r\n2,Bob\r\n\r\n(2 rows affected)\r\n"]
    {
        let yaml = schema(text);
        has(&yaml, &["comment: \"--\""]);
        assert_eq!(column(&yaml, "id"), "type: int");
        assert!(yaml.contains("# choice: lines that begin like this are not rows"), "{yaml}");
    }
    let report = "id          name\n----------- ----------\n1           Ann\n2           Bob\n";
    assert!(refusal("t.csv", report).contains("it looks like a report, with columns of fixed width"));
    // Further down, dashes are texts.
    for text in ["id,name\nx,Ann\n--,--\n", "mark\nx\n--\n"] {
        assert!(!schema(text).contains("comment"), "{text}");
    }
}

#[test]
fn a_line_that_begins_like_a_control_record_is_a_choice() {
    let yaml = schema("HDR;20240101\nid;name\n1;a\n2;b\nTRL;2\n");
    assert!(yaml.contains("# choice: the first line begins like one above the rows"), "{yaml}");
    assert!(yaml.contains("# choice: the last line begins like one below the rows"), "{yaml}");
    let yaml = schema("id;name;amount\n1;a;1.5\n2;b;2.5\nTotal;;4.0\n");
    assert!(yaml.contains("# choice: the last line begins like one below the rows"), "{yaml}");
    assert!(!schema("id;name\n1;a\n2;end\n").contains("begins like"));
}

#[test]
fn blanks_around_texts_are_a_choice() {
    let padded = schema("1|ANN  |x\n2|BOB  |y\n3|     |z\n");
    assert!(
        padded.contains("# choice: blanks around a text are part of it; with `trim: true` they are not"),
        "{padded}"
    );
    assert!(!schema("1|ANN|x\n2|BOB|y\n").contains("blanks around"));
}

#[test]
fn what_is_not_a_table_is_refused() {
    for (text, expected) in [
        ("<!DOCTYPE html>\n<html><body>Please log in, again</body></html>\n", "it is an HTML page"),
        ("\u{FEFF}<?xml version=\"1.0\"?>\n<rows>\n<row/>\n</rows>\n", "it is an XML document"),
        ("{\"id\":1,\"n\":\"a\"}\n{\"id\":2,\"n\":\"b\"}\n", "it is JSON"),
        ("[\n  {\"id\": 1},\n  {\"id\": 2}\n]\n", "it is JSON"),
        ("{\n  \"rows\": [1, 2]\n}\n", "it is JSON"),
    ] {
        let error = refusal("t.csv", text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    has(&schema("[1],[a]\n[2],[b]\n"), &["header: false"]);
}

#[test]
fn dates_of_other_countries_and_programs_are_found() {
    for (texts, expected) in [
        (["31.12.1999", "1.1.2024"], "type: date, format: \"%-d.%-m.%Y\""),
        (["1/2/2024", "12/31/2024"], "type: date, format: \"%-m/%-d/%Y\""),
        (["2024-1-2", "2024-12-31"], "type: date, format: \"%Y-%-m-%-d\""),
        (["01-Jan-2024", "15-DEC-2023"], "type: date, format: \"%d-%b-%Y\""),
        (["17-JUN-03", "01-JAN-24"], "type: date, format: \"%d-%b-%y\""),
        (["31.12.99", "01.01.24"], "type: date, format: \"%d.%m.%y\""),
        (["1 May 2024", "15 December 2023"], "type: date, format: \"%-d %B %Y\""),
        (["1/2/2024 1:05 PM", "12/31/2024 12:00 AM"], "type: timestamp, format: \"%-m/%-d/%Y %-I:%M %p\""),
        (["2024-01-02 01:05:09 PM", "2024-12-31 12:00:00 AM"], "type: timestamp, format: \"%Y-%m-%d %-I:%M:%S %p\""),
        (
            ["2024-01-31 10:00:00 UTC", "2024-01-31 10:00:00.5 UTC"],
            "type: timestamptz, format: \"%Y-%m-%d %H:%M:%S%.f %Z\"",
        ),
        (
            ["2024-01-31 10:00:00 +0100", "2024-01-31 10:00:00 +0000"],
            "type: timestamptz, format: \"%Y-%m-%d %H:%M:%S%.f %z\"",
        ),
        (["2024-03-31 02:30:00 Europe/Berlin", "2024-03-31 01:30:00 Europe/Berlin"], "type: string"),
    ] {
        let [one, other] = texts;
        let yaml = schema(format!("id;at\n1;{one}\n2;{other}\n"));
        assert_eq!(column(&yaml, "at"), expected, "{yaml}");
        let is_short = expected.contains("%y");
        assert_eq!(yaml.contains("# choice: a year has two digits"), is_short, "{yaml}");
        assert!(!yaml.contains("so large a table"), "{yaml}");
    }
}

#[test]
fn a_row_that_was_cut_is_not_a_trailer() {
    for end in ["3,c", "3", "3,"] {
        let error = refusal("t.csv", format!("id,name,city\n1,a,x\n2,b,y\n{end}"));
        assert!(error.contains("t.csv:4: ") && error.contains("where the rows before it have 3"), "{error}");
    }
}

#[test]
fn milliseconds_since_1970_are_a_choice() {
    let yaml = schema("id,at\n1,1650000123000\n2,1650000123250\n");
    assert_eq!(column(&yaml, "at"), "type: bigint");
    assert!(yaml.contains("# choice: it may be a timestamp, with `format: epoch_millis`"), "{yaml}");
}

#[test]
fn what_is_not_a_type_is_text() {
    let yaml = schema("id,pg,until,flag\n1,\\xabbaff,2024-12-31,X\n2,\\xabba00,20245-03-02,\n");
    for name in ["pg", "until"] {
        assert!(column(&yaml, name).starts_with("type: "), "{yaml}");
        assert!(!column(&yaml, name).contains("binary") && !column(&yaml, name).contains("date"), "{yaml}");
    }
    assert_eq!(column(&yaml, "flag"), "type: string, nullable: true");
}

#[test]
fn quotes_and_line_breaks_in_fields_are_found() {
    has(&schema("id,name\n1,'a, b'\n2,'c'\n"), &["quote: \"'\""]);
    has(&schema("id,name\n1,\"a\nb\"\n2,c\n"), &["multiline: true", "engine: { athena: false }"]);
    has(&schema("id|name\n1|9\" wide\n2|c\n"), &["quote: none", "delimiter: \"|\""]);
}
