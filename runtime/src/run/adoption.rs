//! Whose output it is: sequences must never fall behind what consumers may have seen.
//!
//! A registry can be lost, restored from an older copy, or another one than yesterday's. Each output remembers who
//! publishes into it, so a registry that is behind is refused before it plans anything, and goes on only where it
//! adopts the output: above the highest sequence found, in full, under a reset.

use std::fmt;

use super::report::Outcome;
use super::runner::Runner;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::sink::{Mark, PublishedVersion, Sink};
use crate::store::{Decision, Lease, Version};

/// Why an output is not this registry's.
enum Foreign {
    /// Another registry publishes there.
    OtherRegistry(Mark),
    /// This registry has published more than it knows: it was restored from an older copy.
    Restored(Mark),
    /// This version was published there, but not by this registry.
    Unknown(PublishedVersion),
}

impl Runner {
    /// Checks that nobody else publishes the table into this output. If somebody does, adopts the output and returns
    /// the outcome, or fails if that was not asked for.
    pub(super) fn adopt_if_foreign(&self, lease: &Lease, version: &Version) -> Result<Option<Outcome>> {
        for sink in self.sinks.iter() {
            if let Some(foreign) = self.foreign(sink, lease, version)? {
                return match &self.adopt {
                    Some(decision) => self.adopt_output(sink, lease, &foreign, decision).map(Some),
                    None => Err(self.refuse(sink, lease, &foreign)),
                };
            }
        }
        Ok(None)
    }

    fn foreign(&self, sink: &dyn Sink, lease: &Lease, version: &Version) -> Result<Option<Foreign>> {
        let key = &lease.key;
        let Some(mark) = sink.mark(key)? else { return self.unknown(sink, lease) };
        if mark.registry != self.registry.id() {
            return Ok(Some(Foreign::OtherRegistry(mark)));
        }
        if mark.fence <= lease.fence && mark.sequence <= self.registry.last_sequence(key)? {
            return Ok(None);
        }
        // A run that has lost its lease finds its successor's mark, too.
        if self.registry.renew(lease)? { Ok(Some(Foreign::Restored(mark))) } else { Err(lease.lost(version)) }
    }

    /// Finds a version in an output without a mark that this registry did not publish. If there is none, an earlier
    /// release published into it, which left no mark.
    fn unknown(&self, sink: &dyn Sink, lease: &Lease) -> Result<Option<Foreign>> {
        let published = sink.published(&lease.key)?;
        if published.is_empty() {
            return Ok(None);
        }
        let versions = self.registry.versions(&lease.key)?;
        let is_known = |published: &PublishedVersion| {
            let same = |version: &Version| version.version == published.version;
            versions.iter().any(|version| same(version) && version.sequence == Some(published.sequence))
        };
        Ok(published.into_iter().find(|published| !is_known(published)).map(Foreign::Unknown))
    }

    /// Makes the output this registry's own. The mark comes last: until it is there, the output is adopted again.
    fn adopt_output(&self, sink: &dyn Sink, lease: &Lease, foreign: &Foreign, decision: &Decision) -> Result<Outcome> {
        let key = &lease.key;
        let marked = sink.mark(key)?.map(|mark| mark.sequence);
        let published = sink.published(key)?.into_iter().map(|published| published.sequence);
        let highest = published.chain(marked).chain([self.registry.last_sequence(key)?]).max().unwrap_or_default();
        self.registry.adopt(lease, highest, decision, &foreign.to_string())?;
        let mark = Mark { registry: self.registry.id().into(), sequence: highest, fence: lease.fence, plan: None };
        sink.adopt(key, &mark)?;
        Ok(Outcome::adopted(key, highest))
    }

    fn refuse(&self, sink: &dyn Sink, lease: &Lease, foreign: &Foreign) -> Error {
        let first = match foreign {
            Foreign::OtherRegistry(_) | Foreign::Unknown(_) => "use that registry (--state, --store), or another --out",
            Foreign::Restored(_) => "use a newer copy of the registry",
        };
        let root = self.exports.root().unwrap_or_else(|_| "DIR".into());
        let output = format!("{}/{}", sink.display_name(), lease.key);
        Error::refused(output, format!("{foreign}; nothing was published")).help(format!(
            "{first}. If there is none, go on above all sequences, with the next version in full: \
             {}",
            command(&[&"run", &root, &"--adopt"])
        ))
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::OtherRegistry(Mark { registry, sequence, .. }) => {
                write!(f, "another registry ({registry}) publishes there; its last sequence is {sequence}")
            }
            Foreign::Restored(Mark { sequence, .. }) => write!(
                f,
                "this registry published up to sequence {sequence} and does not know of it: it was restored from an \
                 older copy"
            ),
            Foreign::Unknown(PublishedVersion { version, sequence }) => {
                write!(f, "another registry published {version} there, under sequence {sequence}")
            }
        }
    }
}
