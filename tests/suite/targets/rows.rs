//! The rows of an export and those in a database, to be compared. The export is read by the reference, the database by
//! its own client: nothing of the pipeline is involved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use runtime::table::{Column, Table, Type};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tests::reference::export;

/// The canonical texts of the compared columns, by those of the key. `None` is NULL.
pub(crate) type Rows = BTreeMap<Vec<Option<String>>, Vec<Option<String>>>;

/// The folder of the newest version in the folder of a table. Numbers in these names are filled up, or grow in length.
pub(crate) fn newest(of_table: &Path) -> PathBuf {
    let entries = fs::read_dir(of_table).unwrap().map(|entry| entry.unwrap().path());
    entries.max_by_key(|path| (path.as_os_str().len(), path.clone())).unwrap()
}

/// The rows of an export.
pub(crate) fn exported(table: &Table, folder: &Path) -> Rows {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        parts.push((entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    }
    let parts: Vec<_> = parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let export = export::read(table, &parts).unwrap();
    assert!(export.rejects.is_empty(), "{:?}", export.rejects);
    let text = |row: &tests::reference::row::Row, name: &str| row.value(table, name).text.clone();
    let texts = |row, names: Vec<&str>| names.into_iter().map(|name| text(row, name)).collect();
    let rows = export.rows.values().map(|row| (texts(row, table.primary_key.to_vec()), texts(row, compared(table))));
    rows.collect()
}

/// The rows of a tenant in a table of SQLite.
pub(crate) fn in_sqlite(file: &Path, table: &Table, tenant: &str) -> Rows {
    let name = table.target.name.replace('.', "_");
    selected_in_sqlite(file, table, &format!("\"{name}\" WHERE _tenant = '{tenant}'"), |name| name.to_owned())
}

/// The rows of a selection, which has a table's columns under other names.
pub(crate) fn selected_in_sqlite(file: &Path, table: &Table, from: &str, renamed: fn(&str) -> String) -> Rows {
    let names = [table.primary_key.to_vec(), compared(table)].concat();
    let columns: Vec<&Column> = names.iter().map(|name| table.column(name).unwrap()).collect();
    let selected: Vec<String> = names.iter().map(|name| format!("\"{}\"", renamed(name))).collect();
    let sql = format!("SELECT {} FROM {from}", selected.join(", "));
    let database = Connection::open(file).unwrap();
    let mut statement = database.prepare(&sql).unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let text = |(index, column): (usize, &&Column)| canonical(column, row.get_ref(index).unwrap());
        let texts: Vec<Option<String>> = columns.iter().enumerate().map(text).collect();
        let (key, rest) = texts.split_at(table.primary_key.len());
        Ok((key.to_vec(), rest.to_vec()))
    };
    let mut rows = Rows::new();
    for (key, rest) in statement.query_map([], row).unwrap().map(Result::unwrap) {
        assert!(rows.insert(key, rest).is_none(), "a key is there twice: {sql}");
    }
    rows
}

/// The rows of a tenant in a table of PostgreSQL.
#[cfg(feature = "postgres")]
pub(crate) fn in_postgres(client: &mut postgres::Client, table: &Table, tenant: &str) -> Rows {
    let from = format!("{} WHERE _tenant = '{tenant}'", table.target.name);
    selected_in_postgres(client, table, &from, |name| name.to_owned())
}

/// The rows of a selection, which has a table's columns under other names.
#[cfg(feature = "postgres")]
pub(crate) fn selected_in_postgres(
    client: &mut postgres::Client,
    table: &Table,
    from: &str,
    renamed: fn(&str) -> String,
) -> Rows {
    let names = [table.primary_key.to_vec(), compared(table)].concat();
    let columns: Vec<&Column> = names.iter().map(|name| table.column(name).unwrap()).collect();
    let text = |column: &&Column| {
        let name = format!("\"{}\"", renamed(column.name).to_lowercase());
        let iso = r#"'YYYY-MM-DD"T"HH24:MI:SS.US'"#;
        match column.ty {
            Type::Timestamp => format!("to_char({name}, {iso})"),
            Type::Timestamptz => format!("to_char({name} AT TIME ZONE 'UTC', {iso}) || 'Z'"),
            Type::Binary(_) => format!("encode({name}, 'hex')"),
            _ => format!("{name}::text"),
        }
    };
    let texts: Vec<String> = columns.iter().map(text).collect();
    let sql = format!("SELECT {} FROM {from}", texts.join(", "));
    let mut rows = Rows::new();
    for message in client.simple_query(&sql).unwrap() {
        let postgres::SimpleQueryMessage::Row(row) = message else { continue };
        let bits = |number: f64| format!("{:016x}", number.to_bits());
        let canonical = |(index, column): (usize, &&Column)| {
            let text = row.get(index)?;
            Some(match column.ty {
                Type::Float => bits(f64::from(text.parse::<f32>().unwrap())),
                Type::Double => bits(text.parse().unwrap()),
                _ => text.to_owned(),
            })
        };
        let texts: Vec<Option<String>> = columns.iter().enumerate().map(canonical).collect();
        let (key, rest) = texts.split_at(table.primary_key.len());
        assert!(rows.insert(key.to_vec(), rest.to_vec()).is_none(), "a key is there twice: {sql}");
    }
    rows
}

/// The compared columns outside the key.
fn compared(table: &Table) -> Vec<&'static str> {
    let columns = table.columns.iter().filter(|column| column.compare && !table.is_key(column));
    columns.map(|column| column.name).collect()
}

/// The canonical text of a value in SQLite.
fn canonical(column: &Column, value: ValueRef<'_>) -> Option<String> {
    Some(match (column.ty, value) {
        (_, ValueRef::Null) => return None,
        (Type::Boolean, ValueRef::Integer(value)) => (value != 0).to_string(),
        (Type::Float, ValueRef::Real(value)) => format!("{:016x}", f64::from(value as f32).to_bits()),
        (Type::Double, ValueRef::Real(value)) => format!("{:016x}", value.to_bits()),
        (Type::Float | Type::Double, ValueRef::Text(b"NaN")) => "7ff8000000000000".to_owned(),
        (Type::Binary(_), ValueRef::Blob(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        (Type::Tinyint | Type::Smallint | Type::Int | Type::Bigint, ValueRef::Integer(value)) => value.to_string(),
        (_, ValueRef::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
        (ty, value) => panic!("{}: {value:?} is not a value of {ty}", column.name),
    })
}
