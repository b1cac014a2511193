//! Decisions, and what the journal says of them.

use proptest::test_runner::TestCaseError;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::model::{CaseResult, History};
use crate::breakpoints::ONE_HOUR_AHEAD;

/// What runs write into the journal, whoever starts them.
const FINDINGS: [&str; 2] = ["hold", "fail"];

impl History {
    /// Makes a decision. The journal must keep what it has, and have an entry if something was decided.
    pub(super) fn decide(&self, arguments: &[&str]) -> CaseResult {
        let (journal, status) = (self.journal(), self.status_of(arguments[1]));
        let output = self.workspace.tidemark_with_env(arguments, &[ONE_HOUR_AHEAD]);
        let problem = |problem: &str| {
            let journal = self.journal();
            Err(TestCaseError::fail(format!("{arguments:?}: {problem}: {journal:?}\n{}", output.transcript())))
        };
        if output.status > 1 {
            return problem("it failed");
        }
        let now = self.journal();
        let Some(added) = now.strip_prefix(journal.as_slice()) else {
            return problem("the journal lost or changed entries");
        };
        let is_decision = |entry: &&Value| !FINDINGS.iter().any(|finding| entry["action"] == *finding);
        let decisions: Vec<&Value> = added.iter().filter(is_decision).collect();
        let version = json!(arguments[1].strip_prefix("acme/t/"));
        match decisions.as_slice() {
            [] if self.status_of(arguments[1]) != status => {
                problem("a version changed, and the journal does not say why")
            }
            [] => Ok(()),
            [entry] if entry["action"] == arguments[0] && entry["version"] == version => Ok(()),
            _ => problem("the journal says that something else was decided"),
        }
    }

    fn status_of(&self, path: &str) -> Option<String> {
        self.versions().into_iter().find(|version| version.path() == path).map(|version| version.status)
    }

    /// The entries of the journal, in order.
    fn journal(&self) -> Vec<Value> {
        let path = self.workspace.path(".tidemark/registry.sqlite");
        if !path.exists() {
            return Vec::new();
        }
        let registry = Connection::open(path).unwrap();
        let Ok(mut statement) = registry.prepare("SELECT entry FROM journal ORDER BY number") else {
            return Vec::new();
        };
        let entries = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        entries.map(|entry| serde_json::from_str(&entry.unwrap()).unwrap()).collect()
    }
}
