//! Which engine computes a delta.
//!
//! Both find the same, so that the choice is one of cost alone. The native engine costs nothing beside the machine that
//! runs it; Athena has no largest export, begins in seconds at best, and is paid by the byte.

use super::{DeltaProgress, Failed, Inputs, Resources, Side, WaitMode, athena, native};
use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::DeltaSummary;
use crate::error::Error;
use crate::operation::Head;
#[cfg(feature = "aws")]
use crate::table::Table;
use crate::telemetry::Watch;

/// How long the native engine may take, in seconds: two thirds of the fifteen minutes that a Lambda function has
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const SECONDS: u64 = 600;

/// How many compressed bytes it reads in a second at least: the slowest of the measurements in `docs/performance.md`
/// (exports in no order, read twice on two processors) did 80 million, and a function reads from S3 instead of a disk.
const BYTES_PER_SECOND: u64 = 20_000_000;

/// The largest pair of exports that is left to the native engine, in compressed bytes: 12 GB. At the 40 bytes a row of the
/// benches that is 300 million rows, whose 24 bytes each make 7 GB of temporary files; a function can have 10.
pub const NATIVE_BYTES: u64 = SECONDS * BYTES_PER_SECOND;

/// What the user says about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// In this process.
    Native,
    /// On Athena; exports must lie in S3.
    Athena,
    /// Native up to 12 GB of compressed exports, Athena beyond where it can read them.
    #[default]
    Auto,
    /// The same with a size of one's own, in compressed bytes; and what is larger and not for Athena is not tried: a
    /// Lambda function would not end.
    Bounded(u64),
}

/// The engines there are, and which of them to take.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    /// What the user says.
    pub choice: Choice,
    /// Athena; `None` where nobody said how to reach it.
    #[cfg(feature = "aws")]
    pub athena: Option<athena::Athena>,
}

/// An engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Native,
    Athena,
}

impl Engines {
    /// Computes the delta and gives each operation's line to `lines`, in no particular order.
    pub fn delta(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: Inputs<'_>,
        room: Resources<'_>,
        watch: &Watch,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaSummary, Failed> {
        match self.turn(layout, head, inputs, (room, WaitMode::Here), watch, lines)? {
            DeltaProgress::Finished(found) => Ok(*found),
            DeltaProgress::Running(_) => unreachable!("it is waited for here"),
        }
    }

    /// The same, waited for as somebody wants it.
    pub fn turn(
        &self,
        layout: &Layout,
        head: &Head,
        inputs: Inputs<'_>,
        (room, waiting): (Resources<'_>, WaitMode<'_>),
        watch: &Watch,
        lines: &mut dyn LineSink,
    ) -> Result<DeltaProgress, Failed> {
        let failed = |error| Failed { side: Side::Snapshot, error };
        let found = |found| DeltaProgress::Finished(Box::new(found));
        let engine = match waiting {
            WaitMode::InTurns { begun: Some(_), .. } => Engine::Athena,
            _ => self.pick(layout, inputs).map_err(failed)?,
        };
        match engine {
            Engine::Native => native::delta(layout, head, inputs, room, watch, lines).map(found),
            #[cfg(feature = "aws")]
            Engine::Athena => {
                let athena = self.athena.as_ref().ok_or_else(|| failed(Error::without_aws("Athena")))?;
                match waiting {
                    WaitMode::Here => athena.delta(layout, head, inputs, watch, lines).map(found),
                    WaitMode::InTurns { run, begun, most } => {
                        athena.turn(layout, head, inputs, (run, begun, most), watch, lines)
                    }
                }
            }
            #[cfg(not(feature = "aws"))]
            Engine::Athena => Err(failed(Error::without_aws("Athena"))),
        }
    }

    /// Whether Athena is there and the table is for it.
    #[cfg(feature = "aws")]
    pub fn may_ask_athena(&self, table: &Table) -> bool {
        self.has_athena() && self.has_statements(table.name)
    }

    fn pick(&self, layout: &Layout, inputs: Inputs<'_>) -> Result<Engine, Error> {
        if self.choice == Choice::Native || (self.choice == Choice::Auto && !self.has_athena()) {
            return Ok(Engine::Native);
        }
        match (self.hindrance(layout, inputs), self.choice) {
            (Some(error), Choice::Athena) => Err(error),
            (None, Choice::Athena) => Ok(Engine::Athena),
            (None, Choice::Auto) if inputs.size() > NATIVE_BYTES => Ok(Engine::Athena),
            (None, Choice::Bounded(most)) if inputs.size() > most => Ok(Engine::Athena),
            (Some(error), Choice::Bounded(most)) if inputs.size() > most => Err(error),
            _ => Ok(Engine::Native),
        }
    }

    /// Why Athena cannot compute this delta, if it cannot.
    fn hindrance(&self, layout: &Layout, inputs: Inputs<'_>) -> Option<Error> {
        if !self.has_statements(layout.table.name) {
            return Some(athena::not_for_athena(layout.table.name));
        }
        let exports = [inputs.baseline, Some(inputs.snapshot)];
        let elsewhere = exports.into_iter().flatten().find(|export| export.folder.s3().is_none());
        if let Some(export) = elsewhere {
            let problem = "Athena reads from S3, and this export is on this machine";
            return Some(
                Error::refused(&export.label, problem).help("name it by its s3:// URI, or take --engine native"),
            );
        }
        let baseline = inputs.baseline.filter(|baseline| baseline.epoch.is_some())?;
        let problem = "the baseline was read by another schema than today's, which only the native engine can do";
        Some(
            Error::refused(&baseline.label, problem)
                .help("take --engine native for this version; or publish it whole: cargo tidemark resync TENANT/TABLE"),
        )
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
    fn the_largest_native_delta_is_what_the_documentation_says() {
        assert_eq!(NATIVE_BYTES, 12_000_000_000);
    }
}
