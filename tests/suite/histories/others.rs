//! Others at the same output at the same time: a second registry, and a second run of the same one.

use std::process::{Child, Output, Stdio};

use proptest::test_runner::TestCaseError;
use serde_json::Value;

use super::model::{CaseResult, History};
use crate::breakpoints::ONE_HOUR_AHEAD;
use crate::workspace::files;

/// Who else is at the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Two runs of this registry race.
    Run,
    /// A second registry runs.
    Registry,
    /// The second registry runs, and adopts the output.
    Adopter,
}

/// The folder of the second registry.
const OTHER: &str = "other";

const MARK: &str = "out/.writing/acme/t/mark.json";

impl History {
    pub(super) fn let_others_run(&mut self, who: Others) -> CaseResult {
        match who {
            Others::Run => self.race(),
            Others::Registry => self.intrude(&["run", "exports", "--state", OTHER]),
            Others::Adopter => {
                // The model takes it that a publication ends as it began.
                self.run()?;
                self.observe()?;
                match self.versions().iter().any(|version| version.status == "PUBLISHING") {
                    true => Ok(()),
                    false => self.intrude(&["run", "exports", "--state", OTHER, "--adopt"]),
                }
            }
        }
    }

    /// Another registry publishes nothing where this one has published, unless it has adopted the output. Then this one
    /// publishes nothing until it adopts it, too.
    fn intrude(&mut self, arguments: &[&str]) -> CaseResult {
        let Some(owner) = self.owner() else { return Ok(()) };
        let before = files(&self.workspace.path("out"));
        let output = self.workspace.tidemark_with_env(arguments, &[ONE_HOUR_AHEAD]);
        let failed = |what: &str, transcript: String| Err(TestCaseError::fail(format!("{what}: {transcript}")));
        if output.status > 1 {
            return failed("another registry failed", output.transcript());
        }
        let after = files(&self.workspace.path("out"));
        if self.owner().as_ref() == Some(&owner) && !self.has_adopted() {
            return if before == after { Ok(()) } else { failed("another registry published", output.transcript()) };
        }
        self.adopts = true;
        self.intrusions += 1;
        let sequences = self.versions_in(OTHER).into_iter().filter_map(|version| version.sequence);
        self.floor = sequences.max().unwrap_or_default().max(self.floor);
        let refused = self.workspace.tidemark_with_env(&["run", "exports"], &[ONE_HOUR_AHEAD]);
        if refused.status > 1 || files(&self.workspace.path("out")) != after {
            return failed("a registry whose output was adopted published, or failed", refused.transcript());
        }
        Ok(())
    }

    /// The consumer also reads what the second registry has published.
    pub(super) fn observe_other(&mut self) -> CaseResult {
        let mut versions = self.versions_in(OTHER);
        versions.retain(|version| ["SUCCEEDED", "RETIRED"].contains(&version.status.as_str()));
        versions.sort_by_key(|version| version.sequence);
        versions.iter().try_for_each(|version| {
            let records = self.records(version);
            self.consumer.read(&records).map_err(TestCaseError::fail)
        })
    }

    /// The registry that publishes into the output; `None` before the first publication.
    fn owner(&self) -> Option<String> {
        let mark: Value = serde_json::from_slice(&std::fs::read(self.workspace.path(MARK)).ok()?).ok()?;
        mark["registry"].as_str().map(Into::into)
    }

    /// Returns whether the second registry publishes into the output.
    fn has_adopted(&self) -> bool {
        let registry = rusqlite::Connection::open(self.workspace.path(&format!("{OTHER}/registry.sqlite"))).unwrap();
        let id = registry.query_row("SELECT value FROM settings WHERE name = 'id'", [], |row| row.get(0));
        id.ok() == self.owner()
    }

    /// Of two runs at once, either one or both publish, each version once.
    fn race(&mut self) -> CaseResult {
        let start = |_| {
            let mut command = self.workspace.command(&self.arguments());
            let (name, value) = ONE_HOUR_AHEAD;
            command.env(name, value).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs: Vec<Child> = (0..2).map(start).collect();
        let outputs: Vec<Output> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
        match outputs.iter().find(|output| output.status.code().is_none_or(|status| status > 1)) {
            None => Ok(()),
            Some(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                Err(TestCaseError::fail(format!("one of two runs: {stderr}")))
            }
        }
    }
}
