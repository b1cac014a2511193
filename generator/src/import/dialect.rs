//! Who wrote a definition: the same word is another type in another database.

use std::sync::LazyLock;

use regex::Regex;

/// The database whose words a definition uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQL Server.
    SqlServer,
    /// Oracle.
    Oracle,
    /// Hive's words, which Glue uses.
    Hive,
    /// None in particular.
    Generic,
}

/// Patterns of SQL that only one of the databases writes.
const MARKS: &[(Dialect, &str)] = &[
    (
        Dialect::Postgres,
        r"(?i)\bcharacter varying\b|\bbytea\b|\bjsonb\b|\b(big|small)?serial\b|\btimestamptz\b|\bowner to\b|::|\bwith(out)? time zone\b",
    ),
    (Dialect::Mysql, r"(?i)`|\bengine\s*=|\bauto_increment\b|\bunsigned\b"),
    (
        Dialect::SqlServer,
        r"(?im)^\s*go\s*$|\bdbo\.|\(\s*max\s*\)|\bidentity\s*\(\s*\d|\[[a-z_]\w*\]|\b(datetime2|datetimeoffset|uniqueidentifier)\b",
    ),
    (
        Dialect::Oracle,
        r"(?im)\bn?varchar2\b|\w\W?\s+number\s*([(,)]|not\b|default\b|primary\b|generated\b)|^\s*/\s*$|\bsysdate\b|\bnull enable\b",
    ),
    (Dialect::Hive, r"(?i)\brow\s+format\b|\bstored\s+as\b|\bcreate\s+external\s+table\b|\btblproperties\b|\barray<"),
];

static EXPRESSIONS: LazyLock<Vec<(Dialect, Regex)>> =
    LazyLock::new(|| MARKS.iter().map(|(dialect, pattern)| (*dialect, expression(pattern))).collect());

static TABLE: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\bcreate\s+(\w+\s+){0,3}table\b"));

fn expression(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid expression")
}

impl Dialect {
    /// The database that most likely wrote some SQL; PostgreSQL if nothing shows another one.
    pub(super) fn guess(sql: &str) -> Self {
        let tables = beginnings_of_tables(sql);
        let count = |(dialect, mark): &(Dialect, Regex)| (mark.find_iter(&tables).count(), *dialect);
        let marks: Vec<(usize, Self)> = EXPRESSIONS.iter().map(count).filter(|(count, _)| *count > 0).rev().collect();
        // Hive has marks of others, too, but nobody else has those of Hive.
        let of_hive = marks.iter().find(|(_, dialect)| *dialect == Self::Hive);
        let found = of_hive.or_else(|| marks.iter().max_by_key(|(count, _)| *count));
        found.map_or(Self::Postgres, |(_, dialect)| *dialect)
    }

    /// The name of the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::SqlServer => "SQL Server",
            Self::Oracle => "Oracle",
            Self::Hive => "Hive",
            Self::Generic => "SQL",
        }
    }
}

/// What follows each CREATE TABLE: rows of a dump may contain anything.
fn beginnings_of_tables(sql: &str) -> String {
    const MAX_TABLES: usize = 100;
    const MAX_LENGTH: usize = 4000;
    let starts = TABLE.find_iter(sql).take(MAX_TABLES).map(|found| &sql[found.start()..]);
    let texts = starts.map(|rest| {
        let rest = &rest[..rest.floor_char_boundary(MAX_LENGTH)];
        &rest[..rest.find(";\n").map_or(rest.len(), |end| end + 2)]
    });
    texts.collect()
}
