//! The tables of a deployment: `infra/deploy` puts their schemas into the archive of each function, next to the
//! program.
//!
//! A function reads a schema when it first needs the table, so that it starts as fast with a thousand tables as with
//! one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use generator::model;
use generator::source::SCHEMAS;

use crate::engine::athena::{StatementSource, Statements};
use crate::error::{Error, Result};
use crate::lambda::environment::optional;
use crate::schemas::{self, Problem};
use crate::table::Table;

/// The tables that are deployed, by name.
#[derive(Debug)]
pub(super) struct Tables {
    folder: PathBuf,
    by_name: BTreeMap<String, Deployed>,
}

/// A table, as far as it was needed.
#[derive(Debug, Default)]
struct Deployed {
    table: OnceLock<[&'static Table; 1]>,
    /// `None` if Athena cannot read the table.
    statements: OnceLock<Option<Statements>>,
}

impl Tables {
    /// The tables in the archive of this function.
    pub(super) fn deployed() -> Result<&'static Self> {
        let root = optional("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".into());
        Ok(Box::leak(Box::new(Self::list(&Path::new(&root).join(SCHEMAS))?)))
    }

    fn list(folder: &Path) -> Result<Self> {
        let help = "deploy with `infra/deploy`, which adds the schemas to the archive of the function";
        let cannot_list = |error| Error::io(error, "cannot list", folder).help(help);
        let mut by_name = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(cannot_list)? {
            let path = entry.map_err(cannot_list)?.path();
            if let (Some(name), Some("yaml")) =
                (path.file_stem().and_then(OsStr::to_str), path.extension().and_then(OsStr::to_str))
            {
                by_name.insert(name.to_owned(), Deployed::default());
            }
        }
        Ok(Self { folder: folder.to_owned(), by_name })
    }

    /// The names of all tables, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Returns whether a table is deployed.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The definition of a table, if it is deployed.
    pub(super) fn find(&'static self, name: &str) -> Result<Option<&'static Table>> {
        Ok(self.only(name)?.first().copied())
    }

    /// The definition of a table as a list; an empty one if it is not deployed.
    pub(super) fn only(&'static self, name: &str) -> Result<&'static [&'static Table]> {
        let Some(deployed) = self.by_name.get(name) else { return Ok(&[]) };
        if let Some(table) = deployed.table.get() {
            return Ok(table);
        }
        let model = self.read(name)?;
        Ok(deployed.table.get_or_init(|| [schemas::table(&model)]))
    }

    /// The generator has accepted every schema before it was deployed, so a mistake is one of the deployment.
    fn read(&self, name: &str) -> Result<model::Table> {
        schemas::read_one(&self.folder, name).map_err(|problem| {
            let message = match problem {
                Problem::Unreadable(error) => error.to_string(),
                Problem::Mistakes(_, mistakes) => {
                    mistakes.into_iter().map(|mistake| mistake.message).collect::<Vec<_>>().join("; ")
                }
                Problem::Empty => "it describes no table".into(),
            };
            let path = self.folder.join(format!("{name}.yaml"));
            Error::io(io::Error::other(message), "cannot read the schema", &path)
                .help("run the generator, which shows what is wrong, and deploy again")
        })
    }
}

impl StatementSource for &'static Tables {
    fn statements(&self, table: &str) -> Option<Statements> {
        let deployed = self.by_name.get(table)?;
        let statements = deployed.statements.get_or_init(|| {
            let model = self.read(table).ok()?;
            model.athena.then(|| schemas::statements(&model))
        });
        *statements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schemas of a folder with these files, which is never removed before the process ends.
    fn tables(files: &[(&str, &str)]) -> &'static Tables {
        let folder = tempfile::tempdir().unwrap().keep();
        files.iter().for_each(|(name, yaml)| fs::write(folder.join(name), yaml).unwrap());
        Box::leak(Box::new(Tables::list(&folder).unwrap()))
    }

    fn schema(table: &str, more: &str) -> String {
        format!("{{ table: {table}, primary_key: [id], columns: [{{ name: id, type: int }}]{more} }}")
    }

    #[test]
    fn a_schema_is_read_when_its_table_is_needed_and_a_mistake_concerns_no_other_table() {
        let tables = tables(&[
            ("orders.yaml", &schema("orders", "")),
            ("local.yaml", &schema("local", ", engine: { athena: false }")),
            ("broken.yaml", "{ table: broken }"),
            ("other.yaml", &schema("another", "")),
            ("table.schema.json", "{}"),
        ]);
        assert_eq!(tables.names().collect::<Vec<_>>(), ["broken", "local", "orders", "other"]);
        assert_eq!(tables.find("orders").unwrap().unwrap().name, "orders");
        assert_eq!(tables.only("orders").unwrap().len(), 1);
        assert!(tables.find("unknown").unwrap().is_none() && tables.only("unknown").unwrap().is_empty());
        for (name, expected) in [("broken", "`primary_key`"), ("other", "`another`")] {
            let error = tables.find(name).unwrap_err();
            assert_eq!(error.fault(), crate::error::Fault::Machine);
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(tables.statements("orders").unwrap().table, "orders");
        assert_eq!(tables.statements("local"), None);
    }

    #[test]
    fn a_function_without_schemas_says_how_they_get_there() {
        let error = Tables::list(Path::new("/nonexistent/schemas")).unwrap_err();
        assert!(error.next_step().unwrap().contains("infra/deploy"), "{error}");
    }
}
