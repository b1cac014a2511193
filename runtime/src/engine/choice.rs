//! Which engine computes a delta.
//!
//! Both give the same result, so only cost matters. The native engine costs no more than the machine that it runs on.
//! Athena has no size limit, takes seconds at least, and is paid by the bytes it reads.

use super::athena;
use super::native;
use super::request::{DeltaError, DeltaRequest, DeltaSummary};
use crate::change_set::LineSink;
use crate::error::Error;
use crate::invocation::command;
#[cfg(feature = "aws")]
use crate::table::Table;

/// How long the native engine may take, in seconds: two thirds of the fifteen minutes that a Lambda function may run
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const SECONDS: u64 = 600;

/// How many compressed bytes the native engine reads per second, at least. The slowest case in `docs/performance.md`
/// (exports in no order, read twice on two processors) reads 80 million from a disk; a function reads from S3.
const BYTES_PER_SECOND: u64 = 20_000_000;

/// The largest pair of exports that the native engine computes by default: 12 GB, compressed. With the 40 bytes per row
/// of the benchmarks that is 300 million rows, which need 7 GB of temporary files at 24 bytes each; a function has up
/// to 10 GB.
pub const NATIVE_BYTES: u64 = SECONDS * BYTES_PER_SECOND;

/// The user's choice of engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// In this process.
    Native,
    /// On Athena. Exports must be in S3.
    Athena,
    /// Native up to [`NATIVE_BYTES`]; larger exports on Athena, if it can read them.
    #[default]
    Auto,
    /// Native up to this compressed size in bytes; larger exports on Athena. If Athena cannot read them, the delta is
    /// refused, because a Lambda function would run out of time.
    Bounded(u64),
}

/// The available engines, and the choice between them.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// The user's choice.
    pub choice: Choice,
    /// Athena, if it is configured.
    #[cfg(feature = "aws")]
    pub athena: Option<athena::Athena>,
}

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Native,
    Athena,
}

impl Engines {
    /// The engines of a program that does not reach Athena.
    pub(crate) fn without_athena(choice: Choice) -> Self {
        Self {
            choice,
            #[cfg(feature = "aws")]
            athena: None,
        }
    }

    /// Computes a delta, waiting for Athena where that computes it. Writes one line per operation to `lines`, in no
    /// particular order.
    pub fn delta(&self, request: &DeltaRequest<'_>, lines: &mut dyn LineSink) -> Result<DeltaSummary, DeltaError> {
        match self.pick(request)? {
            Engine::Native => native::delta(request, lines),
            #[cfg(feature = "aws")]
            Engine::Athena => self.athena()?.delta(request, lines),
            #[cfg(not(feature = "aws"))]
            Engine::Athena => Err(DeltaError::snapshot(Error::without_aws("Athena"))),
        }
    }

    /// Returns whether Athena is configured and can read the table.
    #[cfg(feature = "aws")]
    pub fn may_ask_athena(&self, table: &Table) -> bool {
        self.has_athena() && self.has_statements(table.name)
    }

    #[cfg(feature = "aws")]
    pub(super) fn athena(&self) -> Result<&athena::Athena, DeltaError> {
        self.athena.as_ref().ok_or_else(|| DeltaError::snapshot(Error::without_aws("Athena")))
    }

    pub(super) fn pick(&self, request: &DeltaRequest<'_>) -> Result<Engine, DeltaError> {
        if self.choice == Choice::Native || (self.choice == Choice::Auto && !self.has_athena()) {
            return Ok(Engine::Native);
        }
        let size = request.inputs.size();
        match (self.obstacle(request), self.choice) {
            (Some(error), Choice::Athena) => Err(DeltaError::snapshot(error)),
            (None, Choice::Athena) => Ok(Engine::Athena),
            (None, Choice::Auto) if size > NATIVE_BYTES => Ok(Engine::Athena),
            (None, Choice::Bounded(max_bytes)) if size > max_bytes => Ok(Engine::Athena),
            (Some(error), Choice::Bounded(max_bytes)) if size > max_bytes => Err(DeltaError::snapshot(error)),
            _ => Ok(Engine::Native),
        }
    }

    /// Why Athena cannot compute this delta, if it cannot.
    fn obstacle(&self, request: &DeltaRequest<'_>) -> Option<Error> {
        let (table, inputs) = (request.layout.table.name, request.inputs);
        if !self.has_statements(table) {
            return Some(athena::not_for_athena(table));
        }
        let mut exports = inputs.baseline.into_iter().chain([inputs.snapshot]);
        if let Some(export) = exports.find(|export| export.folder.s3().is_none()) {
            return Some(
                Error::refused(&export.label, "the export is on this machine, but Athena reads only from S3")
                    .help("give its s3:// URI, or use --engine native"),
            );
        }
        let baseline = inputs.baseline.filter(|baseline| baseline.epoch.is_some())?;
        let table_path = format!("{}/{}", request.head.tenant, request.head.table);
        let problem = "the baseline was read with an earlier schema, which only the native engine can read";
        Some(Error::refused(&baseline.label, problem).help(format!(
            "use --engine native for this version, or publish it in full: {}",
            command(&[&"resync", &table_path])
        )))
    }

    #[cfg(feature = "aws")]
    fn has_athena(&self) -> bool {
        self.athena.is_some()
    }

    #[cfg(not(feature = "aws"))]
    fn has_athena(&self) -> bool {
        false
    }

    #[cfg(feature = "aws")]
    fn has_statements(&self, table: &str) -> bool {
        self.athena.as_ref().is_none_or(|athena| athena.statements(table).is_some())
    }

    #[cfg(not(feature = "aws"))]
    fn has_statements(&self, _: &str) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_size_limit_is_as_documented() {
        assert_eq!(NATIVE_BYTES, 12_000_000_000);
    }
}
