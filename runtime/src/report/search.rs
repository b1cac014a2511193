//! The index for the search over tables and columns, in files that a page loads when somebody searches.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compact::packed;
use super::overview::Overview;
use super::site::{Site, table_page};
use crate::error::Result;
use crate::name::TableKey;
use crate::table::Table;

/// How much of the index a file holds, before it is packed.
const SHARD: usize = 512 * 1024;

/// Writes the index: for each table its name, its description, the tenants with their pages, and its columns.
pub(super) fn write(site: &Site, overview: &Overview, tables: &[&'static Table]) -> Result<()> {
    let mut tenants: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for summary in overview.tables.iter().filter(|summary| summary.error.is_none()) {
        let key = TableKey { tenant: summary.tenant.clone(), table: summary.table.clone() };
        tenants.entry(&summary.table).or_default().push(json!([summary.tenant, table_page(&key)]));
    }
    let entries = tenants.into_iter().map(|(name, pages)| {
        let table = tables.iter().find(|table| table.name == name);
        let columns: Vec<&str> = table.iter().flat_map(|table| table.columns).map(|column| column.name).collect();
        let description = table.and_then(|table| table.description).unwrap_or_default();
        json!([name, description, pages, columns.join(" ")]).to_string()
    });
    let mut shards = vec![String::new()];
    for entry in entries {
        if shards.last().is_some_and(|shard| shard.len() + entry.len() > SHARD && !shard.is_empty()) {
            shards.push(String::new());
        }
        let shard = shards.last_mut().expect("there is one");
        shard.push_str(if shard.is_empty() { "" } else { "," });
        shard.push_str(&entry);
    }
    let count = shards.len();
    for (index, shard) in shards.iter().enumerate() {
        let text = packed(&format!("[{shard}]"));
        site.write(&format!("search/{index}.js"), &format!("tidemark.index({count}, \"{text}\");\n"))?;
    }
    Ok(())
}
