//! Finds what a typed name refers to. Errors suggest the nearest known name.

use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::name::{NAME_RULE, is_name, suggest};
use crate::store::{Registry, Status, Version};
use crate::table::Table;

/// The table with this name.
pub(super) fn find_table(tables: &[&'static Table], name: &str) -> Result<&'static Table> {
    if let Some(table) = tables.iter().find(|table| table.name == name) {
        return Ok(table);
    }
    let help = suggest(name, &tables.iter().map(|table| table.name).collect::<Vec<_>>());
    Err(Error::usage("", format!("unknown table `{}`", name.escape_debug())).help(help))
}

/// The definition of a tenant's table.
pub(super) fn table_of(tables: &[&'static Table], key: &TableKey) -> Result<&'static Table> {
    Ok(find_table(tables, &key.table)?.for_tenant(&key.tenant))
}

/// Checks a typed name; `noun` says of what, such as `tenant`.
pub(super) fn checked_name(noun: &str, name: &str) -> Result<String> {
    if is_name(name) {
        return Ok(name.into());
    }
    Err(Error::usage("", format!("`{}` is not a valid {noun} name", name.escape_debug()))
        .help(format!("a name has {NAME_RULE}")))
}

/// Parses `TENANT/TABLE`. The table must have a schema.
pub(super) fn table_key(tables: &[&'static Table], text: &str) -> Result<TableKey> {
    let key = any_table_key(text)?;
    find_table(tables, &key.table)?;
    Ok(key)
}

/// Parses `TENANT/TABLE`. The registry may know tables that have no schema.
pub(super) fn any_table_key(text: &str) -> Result<TableKey> {
    let (tenant, table) = text.split_once('/').ok_or_else(|| {
        Error::usage("", format!("`{}` is not TENANT/TABLE", text.escape_debug())).help("write it like acme/orders")
    })?;
    Ok(TableKey { tenant: checked_name("tenant", tenant)?, table: checked_name("table", table)? })
}

/// Parses `TENANT/TABLE/VERSION`. The registry may know tables that have no schema.
fn any_version_key(text: &str) -> Result<(TableKey, String)> {
    let (key, version) = text.rsplit_once('/').filter(|(key, _)| key.contains('/')).ok_or_else(|| {
        Error::usage("", format!("`{}` is not TENANT/TABLE/VERSION", text.escape_debug()))
            .help("write it like acme/orders/20260101_V0001")
    })?;
    Ok((any_table_key(key)?, checked_name("version", version)?))
}

/// The versions of a tenant's table. Fails if there are none.
pub(super) fn known_versions(registry: &Registry, key: &TableKey) -> Result<Vec<Version>> {
    let versions = registry.versions(key)?;
    if !versions.is_empty() {
        return Ok(versions);
    }
    let known: Vec<String> = registry.tables()?.iter().map(TableKey::to_string).collect();
    let help = suggest(&key.to_string(), &known.iter().map(String::as_str).collect::<Vec<_>>());
    Err(Error::usage(key.to_string(), "it has no versions yet").help(help))
}

/// The version that `TENANT/TABLE/VERSION` names, and its table.
pub(super) fn known_version(
    registry: &Registry,
    tables: &[&'static Table],
    text: &str,
) -> Result<(&'static Table, Version)> {
    let (key, _) = any_version_key(text)?;
    let table = table_of(tables, &key)?;
    Ok((table, recorded_version(registry, text)?))
}

/// The version that `TENANT/TABLE/VERSION` names, whether or not its table has a schema.
pub(super) fn recorded_version(registry: &Registry, text: &str) -> Result<Version> {
    let (key, name) = any_version_key(text)?;
    let versions = known_versions(registry, &key)?;
    let name = name_of_one(&key, &versions, &name)?;
    Ok(versions.into_iter().find(|version| version.version == name).expect("it is one of them"))
}

/// Checks that a typed name is that of one of the versions.
pub(super) fn name_of_one(key: &TableKey, versions: &[Version], name: &str) -> Result<String> {
    let name = checked_name("version", name)?;
    let known: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(Error::usage(key.to_string(), format!("unknown version `{name}`")).help(suggest(&name, &known)))
}

/// Fails unless the version is HELD.
pub(super) fn check_held(version: &Version) -> Result<()> {
    check_status(version, &[Status::Held], "only a HELD version can be approved")
}

/// Fails unless the version has one of these statuses; `rule` says why.
pub(super) fn check_status(version: &Version, expected: &[Status], rule: &str) -> Result<()> {
    if expected.contains(&version.status) {
        return Ok(());
    }
    let problem = format!("it is {}; {rule}", version.status);
    Err(Error::refused(version.to_string(), problem)
        .help(format!("see: {}", command(&[&"history", &version.key.to_string()]))))
}
