//! Several sinks, each with its own progress.

use flate2::Compression;

use super::Sink;
use crate::error::Result;
use crate::plan::Demand;
use crate::store::Progress;

/// Where a run publishes: one sink, or several.
#[derive(Debug)]
pub struct Sinks(Vec<Box<dyn Sink>>);

impl Sinks {
    /// These sinks, of which there is at least one.
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        assert!(!sinks.is_empty(), "a run publishes somewhere");
        Self(sinks)
    }

    /// One after the other, in the order in which they were named.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Sink> {
        self.0.iter().map(|sink| &**sink)
    }

    /// Does something with each sink. One that fails does not keep the others from it; the first error is returned.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&dyn Sink) -> Result<()>) -> Result<()> {
        let mut first = Ok(());
        for sink in self.iter() {
            match (each(sink), &first) {
                (Err(error), Ok(())) => first = Err(error),
                (Err(error), Err(_)) => tracing::warn!(sink = sink.name(), %error, "Another sink failed, too."),
                (Ok(()), _) => {}
            }
        }
        first
    }

    /// The size of the largest operation that every sink accepts, in bytes; `None` if there is no limit.
    pub(crate) fn max_operation_bytes(&self) -> Result<Option<usize>> {
        let limits: Vec<Option<usize>> = self.iter().map(Sink::max_operation_bytes).collect::<Result<_>>()?;
        Ok(limits.into_iter().flatten().min())
    }

    /// What the sinks demand of operations.
    pub(crate) fn demands(&self) -> Vec<Demand> {
        self.iter().filter_map(Sink::demand).collect()
    }

    /// How much a change set is compressed for all of them.
    pub(crate) fn compression(&self) -> Compression {
        self.iter().map(Sink::compression).max_by_key(Compression::level).unwrap_or_default()
    }

    /// What the registry records once a version of so many parts is in every sink.
    pub(crate) fn progress(&self, parts: u32) -> Progress {
        let mut names = self.iter().map(Sink::name);
        let sink = names.next().unwrap_or_default();
        Progress { sink, parts, also: names.collect() }
    }

    /// Where things are, as sentences for people.
    pub(crate) fn summary(&self) -> String {
        let (rows, operations): (Vec<&dyn Sink>, Vec<&dyn Sink>) = self.iter().partition(|sink| sink.holds_rows());
        let sentence = |what: &str, sinks: &[&dyn Sink]| {
            let names: Vec<String> = sinks.iter().map(|sink| sink.display_name()).collect();
            (!names.is_empty()).then(|| format!("{what} are in {}.", names.join(" and ")))
        };
        let sentences = [sentence("Operations", &operations), sentence("Rows", &rows)];
        sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}
