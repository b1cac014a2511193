//! What is named on the command line, turned into what is known; an unknown name is told with its nearest neighbour.

use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::name::{NAME_RULE, is_name, suggest};
use crate::store::{Registry, Version};
use crate::table::Table;

/// The table of this name.
pub(super) fn find_table(tables: &[&'static Table], name: &str) -> Result<&'static Table> {
    if let Some(table) = tables.iter().find(|table| table.name == name) {
        return Ok(table);
    }
    let help = suggest(name, &tables.iter().map(|table| table.name).collect::<Vec<_>>());
    Err(Error::refused("", format!("unknown table `{}`", name.escape_debug())).help(help))
}

/// A name from the command line, which must be one.
pub(super) fn checked_name(what: &str, name: &str) -> Result<String> {
    if is_name(name) {
        return Ok(name.into());
    }
    Err(Error::refused("", format!("`{}` is not a usable {what}", name.escape_debug()))
        .help(format!("it takes {NAME_RULE}")))
}

/// `TENANT/TABLE`, of a table that is known.
pub(super) fn table_key(tables: &[&'static Table], text: &str) -> Result<TableKey> {
    let (tenant, table) = text.split_once('/').ok_or_else(|| {
        Error::refused("", format!("`{}` is not TENANT/TABLE", text.escape_debug())).help("write it like acme/orders")
    })?;
    Ok(TableKey { tenant: checked_name("tenant", tenant)?, table: find_table(tables, table)?.name.into() })
}

/// `TENANT/TABLE/VERSION`, of a table that is known.
fn version_key(tables: &[&'static Table], text: &str) -> Result<(TableKey, String)> {
    let (key, version) = text.rsplit_once('/').filter(|(key, _)| key.contains('/')).ok_or_else(|| {
        Error::refused("", format!("`{}` is not TENANT/TABLE/VERSION", text.escape_debug()))
            .help("write it like acme/orders/20260101_V0001")
    })?;
    Ok((table_key(tables, key)?, checked_name("version", version)?))
}

/// The versions of a tenant's table, of which there must be one.
pub(super) fn known_versions(registry: &Registry, key: &TableKey) -> Result<Vec<Version>> {
    let versions = registry.versions(key)?;
    if !versions.is_empty() {
        return Ok(versions);
    }
    let known: Vec<String> = registry.tables()?.iter().map(TableKey::to_string).collect();
    let help = suggest(&key.to_string(), &known.iter().map(String::as_str).collect::<Vec<_>>());
    Err(Error::refused(key.to_string(), "no version is known").help(help))
}

/// The version that `TENANT/TABLE/VERSION` names, and its table.
pub(super) fn known_version(
    registry: &Registry,
    tables: &[&'static Table],
    text: &str,
) -> Result<(&'static Table, Version)> {
    let (key, name) = version_key(tables, text)?;
    let versions = known_versions(registry, &key)?;
    let known: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
    match known.iter().position(|known| *known == name) {
        Some(place) => Ok((find_table(tables, &key.table)?, versions[place].clone())),
        None => Err(Error::refused(key.to_string(), format!("unknown version `{name}`")).help(suggest(&name, &known))),
    }
}
