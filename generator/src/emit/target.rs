//! `generated/sqlite/<table>.sql` and `generated/postgres/<table>.sql`: the statements that create a table in a
//! database that holds the rows of every tenant's newest version.
//!
//! With `history: true`, also `<table>.history.sql` with the table of every state of every row, and `<table>.as_of.sql`
//! with the view of it as of a version.
//!
//! Types lose nothing. The first column of the primary key is the tenant; two more columns say which version changed
//! the row last, and its row hash. Names of columns start with a letter, so these three can start with an underscore.

use serde::Serialize;

use super::artifact::{Files, Origin};
use super::template;
use crate::model::target::{as_of_name, history_name};
use crate::model::{Column, ColumnType, Publish, Table};
use crate::names;

/// The folder of SQLite's statements.
pub(super) const SQLITE: &str = "generated/sqlite";

/// The folder of PostgreSQL's statements.
pub(super) const POSTGRES: &str = "generated/postgres";

/// The columns of a target in addition to those of the schema: more in its history than in itself.
const OWN_COLUMNS: usize = 3;
const HISTORY_COLUMNS: usize = 9;

/// <https://www.sqlite.org/limits.html>, `SQLITE_MAX_COLUMN`
const MAX_SQLITE_COLUMNS: usize = 2000 - OWN_COLUMNS;

/// <https://www.postgresql.org/docs/current/limits.html>
const MAX_POSTGRES_COLUMNS: usize = 1600 - OWN_COLUMNS;

/// What a row of PostgreSQL may take once its long values were moved elsewhere: a page of 8 KiB, without its headers.
/// <https://www.postgresql.org/docs/current/storage-toast.html>
const MAX_POSTGRES_ROW: usize = 8_000;

/// PostgreSQL cuts longer names. <https://www.postgresql.org/docs/current/limits.html>
const MAX_POSTGRES_NAME: usize = 63;

/// The columns that every table of PostgreSQL has.
/// <https://www.postgresql.org/docs/current/ddl-system-columns.html>
const SYSTEM_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

pub(super) fn emit(table: &Table, origin: Origin<'_>, files: &mut Files) {
    let Table { name, target, .. } = table;
    for (folder, statements, history) in [
        (SQLITE, sqlite(table, origin), sqlite_history as fn(&Table, Origin<'_>) -> [String; 2]),
        (POSTGRES, postgres(table, origin), postgres_history),
    ] {
        let Ok(statements) = statements else { continue };
        files.insert(format!("{folder}/{name}.sql"), statements);
        if target.history {
            let [history, as_of] = history(table, origin);
            files.insert(format!("{folder}/{name}.history.sql"), history);
            files.insert(format!("{folder}/{name}.as_of.sql"), as_of);
        }
    }
}

/// A table in a database.
#[derive(Serialize)]
struct View {
    header: String,
    /// The name, quoted.
    table: String,
    /// Each tenant has its own table, in a schema named after the tenant.
    tenant_schemas: bool,
    /// Those of the table with its history, and of the view of it, quoted.
    history: String,
    as_of: String,
    /// The name of the schema, as a text in SQL.
    subject: String,
    comment: Option<String>,
    columns: Vec<ColumnView>,
    /// The names of the key columns outside the tenant, quoted.
    key: Vec<String>,
}

#[derive(Serialize)]
struct ColumnView {
    /// The name, quoted.
    name: String,
    /// The type, with its constraints.
    ty: String,
    /// The same in the history, where columns that were added later are NULL in earlier rows.
    history_ty: String,
    comment: String,
}

/// The statements for SQLite; or why the table cannot be there.
pub(super) fn sqlite(table: &Table, origin: Origin<'_>) -> Result<String, String> {
    check_sqlite(table).map(|()| template::SQLITE_SQL.render(&sqlite_view(table, origin)))
}

/// Fails if the table cannot be in SQLite, with the reason.
pub(super) fn check_sqlite(table: &Table) -> Result<(), String> {
    if table.target.tenant_schemas {
        return Err("each tenant has a schema of its own, and SQLite has no schemas".into());
    }
    let name = table.target.sqlite_name();
    if name.starts_with("sqlite_") {
        return Err(format!("SQLite keeps names such as `{name}` to itself"));
    }
    check_number(table, MAX_SQLITE_COLUMNS)
}

/// The statements for the history in SQLite: its table, and the view of it.
pub(super) fn sqlite_history(table: &Table, origin: Origin<'_>) -> [String; 2] {
    let view = sqlite_view(table, origin);
    [&template::HISTORY_SQLITE_SQL, &template::AS_OF_SQLITE_SQL].map(|template| template.render(&view))
}

fn sqlite_view(table: &Table, origin: Origin<'_>) -> View {
    let target = table.target.sqlite_name();
    View::new(table, origin, &target, str::to_owned, sqlite_type, |text| text.replace(['\n', '\r'], " "))
}

/// The statements for PostgreSQL; or why the table cannot be there.
pub(super) fn postgres(table: &Table, origin: Origin<'_>) -> Result<String, String> {
    check_postgres(table).map(|()| template::POSTGRES_SQL.render(&postgres_view(table, origin)))
}

/// Fails if the table cannot be in PostgreSQL, with the reason.
pub(super) fn check_postgres(table: &Table) -> Result<(), String> {
    check_number(table, MAX_POSTGRES_COLUMNS)?;
    let longest = if table.target.history { history_name(&table.target.name) } else { table.target.name.clone() };
    for name in longest.split('.').chain(published(table).map(|column| column.name.as_str())) {
        if name.len() > MAX_POSTGRES_NAME {
            return Err(format!("`{name}` is longer than {MAX_POSTGRES_NAME} bytes, where PostgreSQL cuts names"));
        }
    }
    if let Some((schema, _)) = table.target.name.split_once('.').filter(|(schema, _)| schema.starts_with("pg_")) {
        return Err(format!("PostgreSQL keeps schemas such as `{schema}` to itself"));
    }
    let row: usize = published(table).map(|column| postgres_size(column.published_type())).sum();
    if row > MAX_POSTGRES_ROW {
        return Err(format!("a row can take {row} bytes, and a page of PostgreSQL holds {MAX_POSTGRES_ROW}"));
    }
    let is_taken = |column: &&Column| SYSTEM_COLUMNS.contains(&column.name.to_lowercase().as_str());
    if let Some(column) = published(table).find(is_taken) {
        return Err(format!("every table of PostgreSQL has a column `{}` of its own", column.name));
    }
    Ok(())
}

/// The statements for the history in PostgreSQL: its table, and the view of it.
pub(super) fn postgres_history(table: &Table, origin: Origin<'_>) -> [String; 2] {
    let view = postgres_view(table, origin);
    [&template::HISTORY_POSTGRES_SQL, &template::AS_OF_POSTGRES_SQL].map(|template| template.render(&view))
}

fn postgres_view(table: &Table, origin: Origin<'_>) -> View {
    View::new(table, origin, &table.target.postgres_name(), str::to_lowercase, postgres_type, |text| {
        text.replace('\'', "''")
    })
}

/// The columns of the schema that a database has.
fn published(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| column.is_published())
}

fn check_number(table: &Table, max: usize) -> Result<(), String> {
    let max = if table.target.history { max + OWN_COLUMNS - HISTORY_COLUMNS } else { max };
    let number = published(table).count();
    if number <= max { Ok(()) } else { Err(format!("it has {number} columns, and there is room for {max}")) }
}

impl View {
    /// `target` is the name of the table there. `name` spells the name of a column, `comment` escapes a comment.
    fn new(
        table: &Table,
        origin: Origin<'_>,
        target: &str,
        name: fn(&str) -> String,
        ty: fn(&str, &Column) -> String,
        comment: impl Fn(&str) -> String,
    ) -> Self {
        let column = |column: &Column| {
            let quoted = names::quoted(&name(&column.name));
            let description = column.description.as_deref().map(|text| format!(". {text}")).unwrap_or_default();
            let history_ty = ty(&quoted, &Column { nullable: !table.is_key(column), ..column.clone() });
            let ty = ty(&quoted, column);
            let comment = comment(&format!("{}{description}", described_type(column)));
            ColumnView { name: quoted, ty, history_ty, comment }
        };
        Self {
            header: origin.table_header(table),
            table: names::quoted_path(target),
            tenant_schemas: table.target.tenant_schemas,
            history: names::quoted_path(&history_name(target)),
            as_of: names::quoted_path(&as_of_name(target)),
            subject: format!("'{}'", table.name),
            comment: table.description.as_deref().map(&comment),
            columns: published(table).map(column).collect(),
            key: table.key_columns().map(|column| names::quoted(&name(&column.name))).collect(),
        }
    }
}

/// The type of a column in the schema, and what consumers have instead.
fn described_type(column: &Column) -> String {
    match column.publish {
        Publish::Hmac => format!("{}, HMAC of {}", column.published_type().name(), column.ty.name()),
        Publish::Clear | Publish::Never => column.ty.name(),
    }
}

/// A type of a strict table. Text keeps a decimal exact. SQLite has no NaN, so it is the text `NaN`.
fn sqlite_type(name: &str, column: &Column) -> String {
    let (ty, check) = match column.published_type() {
        ColumnType::Boolean { .. } => ("INTEGER", format!(" CHECK ({name} IN (0, 1))")),
        ColumnType::Tinyint | ColumnType::Smallint | ColumnType::Int | ColumnType::Bigint => ("INTEGER", String::new()),
        ColumnType::Float | ColumnType::Double => {
            ("ANY", format!(" CHECK (typeof({name}) IN ('real', 'null') OR {name} = 'NaN')"))
        }
        ColumnType::Binary(_) => ("BLOB", String::new()),
        ColumnType::Decimal { .. }
        | ColumnType::Char(_)
        | ColumnType::Varchar(_)
        | ColumnType::String
        | ColumnType::Date { .. }
        | ColumnType::Timestamp { .. }
        | ColumnType::Timestamptz { .. } => ("TEXT", String::new()),
    };
    format!("{ty}{}{check}", not_null(column))
}

/// A `char` of PostgreSQL would pad its values.
fn postgres_type(_: &str, column: &Column) -> String {
    let ty = match column.published_type() {
        ColumnType::Boolean { .. } => "boolean".to_owned(),
        ColumnType::Tinyint | ColumnType::Smallint => "smallint".to_owned(),
        ColumnType::Int => "integer".to_owned(),
        ColumnType::Bigint => "bigint".to_owned(),
        ColumnType::Float => "real".to_owned(),
        ColumnType::Double => "double precision".to_owned(),
        ColumnType::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
        ColumnType::Char(length) | ColumnType::Varchar(length) => format!("character varying({length})"),
        ColumnType::String => "text".to_owned(),
        ColumnType::Binary(_) => "bytea".to_owned(),
        ColumnType::Date { .. } => "date".to_owned(),
        ColumnType::Timestamp { .. } => "timestamp without time zone".to_owned(),
        ColumnType::Timestamptz { .. } => "timestamp with time zone".to_owned(),
    };
    ty + not_null(column)
}

/// The largest size of a value that stays in its row, in bytes. Longer texts, numbers and bytes are moved elsewhere.
fn postgres_size(ty: &ColumnType) -> usize {
    match ty {
        ColumnType::Boolean { .. } => 1,
        ColumnType::Tinyint | ColumnType::Smallint => 2,
        ColumnType::Int | ColumnType::Float | ColumnType::Date { .. } => 4,
        ColumnType::Bigint | ColumnType::Double | ColumnType::Timestamp { .. } | ColumnType::Timestamptz { .. } => 8,
        ColumnType::Decimal { .. }
        | ColumnType::Char(_)
        | ColumnType::Varchar(_)
        | ColumnType::String
        | ColumnType::Binary(_) => 24,
    }
}

fn not_null(column: &Column) -> &'static str {
    if column.nullable { "" } else { " NOT NULL" }
}
