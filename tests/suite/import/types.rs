//! The type that a type of each database becomes.

use generator::import::Dialect::{self, Hive, Mysql, Oracle, Postgres, SqlServer};
use generator::import::Selection;
use generator::source::Source;

/// The column with this type in a table of this database, without its name, and as part of a key.
fn column(dialect: Dialect, spelling: &str, is_key: bool) -> String {
    let key = if is_key { "PRIMARY KEY" } else { "" };
    let script = format!("CREATE TABLE t (id int NOT NULL, c {spelling} {key})");
    let selection = Selection { dialect: Some(dialect), tables: Vec::new() };
    let import = generator::import(&[Source::new("t.sql", script)], &selection).unwrap();
    let table = generator::parse(&import.schemas[0].yaml).unwrap();
    table.columns[1].ty.name()
}

const TYPES: &[(Dialect, &str, &str)] = &[
    (Postgres, "int8", "bigint"),
    (Postgres, "serial", "int"),
    (Postgres, "numeric(1000, 2)", "decimal(38,2)"),
    (Postgres, "float(24)", "float"),
    (Postgres, "float", "double"),
    (Postgres, "varchar", "string"),
    (Postgres, "\"char\"", "char(1)"),
    (Postgres, "char(300)", "varchar(300)"),
    (Postgres, "varchar(100000)", "string"),
    (Postgres, "pg_catalog.timestamptz", "timestamptz"),
    (Postgres, "integer ARRAY[4]", "string"),
    (Postgres, "interval day to second(3)", "string"),
    (Mysql, "tinyint(1)", "tinyint"),
    (Mysql, "tinyint(3) unsigned", "smallint"),
    (Mysql, "int(11)", "int"),
    (Mysql, "mediumint unsigned", "int"),
    (Mysql, "serial", "decimal(20,0)"),
    (Mysql, "decimal", "decimal(10,0)"),
    (Mysql, "double(16,4)", "double"),
    (Mysql, "float(30)", "double"),
    (Mysql, "national varchar(7)", "varchar(7)"),
    (Mysql, "timestamp(3)", "timestamp"),
    (Mysql, "enum('a)','b')", "string"),
    (SqlServer, "tinyint", "smallint"),
    (SqlServer, "decimal", "decimal(18,0)"),
    (SqlServer, "smallmoney", "decimal(10,4)"),
    (SqlServer, "float(24)", "float"),
    (SqlServer, "[sys].[nvarchar](50)", "varchar(50)"),
    (SqlServer, "varchar", "varchar(1)"),
    (SqlServer, "rowversion", "binary"),
    (SqlServer, "datetimeoffset", "timestamptz"),
    (Oracle, "number(10)", "decimal(10,0)"),
    (Oracle, "NUMBER(38, 40)", "decimal(38,38)"),
    (Oracle, "numeric", "decimal(38,0)"),
    (Oracle, "float(20)", "double"),
    (Oracle, "char(3 char)", "char(3)"),
    (Oracle, "long raw", "binary"),
    (Oracle, "timestamp with local time zone", "timestamp"),
    (Hive, "float", "float"),
    (Hive, "struct<a:int,b:array<string>>", "string"),
];

#[test]
fn a_type_becomes_one_that_loses_nothing() {
    for (dialect, spelling, ty) in TYPES {
        assert_eq!(column(*dialect, spelling, false), *ty, "{dialect:?} {spelling}");
    }
}

#[test]
fn a_key_has_neither_floats_nor_open_decimals() {
    assert_eq!(column(Dialect::Oracle, "NUMBER", true), "decimal(38,0)");
    assert_eq!(column(Dialect::Oracle, "NUMBER", false), "decimal(38,10)");
    assert_eq!(column(Dialect::Mysql, "double", true), "string");
}

#[test]
fn the_database_is_found_by_its_words_and_not_by_names_and_rows() {
    let expected = [
        ("PostgreSQL", "CREATE TABLE t (number int PRIMARY KEY, enable text, serial text, list integer[3]);"),
        ("PostgreSQL", "CREATE TABLE t (id int PRIMARY KEY);\nINSERT INTO t VALUES ('`a` `b` [c] unsigned');"),
        ("MySQL", "CREATE TABLE t (id int unsigned PRIMARY KEY);"),
        ("SQL Server", "CREATE TABLE t (id int PRIMARY KEY)\nGO\n"),
        ("Oracle", "CREATE TABLE t (id NUMBER PRIMARY KEY);"),
        ("Oracle", "CREATE TABLE t (id integer PRIMARY KEY)\n/\n"),
        ("Hive", "CREATE TABLE t (id int, tags array<int>)"),
    ];
    for (database, script) in expected {
        let import = generator::import(&[Source::new("t.sql", script)], &Selection::default()).unwrap();
        assert!(import.schemas[0].yaml.contains(&format!("({database})")), "{database}: {script}");
    }
}
