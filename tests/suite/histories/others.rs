//! Others at the same output at the same time: a second registry, and a second run of the same one.

use std::process::{Child, Output, Stdio};

use proptest::test_runner::TestCaseError;

use super::model::{CaseResult, History};
use crate::breakpoints::ONE_HOUR_AHEAD;
use crate::workspace::files;

impl History {
    /// A run with another registry, or two runs at once.
    pub(super) fn let_others_run(&mut self, are_of_this_registry: bool) -> CaseResult {
        if are_of_this_registry { self.race() } else { self.intrude() }
    }

    /// Another registry publishes nothing where this one has published.
    fn intrude(&mut self) -> CaseResult {
        if !self.workspace.path("out/.writing/acme/t/mark.json").exists() {
            return Ok(());
        }
        let before = files(&self.workspace.path("out"));
        let output = self.workspace.tidemark_with_env(&["run", "exports", "--state", "other"], &[ONE_HOUR_AHEAD]);
        if output.status > 1 || files(&self.workspace.path("out")) != before {
            let transcript = output.transcript();
            return Err(TestCaseError::fail(format!("another registry changed the output, or failed: {transcript}")));
        }
        Ok(())
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
