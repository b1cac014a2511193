//! Tenants whose tables are in schemas of their own. For everything else in this folder, such a table is one like any
//! other, with a name of its own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::shape::{literal, quoted};
use crate::error::{Error, Result};
use crate::table::{History, Table, Target, Tenants};

/// What stands for the name of a schema in generated statements.
pub(super) const TENANT: &str = "TENANT";

/// PostgreSQL cuts longer names. <https://www.postgresql.org/docs/current/limits.html>
const MAX_NAME: usize = 63;

/// The table that holds a tenant's rows. Fails if the tenant cannot have a schema of its name.
pub(super) fn table_of(table: &'static Table, tenant: &str) -> Result<&'static Table> {
    if table.target.tenants != Tenants::HaveSchemas {
        return Ok(table);
    }
    check_name(tenant)?;
    Ok(known(table, tenant))
}

/// The same for a table that was prepared.
pub(super) fn known_table_of<'t>(table: &'t Table, tenant: &str) -> &'t Table {
    if table.target.tenants == Tenants::HaveSchemas { known(table, tenant) } else { table }
}

/// Which rows of the database's own tables are about a table: a condition in SQL.
pub(super) fn condition(table: &Table) -> String {
    let of_table = format!("table_name = {}", literal(table.name));
    match table.target.tenants {
        Tenants::Is(tenant) => format!("{of_table} AND tenant = {}", literal(tenant)),
        Tenants::Share | Tenants::HaveSchemas => of_table,
    }
}

/// The name of a table among all that were made in a database. No name has a slash.
pub(super) fn made_name(table: &Table) -> String {
    match table.target.tenants {
        Tenants::Is(tenant) => format!("{tenant}/{}", table.name),
        Tenants::Share | Tenants::HaveSchemas => table.name.to_owned(),
    }
}

/// Each table of each tenant is made once in a process, because tables live as long as it does.
fn known(table: &Table, tenant: &str) -> &'static Table {
    type Key = (&'static str, &'static str, String);
    static TABLES: Mutex<BTreeMap<Key, &'static Table>> = Mutex::new(BTreeMap::new());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let made = || Box::leak(Box::new(Table { target: target(&table.target, tenant), ..table.clone() })) as &Table;
    tables.entry((table.name, table.schema, tenant.to_owned())).or_insert_with(made)
}

fn target(target: &Target, tenant: &str) -> Target {
    let [from, to] = [TENANT, tenant].map(|schema| format!("{}.", quoted(schema)));
    let text = |statements: &str| -> &'static str { statements.replace(&from, &to).leak() };
    let history = |history: &History| History { postgres: history.postgres.map(text), ..history.clone() };
    Target {
        name: format!("{tenant}.{}", target.name).leak(),
        postgres: target.postgres.map(text),
        history: target.history.as_ref().map(history),
        tenants: Tenants::Is(tenant.to_owned().leak()),
        ..target.clone()
    }
}

/// Quoted, most names can be those of schemas.
fn check_name(tenant: &str) -> Result<()> {
    let problem = match tenant {
        _ if tenant.len() > MAX_NAME => format!("it is longer than {MAX_NAME} bytes, where PostgreSQL cuts names"),
        _ if tenant.contains('.') => "it has a `.`, which separates a schema from a table".into(),
        _ if tenant.starts_with("pg_") || tenant == "information_schema" => "PostgreSQL keeps it to itself".into(),
        _ => return Ok(()),
    };
    Err(Error::refused(tenant, format!("the tenant's name cannot be that of a schema: {problem}"))
        .help("write `target: { tenants: column }`, or give the tenant another name"))
}
