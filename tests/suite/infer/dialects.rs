//! What separates fields and records, and how characters are escaped.

use super::{column, has, refusal, schema};

#[test]
fn backslashes_are_escapes_where_their_writers_write_null() {
    let yaml = schema("1\tC:\\\\temp\tplain\n2\t\\N\tsay \\\\ twice\n");
    has(&yaml, &["header: false", "escape: mysql", "delimiter: \"\\t\""]);
    assert!(yaml.contains("# choice: `\\` is taken for an escape, as MySQL writes them"), "{yaml}");
    assert_eq!(column(&yaml, "column_2"), "type: string, nullable: true");
    assert!(!yaml.contains("nulls:"), "{yaml}");
    let yaml = schema("1\tfirst\\nsecond\n2\t\\N\n");
    has(&yaml, &["escape: postgres"]);
}

#[test]
fn escapes_are_found_where_nothing_else_explains_the_file() {
    for (text, expected) in [
        ("1\tD:\\\\x\tfirst line\\\nsecond line\n3\tx\ty\n", &["escape: \"\\\\\"", "quote: none"][..]),
        ("1\ta\\\tb\tfirst line\\\nsecond\n3\t\\N\ty\n", &["escape: mysql"]),
        ("1|one\\|two|x\n2|three|y\\\\\n", &["escape: \"\\\\\"", "quote: none", "delimiter: \"|\""]),
        ("id,title\n1,\"9\\\" wide\"\n2,\"path C:\\\\data, old\"\n", &["escape: \"\\\\\""]),
        ("1,\"9\\\" wide\",\\N\n2,\"x\",\\N\n", &["escape: \"\\\\\""]),
        ("id,title,size\n1,\"pipe, steel\",S\n2,\"path C:\\\\data, old\",M\n", &["escape: \"\\\\\""]),
        ("1|C:\\\\temp\n2|x\n", &["escape: \"\\\\\"", "quote: none"]),
        ("id,title\n1,'it\\'s, here'\n2,'x'\n", &["escape: \"\\\\\"", "quote: \"'\""]),
        ("id,title\n1,\"9\\\" wide\"\n2,\"two\nlines\"\n", &["escape: \"\\\\\"", "multiline: true"]),
        ("id,title\n1,one^,two\n2,three\n", &["escape: \"^\"", "quote: none"]),
    ] {
        let yaml = schema(text);
        has(&yaml, expected);
        assert!(yaml.contains("Athena cannot read escapes"), "{yaml}");
    }
}

#[test]
fn backslashes_that_need_not_be_escapes_are_a_choice() {
    for text in [
        "id;path\n1;C:\\temp\n2;D:\\new\n",
        "1\u{1}C:\\temp\n2\u{1}\\N\n",
        "id,path,note\n1,\"C:\\temp\",\\N\n2,\"D:\\x\",y\n",
        "host\n\\\\alpha\n\\\\beta\n",
        "id,host\n1,\\\\alpha\n2,\\\\beta\n",
    ] {
        let yaml = schema(text);
        assert!(yaml.contains("# choice: backslashes are read as they are"), "{yaml}");
        assert!(!yaml.contains("escape:"), "{yaml}");
    }
}

#[test]
fn delimiters_of_several_characters_are_found() {
    for (text, delimiter) in [
        ("first[|]last[|]town\nAnn[|]Lee[|]Bonn\n", "[|]"),
        ("a||b||c\n1||2||3\n||||x\n", "||"),
        ("1|~|2|~|x\n3|~|4|~|y|z\n", "|~|"),
        ("first¢last\nAnn¢Lee\n", "¢"),
        ("1::1193::5::978300760\n1::661::3::978302109\n", "::"),
        ("1<>a<>x\n2<>b<>\n", "<>"),
        ("1^|^a^|^x\n2^|^b^|^\n", "^|^"),
        ("1\u{1}\u{2}a\n2\u{1}\u{2}b\n", "\\u0001\\u0002"),
    ] {
        has(&schema(text), &[&format!("delimiter: \"{delimiter}\"")]);
    }
    for text in ["id|name\n1|a\n2|b\n", "1||a\n2||b\n3|x|c\n", "1||a|\n2||b|x\n"] {
        has(&schema(text), &["delimiter: \"|\""]);
    }
    let yaml = schema("[1],[a]\n[2],[b]\n");
    has(&yaml, &["header: false"]);
    assert!(yaml.contains("# choice: the marks beside the delimiter are taken for texts"), "{yaml}");
}

#[test]
fn ends_of_records_are_found() {
    for (text, expected) in [
        ("id,n\r1,2\r2,3\r", &["record_end: \"\\r\"", "primary_key: [id]"][..]),
        ("1|#|a|#|\n2|#|two\nlines|#|\n", &["record_end: \"|#|\\n\"", "delimiter: \"|#|\""]),
        ("1|a~#\n2|b~#\n", &["record_end: \"~#\\n\"", "delimiter: \"|\""]),
        ("1|a~#\r\n2|b\r\nc~#\r\n", &["record_end: \"~#\\r\\n\""]),
        ("1\ta\r\n2\tone\ntwo\r\n3\tc\r\n", &["record_end: \"\\r\\n\"", "delimiter: \"\\t\""]),
        ("1\u{1F}a\u{1E}2\u{1F}b\u{1E}", &["record_end: \"\\u001e\"", "delimiter: \"\\u001f\""]),
        ("1|a@#2|b@#3|c@#", &["record_end: \"@#\""]),
        ("1|~|two\nlines|~|x|#|\n2|~|b|~|y|#|\n", &["record_end: \"|#|\\n\"", "delimiter: \"|~|\""]),
    ] {
        has(&schema(text), expected);
    }
    for text in [
        "x~#\ny\nz~#\n",
        "id;a;b\n1;;\n2;;\n",
        "id|t\n1|x}]\n2|y}]\n",
        "a,b\r\n1,2\r\n",
        // Split at `%;` and at `;` with a tab, half of it would be as many fields.
        "1;a;-3%;\n2;\tb;0%;x\n3;c;4%;\n4;\td;7;y\n",
    ] {
        let yaml = schema(text);
        assert!(!yaml.contains("record_end") && !yaml.contains("skip_first"), "{text}: {yaml}");
    }
}

#[test]
fn delimiters_at_the_end_of_each_row_are_found() {
    let yaml = schema("id|name|\n1|a|\n2|b|\n");
    has(&yaml, &["trailing_delimiter: true", "delimiter: \"|\""]);
    assert!(!yaml.contains("column_3") && !yaml.contains("could also be an empty column"), "{yaml}");
    has(&schema("id;name\n1;a;\n2;b;\n"), &["trailing_delimiter: true", "primary_key: [id]"]);
    let yaml = schema("1|a|\n2|b|\n");
    has(&yaml, &["trailing_delimiter: true", "header: false"]);
    assert!(yaml.contains("# choice: each row ends with a delimiter; there could also be an empty column"), "{yaml}");
    has(&schema("1||a||\n2||b||\n"), &["trailing_delimiter: true", "delimiter: \"||\""]);
    assert!(!schema("id|name|note\n1|a|\n2|b|\n").contains("trailing_delimiter"));
}

#[test]
fn the_mark_at_the_end_of_a_copy_is_not_a_row() {
    has(&schema("1\ta\n2\t\\N\n\\.\n"), &["trailer: \"^\\\\\\\\\\\\.$\""]);
}

#[test]
fn an_empty_text_is_a_value_where_null_has_an_escape() {
    let yaml = schema("1\t\ta\\\tb\n2\tx\tc\n");
    assert_eq!(column(&yaml, "column_2"), "type: string, nullable: true");
    let yaml = schema("1\t\ta\\\tb\n2\tx\t\\N\n");
    assert_eq!(column(&yaml, "column_2"), "type: string");
    let yaml = schema("1\t\ta\\\tb\n2\t3\t\\N\n");
    has(&yaml, &["nulls: [\"\", \"\\\\N\"]"]);
}

#[test]
fn rows_that_no_escape_explains_are_refused() {
    for (text, expected) in [
        ("id,title\n1,\"9\\\" wide\",\"x\"\n2,x\n", "t.csv:2: "),
        ("id,title\n1,a\\,b,c\n2,x\n", "t.csv:2: 4 fields where the rows before it have 2"),
    ] {
        let error = refusal("t.csv", text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn single_quotes_that_are_a_part_of_texts_are_marked() {
    let choice = "# choice: single quotes are a part of texts; with `quote: \"'\"` they would be around them";
    has(&schema("1|''|a\n2|b|''\n"), &[choice]);
    has(&schema("1|'n'|\"a\"\n2|b|\"c\"\n"), &[choice]);
    for text in ["1|'a'\n2|'b'\n", "1|it's\n2|'tis\n"] {
        assert!(!schema(text).contains(choice), "{text}");
    }
}
