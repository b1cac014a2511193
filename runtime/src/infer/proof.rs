//! Proves a schema: the generator reads it, and the engine reads every row with it.

use std::collections::BTreeSet;

use generator::diagnostic::Code;

use super::inputs::Version;
use crate::change_set::LineSink;
use crate::delta::Delta;
use crate::engine::{Engines, Limits};
use crate::error::{Error, ErrorKind, Result};
use crate::schemas;
use crate::table::Table;
use crate::telemetry::Watch;

/// What is wrong with a schema.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It reads every row of every version, as an earlier pass has shown.
    Proved,
    /// The same, and the rows were read for that.
    ProvedAgain,
    /// It is not for Athena.
    NotForAthena,
    /// These columns have values that their types cannot read.
    Unreadable(BTreeSet<String>),
}

/// The operations of a proof are not kept.
struct Discarded;

impl LineSink for Discarded {
    fn write(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Reads the schema, and every version with it, unless it is the one that has read them: `proved` is its hash.
pub(super) fn prove<'a>(
    yaml: &str,
    versions: impl Iterator<Item = &'a Version>,
    proved: Option<&str>,
    watch: &Watch,
) -> Result<Verdict> {
    let table = match generator::parse(yaml) {
        Ok(model) => schemas::table(&model),
        Err(diagnostics) if diagnostics.iter().all(|one| one.code == Code::NotForAthena) => {
            return Ok(Verdict::NotForAthena);
        }
        Err(diagnostics) => {
            let first = diagnostics.first().map_or("", |diagnostic| &diagnostic.message);
            return Err(Error::refused("", format!("the schema that was inferred is not valid: {first}"))
                .help("this is a bug; please report it with the beginning of the file"));
        }
    };
    if proved == Some(table.schema) {
        return Ok(Verdict::Proved);
    }
    let mut unreadable = BTreeSet::new();
    for version in versions {
        match read(table, version, watch) {
            Ok(()) => watch.version_done(),
            Err(error) if error.kind() == ErrorKind::Rejected => {
                let offenders = error.rejects().into_iter().flat_map(|rejects| &rejects.offenders);
                let columns: BTreeSet<String> = offenders.filter_map(|offender| offender.column.clone()).collect();
                if columns.is_empty() {
                    return Err(error);
                }
                unreadable.extend(columns);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(if unreadable.is_empty() { Verdict::ProvedAgain } else { Verdict::Unreadable(unreadable) })
}

fn read(table: &'static Table, version: &Version, watch: &Watch) -> Result<()> {
    let delta = Delta {
        table,
        tenant: "-".into(),
        version: "snapshot".into(),
        previous: "baseline".into(),
        baseline: None,
        snapshot: version.export.clone(),
        engines: Engines::default(),
        limits: Limits::default(),
        hmac_key: None,
    };
    delta.run_into(&mut Discarded, watch).map(|_| ())
}
