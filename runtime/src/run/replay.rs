//! Publishing a version again.

use std::collections::BTreeMap;

use serde_json::json;

use super::runner::Runner;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::sink::Sink;
use crate::store::{Action, Decision, Version};
use crate::table::Table;
use crate::telemetry::check_stop;

impl Runner {
    /// Publishes a SUCCEEDED version again: the same operations, under the same ids and the same sequence.
    pub fn replay(&self, table: &'static Table, version: &Version, decision: &Decision) -> Result<()> {
        if !version.status.is_published() {
            let problem = format!("it is {}; only a version that SUCCEEDED can be replayed", version.status);
            return Err(Error::refused(version.to_string(), problem));
        }
        if let Some(reset) = self.reset_after(version)? {
            let problem = format!("{reset} was published in full after it, and replaces its operations");
            return Err(Error::refused(version.to_string(), problem)
                .help(format!("replay that one: {}", command(&[&"replay", &format!("{}/{reset}", version.key)]))));
        }
        if !self.changes.is_complete(version)? {
            let changes = self.changes.path(version, None);
            return Err(Error::refused(version.to_string(), format!("its change set {} is gone", changes.display()))
                .help("a consumer that lost it can start from the newest export with `delta TABLE none`"));
        }
        self.with_lease_or_refuse(version, |lease, _| {
            self.check_replay(lease, version)?;
            let names: Vec<String> = self.sinks.iter().map(Sink::name).collect();
            let details = json!({ "sequence": version.sequence, "sink": names.join(", ") });
            let entry = decision.entry(Action::Replay, &version.key, Some(&version.version), details);
            self.registry.append(&entry)?;
            let publication = self.publication(lease, table, version);
            self.sinks.for_each(|sink| sink.publish(publication, &BTreeMap::new(), &mut |_, _| check_stop()))
        })
    }

    /// The last version that was published in full after this one, if there is one.
    fn reset_after(&self, version: &Version) -> Result<Option<String>> {
        let is_reset = |other: &&Version| other.plan.as_ref().is_some_and(|plan| plan.reset.is_some());
        let versions = self.registry.versions(&version.key)?;
        let mut later = versions.iter().filter(|other| other.sequence > version.sequence);
        Ok(later.rfind(is_reset).map(|reset| reset.version.clone()))
    }
}
