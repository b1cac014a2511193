//! Whose output it is: sequences must never fall behind what consumers may have seen.
//!
//! A registry can be lost, restored from an older copy, or another one than yesterday's. Each output remembers who
//! publishes into it, so a registry that is behind is refused before it plans anything, and goes on only where it
//! adopts the output: above the highest sequence found, in full, under a reset.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;

use super::report::Outcome;
use super::runner::Runner;
use crate::breakpoint::Breakpoint;
use crate::clock;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::TableKey;
use crate::sink::{Mark, PublishedVersion, Sink};
use crate::store::{Decision, Lease, Version};

/// Why an output is not this registry's.
pub(super) enum Foreign {
    /// Another registry publishes there.
    OtherRegistry(Mark),
    /// This registry has published more than it knows: it was restored from an older copy.
    Restored(Mark),
    /// This version was published there, but not by this registry.
    Unknown(PublishedVersion),
    /// This registry has published there up to a sequence of which the output knows nothing: the output is gone, or was
    /// restored from an older copy, perhaps together with the registry.
    Behind { published: u64, mark: Option<Mark> },
}

impl Runner {
    /// Checks that nobody else publishes the table into this output. If somebody does, adopts the output and returns
    /// the outcome, or fails if that was not asked for.
    pub(super) fn adopt_if_foreign(&self, lease: &Lease, version: &Version) -> Result<Option<Outcome>> {
        for sink in self.sinks.iter() {
            if let Some(foreign) = self.foreign_under(sink, lease, version)? {
                return match &self.adopt {
                    Some(decision) => self.adopt_output(sink, lease, &foreign, decision).map(Some),
                    None => Err(self.refuse(sink, &lease.key, &foreign)),
                };
            }
        }
        Ok(None)
    }

    /// Checks that nobody else publishes the table into any output.
    #[cfg(feature = "aws")]
    pub(crate) fn check_outputs(&self, lease: &Lease, version: &Version) -> Result<()> {
        for sink in self.sinks.iter() {
            if let Some(foreign) = self.foreign_under(sink, lease, version)? {
                return Err(self.refuse(sink, &lease.key, &foreign));
            }
        }
        Ok(())
    }

    /// Checks that a version may be published again. An output that has lost what was published there gets it back
    /// that way.
    pub(super) fn check_replay(&self, lease: &Lease, version: &Version) -> Result<()> {
        for sink in self.sinks.iter() {
            match self.foreign_under(sink, lease, version)? {
                None | Some(Foreign::Behind { .. }) => {}
                Some(foreign) => return Err(self.refuse(sink, &lease.key, &foreign)),
            }
        }
        Ok(())
    }

    fn foreign_under(&self, sink: &dyn Sink, lease: &Lease, version: &Version) -> Result<Option<Foreign>> {
        match self.foreign(sink, &lease.key, Some(lease.fence))? {
            // A run that has lost its lease finds its successor's mark, too.
            Some(Foreign::Restored(_)) if !self.registry.renew(lease)? => Err(lease.lost(version)),
            foreign => Ok(foreign),
        }
    }

    /// Why a table's output is not this registry's; `None` if it is. `fence` is that of the lease, if it is held.
    pub(super) fn foreign(&self, sink: &dyn Sink, key: &TableKey, fence: Option<u64>) -> Result<Option<Foreign>> {
        if !sink.holds_marks() {
            return Ok(None);
        }
        // Read before the mark, which is raised before the registry knows that a version is published.
        let published = self.published_there(sink, key)?;
        let mark = sink.mark(key)?;
        let Some(mark) = mark else {
            let unmarked = sink.published(key)?;
            let is_of_earlier_release = !unmarked.is_empty() && unmarked.iter().all(|version| version.is_unmarked);
            return match published {
                Some(published) if !is_of_earlier_release => Ok(Some(Foreign::Behind { published, mark: None })),
                _ => self.unknown(key, unmarked),
            };
        };
        if mark.registry != self.registry.id() {
            return Ok(Some(Foreign::OtherRegistry(mark)));
        }
        if fence.is_some_and(|fence| mark.fence > fence) || mark.sequence > self.registry.last_sequence(key)? {
            return Ok(Some(Foreign::Restored(mark)));
        }
        let published = published.filter(|published| *published > mark.sequence);
        Ok(published.map(|published| Foreign::Behind { published, mark: Some(mark) }))
    }

    /// The sequence up to which this registry has published the table into this output; `None` if nothing, or if the
    /// registry was recovered since: then it goes on above everything in any case. Rows that are behind are brought up
    /// to date.
    fn published_there(&self, sink: &dyn Sink, key: &TableKey) -> Result<Option<u64>> {
        let Some(last) = self.registry.last_published(key)? else { return Ok(None) };
        let is_here = last.progress.as_ref().is_some_and(|progress| progress.sinks().any(|name| name == sink.name()));
        let is_recovered = self.registry.last_sequence(key)? > self.registry.state(key)?.sequence;
        Ok(last.sequence.filter(|_| is_here && !is_recovered && !sink.holds_rows()))
    }

    /// Finds the newest version in an output without a mark that this registry did not publish. If there is none, an
    /// earlier release published into it, which left no mark.
    fn unknown(&self, key: &TableKey, published: Vec<PublishedVersion>) -> Result<Option<Foreign>> {
        if published.is_empty() {
            return Ok(None);
        }
        let versions = self.registry.versions(key)?;
        let is_known = |published: &PublishedVersion| {
            let same = |version: &Version| version.version == published.version;
            versions.iter().any(|version| same(version) && version.sequence == Some(published.sequence))
        };
        let unknown = published.into_iter().filter(|published| !is_known(published));
        Ok(unknown.max_by_key(|published| published.sequence).map(Foreign::Unknown))
    }

    /// Makes the output this registry's own. The mark comes last: until it is there, the output is adopted again.
    fn adopt_output(&self, sink: &dyn Sink, lease: &Lease, foreign: &Foreign, decision: &Decision) -> Result<Outcome> {
        let key = &lease.key;
        let seen = foreign.mark();
        let marked = seen.map(|mark| mark.sequence);
        let published = sink.published(key)?.into_iter().map(|published| published.sequence);
        // Where the output knows less than consumers, only the time is above all that they may have seen.
        let now = matches!(foreign, Foreign::Behind { .. }).then(|| clock::now_ms().max(0).unsigned_abs());
        let known = published.chain(marked).chain(now).chain([self.registry.last_sequence(key)?]);
        // Above what a copy of this registry from before the adoption knows: restored, it must find itself behind.
        let highest = known.max().unwrap_or_default() + 1;
        self.registry.adopt(lease, highest, decision, &foreign.to_string())?;
        Breakpoint::Adopting.reached();
        let (registry, adoption) = (self.registry.id().into(), Some(RandomState::new().hash_one(highest)));
        let mark = Mark { registry, sequence: highest, fence: lease.fence, plan: None, adoption };
        sink.adopt(key, seen, &mark)?;
        Ok(Outcome::adopted(key, highest))
    }

    pub(super) fn refuse(&self, sink: &dyn Sink, key: &TableKey, foreign: &Foreign) -> Error {
        let root = self.exports.root().unwrap_or_else(|_| "DIR".into());
        let adopt = command(&[&"run", &root, &"--adopt"]);
        let output = format!("{}/{key}", sink.display_name());
        let first = match foreign {
            Foreign::OtherRegistry(_) | Foreign::Unknown(_) => {
                "use that registry (--state, --store), or another --out. If there is none, "
            }
            Foreign::Restored(_) => "use a newer copy of the registry. If there is none, ",
            Foreign::Behind { .. } => {
                "put the output back as it was. If it is gone, or the registry was restored with it, "
            }
        };
        let recover = match foreign {
            Foreign::Behind { .. } => format!("; or for all tables at once: {}", command(&[&"recover"])),
            _ => String::new(),
        };
        Error::refused(output, format!("{foreign}; nothing was published"))
            .help(format!("{first}go on above all sequences, with the next version in full: {adopt}{recover}"))
    }
}

impl Foreign {
    /// The mark that was seen, if there is one.
    fn mark(&self) -> Option<&Mark> {
        match self {
            Foreign::OtherRegistry(mark) | Foreign::Restored(mark) => Some(mark),
            Foreign::Behind { mark, .. } => mark.as_ref(),
            Foreign::Unknown(_) => None,
        }
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
            Foreign::Unknown(PublishedVersion { version, sequence, .. }) => {
                write!(f, "another registry published {version} there, under sequence {sequence}")
            }
            Foreign::Behind { published, mark: None } => write!(
                f,
                "this registry published there up to sequence {published}, and no mark of it is left: the output was \
                 removed or restored"
            ),
            Foreign::Behind { published, mark: Some(Mark { sequence, .. }) } => write!(
                f,
                "this registry published there up to sequence {published}, and the output knows only of {sequence}: it \
                 was restored from an older copy"
            ),
        }
    }
}
