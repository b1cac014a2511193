//! Scripts and dumps of any kind: no table is lost, and nothing panics.

use generator::import::{Dialect, Selection};
use generator::source::Source;
use proptest::prelude::*;

use super::definitions;
use crate::diagnostics::assert_spans_are_inside;

/// What stands between the tables of a script in PostgreSQL.
const BETWEEN: &[&str] = &[
    "SET search_path = public;\n",
    "INSERT INTO t0 VALUES (1, 'it''s; CREATE TABLE a (b int); GO');\n",
    "-- CREATE TABLE commented (id int);\n",
    "/* CREATE TABLE commented (id int); /* nested */ ' */\n",
    "COPY t0 (id) FROM stdin;\n1\t'\n2\t(\n\\.\n",
    "CREATE FUNCTION f() RETURNS trigger AS $x$ BEGIN CREATE TABLE inner_one (a int); -- '\nEND $x$ LANGUAGE plpgsql;\n",
    "\\connect shop's\n",
    "CREATE VIEW v AS SELECT 'a' AS \"it's\";\n",
    "CREATE INDEX i ON t0 (id)",
    "GRANT SELECT ON t0 TO reader;\n",
    "SELECT E'it\\'s; ';\n",
    "COMMENT ON TABLE t0 IS 'CREATE TABLE; (';\n",
    "\n\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands between tables, with and without semicolons, each table becomes a schema.
    #[test]
    fn no_table_of_a_script_is_lost(between in proptest::collection::vec(
        (proptest::sample::select(BETWEEN), any::<bool>()), 1..12,
    )) {
        let mut script = String::new();
        for (index, (noise, has_semicolon)) in between.iter().enumerate() {
            let end = if *has_semicolon { ";" } else { "" };
            script += &format!("CREATE TABLE t{index} (id int PRIMARY KEY, note varchar(20) DEFAULT '(;'){end}\n{noise}");
        }
        let import = generator::import(&[Source::new("shop.sql", script.as_str())], &Selection::default());
        let import = import.unwrap_or_else(|mistakes| panic!("{script}\n{mistakes:?}"));
        let tables: Vec<&str> = import.schemas.iter().map(|schema| schema.table.as_str()).collect();
        let expected: Vec<String> = (0..between.len()).map(|index| format!("t{index}")).collect();
        prop_assert_eq!(tables, expected, "{}", script);
    }

    /// A definition that was cut and damaged becomes valid schemas, or mistakes with positions.
    #[test]
    fn a_damaged_definition_never_panics(
        (file, cut, at, other) in (0..64usize, 0.0..1.0, 0.0..1.0, "[a-z'\"`;()\\[\\]{}$\\\\/*,\n0-9äß\u{a0}–“€\u{feff}\u{200b}-]{0,4}"),
        dialect in proptest::option::of(proptest::sample::select(&[
            Dialect::Postgres, Dialect::Mysql, Dialect::SqlServer, Dialect::Oracle, Dialect::Hive,
        ][..])),
    ) {
        let mut files: Vec<_> = std::fs::read_dir(definitions()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let path = &files[file % files.len()];
        let text = std::fs::read_to_string(path).unwrap();
        let position = |ratio: f64| text.floor_char_boundary((ratio * text.len() as f64) as usize);
        let (at, end) = (position(at).min(position(cut)), position(cut));
        let damaged = format!("{}{other}{}", &text[..at], &text[at..end]);
        let sources = [Source::new(path.file_name().unwrap().to_str().unwrap(), damaged)];
        match generator::import(&sources, &Selection { dialect, tables: Vec::new() }) {
            Ok(import) => for schema in &import.schemas {
                prop_assert!(generator::parse(&schema.yaml).is_ok(), "{}", schema.yaml);
            },
            Err(mistakes) => {
                prop_assert!(!mistakes.is_empty());
                assert_spans_are_inside(&mistakes, &sources);
            }
        }
    }
}

fn import(script: &str, dialect: Option<Dialect>) -> Result<Vec<String>, String> {
    let sources = [Source::new("shop.sql", script)];
    match generator::import(&sources, &Selection { dialect, tables: Vec::new() }) {
        Ok(import) => Ok(import.schemas.into_iter().map(|schema| schema.yaml).collect()),
        Err(mistakes) => {
            assert_spans_are_inside(&mistakes, &sources);
            assert!(mistakes.iter().all(|mistake| mistake.code.name() != "no-tables"), "{script:?}");
            Err(mistakes[0].message.clone())
        }
    }
}

const DIALECTS: [Option<Dialect>; 6] = [
    None,
    Some(Dialect::Postgres),
    Some(Dialect::Mysql),
    Some(Dialect::SqlServer),
    Some(Dialect::Oracle),
    Some(Dialect::Hive),
];

#[test]
fn a_no_break_space_and_a_byte_order_mark_are_blanks() {
    for dialect in DIALECTS {
        for blank in ["\u{a0}", "\u{3000}", "\u{2028}", " \u{feff}", "\u{200b} ", " \u{feff}\u{200b} "] {
            let script = "CREATE TABLE t_a (id int PRIMARY KEY, note varchar ( 20 ) NOT NULL);";
            let yaml = import(&script.replace(' ', blank), dialect);
            assert_eq!(yaml, import(script, dialect), "{blank:?} {dialect:?}");
            assert_eq!(yaml.unwrap().len(), 1);
        }
    }
}

#[test]
fn a_byte_order_mark_at_the_start_of_a_later_script_is_ignored() {
    let table = |name: &str| format!("CREATE TABLE {name} (id int PRIMARY KEY)");
    for dialect in DIALECTS {
        for between in [";\n\u{feff}", ";\u{feff}", "\n\u{feff}", "\u{feff}", ";\n\u{feff}-- it's\n\u{feff}\n"] {
            let yaml = import(&format!("{}{between}{}", table("t_a"), table("t_b")), dialect).unwrap();
            assert_eq!(yaml.len(), 2, "{between:?} {dialect:?}");
            assert!(yaml[1].contains("table: t_b") && yaml[1].to_lowercase().contains("primary_key: [id]"), "{yaml:?}");
        }
    }
    let commands = format!("{};\u{feff}\\connect shop's\n{};", table("t_a"), table("t_b"));
    assert_eq!(import(&commands, Some(Dialect::Postgres)).unwrap().len(), 2);
}

#[test]
fn a_foreign_character_outside_quotes_never_loses_a_table() {
    let script = "CREATE TABLE t_a (id int PRIMARY KEY, note varchar(20));";
    let foreign = ["–", "“", "”", "€", "\u{200b}", "\u{feff}", "\u{308}", "😀", "\u{e000}"];
    for (dialect, foreign) in DIALECTS.iter().flat_map(|dialect| foreign.map(|foreign| (*dialect, foreign))) {
        for at in 0..=script.len() {
            let (before, after) = script.split_at(at);
            let damaged = format!("CREATE TABLE t_0 (id int PRIMARY KEY);{before}{foreign}{after}");
            // A visible character within CREATE or TABLE is a misspelling like any other.
            let is_misspelt = matches!(at, 1..6 | 8..12) && !"\u{200b}\u{feff}".contains(foreign);
            if let Ok(yaml) = import(&damaged, dialect) {
                assert!(yaml.len() == 2 || is_misspelt, "{damaged:?} {dialect:?}");
            }
        }
    }
    let message = import("CREATE TABLE t_a (id int PRIMARY KEY, cust\u{200b}omer int);", None).unwrap_err();
    assert_eq!(message, "an invisible character, U+200B, is within a word");
    let yaml = import("CREATE TABLE t_a (id int PRIMARY KEY, preis_€ int, “note” text);", None).unwrap();
    assert!(yaml[0].contains("preis_€") && yaml[0].contains("“note”"), "{yaml:?}");
}

#[test]
fn a_table_of_a_megabyte_on_one_line_is_read() {
    let codes = "1, ".repeat(350_000);
    let script = format!("CREATE TABLE t_a (id int PRIMARY KEY, code int CHECK (code IN ({codes} 0)), note text);");
    assert!(import(&script, None).unwrap()[0].contains("note"));
}

#[test]
fn parentheses_that_are_never_closed_are_read_in_one_go() {
    let script = format!("CREATE TABLE t_a (id int PRIMARY KEY) WITH {};", "(".repeat(300_000));
    assert_eq!(import(&script, None).unwrap().len(), 1);
}
