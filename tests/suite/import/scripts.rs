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
        (file, cut, at, other) in (0..64usize, 0.0..1.0, 0.0..1.0, "[a-z'\"`;()\\[\\]{}$\\\\/*,\n0-9äß-]{0,4}"),
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
