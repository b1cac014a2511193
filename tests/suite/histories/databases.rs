//! A database among the sinks of a history: in the end it holds the last good snapshot, and its own history has the
//! rows of every version that it knows.

use std::collections::BTreeMap;

use super::model::History;
use super::rows::{Row, Rows};

/// Where the rows go, in addition to the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    None,
    /// A file `shop.db`.
    Sqlite,
    /// A database of PostgreSQL, by its address.
    #[cfg(feature = "postgres")]
    Postgres(&'static str),
}

impl Database {
    pub(super) fn schema_option(self) -> &'static str {
        if self == Database::None { "" } else { "target: { history: true }\n" }
    }

    fn sink(self) -> Option<&'static str> {
        match self {
            Database::None => None,
            Database::Sqlite => Some("sqlite:shop.db"),
            #[cfg(feature = "postgres")]
            Database::Postgres(address) => Some(address),
        }
    }
}

impl History {
    /// The arguments of a run.
    pub(super) fn arguments(&self) -> Vec<&'static str> {
        let mut arguments = vec!["run", "exports"];
        if let Some(sink) = self.database.sink() {
            arguments.extend(["--out", "out", "--sink", sink, "--create"]);
        }
        arguments.extend(self.adopts.then_some("--adopt"));
        arguments
    }

    /// Compares the database with the last good snapshot, and its history with what was published.
    pub(super) fn check_database(&self, rows: &Rows, has_tag: bool) -> Result<(), String> {
        if self.database == Database::None {
            return Ok(());
        }
        let tag = if has_tag { "tag" } else { "NULL" };
        let found = self.table(&format!("SELECT id, value, {tag} FROM t WHERE _tenant = 'acme'"));
        if found != *rows {
            return Err(format!("the database has {found:?}, but the snapshot is {rows:?}"));
        }
        let newest = self.versions().iter().filter_map(|version| version.sequence).max();
        for version in self.versions().iter().filter(|version| version.sequence.is_some()) {
            let Some((expected, _)) = self.published.get(&version.number) else { continue };
            let sequence = version.sequence.unwrap();
            let known = format!("SELECT 1, version, NULL FROM _tidemark_versions WHERE sequence = {sequence}");
            if self.table(&known).is_empty() {
                // It was published before the database was among the sinks, or while that could not take it.
                if Some(sequence) == newest {
                    return Err(format!("the history does not know V{}", version.number));
                }
                continue;
            }
            let as_of = format!(
                "SELECT id, value, NULL FROM t_history WHERE _tenant = 'acme' AND _from_sequence <= {sequence} \
                 AND (_until_sequence IS NULL OR _until_sequence > {sequence})"
            );
            let value = |(id, row): (&i64, &Row)| (*id, Row { value: row.value.clone(), tag: None });
            let expected: BTreeMap<i64, Row> = expected.iter().map(value).collect();
            let found = self.table(&as_of);
            if found != expected {
                return Err(format!("as of V{}, the history has {found:?}, but it was {expected:?}", version.number));
            }
        }
        Ok(())
    }

    /// The rows of a query for a key, a value and a tag.
    fn table(&self, sql: &str) -> Rows {
        match self.database {
            Database::None => Rows::new(),
            Database::Sqlite => {
                let database = rusqlite::Connection::open(self.workspace.path("shop.db")).unwrap();
                let mut statement = database.prepare(sql).unwrap();
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Row { value: row.get(1)?, tag: row.get(2)? }));
                statement.query_map([], row).unwrap().map(Result::unwrap).collect()
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(address) => {
                let mut client = postgres::Client::connect(address, postgres::NoTls).unwrap();
                let messages = client.simple_query(sql).unwrap();
                let row = |message| match message {
                    postgres::SimpleQueryMessage::Row(row) => {
                        let text = |index| row.get(index).map(str::to_owned);
                        Some((text(0)?.parse().unwrap(), Row { value: text(1)?, tag: text(2) }))
                    }
                    _ => None,
                };
                messages.into_iter().filter_map(row).collect()
            }
        }
    }
}
