//! The journal: who decided what, and what runs found out, each written with the change it describes.

use runtime::store::{Action, Decision, JournalEntry, Status, Version};
use serde_json::{Value, json};

use super::{TestRegistry, decision, in_every_registry};

impl TestRegistry {
    fn journal(&self) -> Vec<JournalEntry> {
        self.inner.journal(&self.key()).unwrap()
    }

    /// Registers a version, and takes it to HELD as a run does.
    fn hold(&self, version: &str) {
        self.register(version, "1");
        let lease = self.acquire("a run").unwrap();
        self.advance(&lease, version, Status::Planned).unwrap();
        let planned = self.version(version);
        let held = Version { status: Status::Held, reason: Some("deletes".into()), ..planned };
        let found = (Action::Hold, json!({ "reason": "deletes" }));
        self.inner.advance_and_log(&lease, Status::Planned, &held, Some(found)).unwrap();
        assert!(self.inner.release(&lease, None).unwrap());
    }
}

/// Action, who, why, version and details of an entry.
fn shown(entry: &JournalEntry) -> (Action, &str, Option<&str>, Option<&str>, &Value) {
    (entry.action, &entry.by, entry.because.as_deref(), entry.version.as_deref(), &entry.details)
}

#[test]
fn each_decision_and_finding_is_in_the_journal_in_order() {
    in_every_registry(|registry| {
        assert!(registry.journal().is_empty());
        registry.hold("V1");
        assert!(registry.inner.approve(&registry.version("V1"), &decision()).unwrap());
        let bob = Decision { by: "bob".into(), because: None };
        assert!(registry.inner.reject(&registry.version("V1"), &bob).unwrap());
        registry.inner.set_resync(&registry.key(), true, &bob).unwrap();
        registry.inner.set_resync(&registry.key(), false, &bob).unwrap();
        registry.inner.append(&bob.entry(Action::Gc, &registry.key(), None, json!({ "removed": 2 }))).unwrap();
        let journal = registry.journal();
        let plan = format!("{:0>32}", "V1");
        let reviewed = json!({ "status": "HELD", "reason": "deletes", "plan": plan });
        let entries: Vec<_> = journal.iter().map(shown).collect();
        assert_eq!(entries[0], (Action::Hold, "run", None, Some("V1"), &json!({ "reason": "deletes" })));
        assert_eq!(entries[1], (Action::Approve, "alice", Some("it is right"), Some("V1"), &reviewed));
        assert_eq!(entries[2], (Action::Reject, "bob", None, Some("V1"), &reviewed));
        assert_eq!(entries[3], (Action::Resync, "bob", None, None, &json!({})));
        assert_eq!(entries[4], (Action::CancelResync, "bob", None, None, &json!({})));
        assert_eq!(entries[5], (Action::Gc, "bob", None, None, &json!({ "removed": 2 })));
        assert_eq!(entries.len(), 6);
        assert!(journal.iter().map(|entry| entry.at).is_sorted());
        assert!(journal.iter().all(|entry| entry.key == registry.key()));
    });
}

#[test]
fn a_decision_that_changes_nothing_is_not_in_the_journal() {
    in_every_registry(|registry| {
        registry.hold("V1");
        let stale = registry.version("V1");
        assert!(registry.inner.reject(&stale, &decision()).unwrap());
        assert!(!registry.inner.reject(&stale, &decision()).unwrap());
        assert!(!registry.inner.approve(&stale, &decision()).unwrap());
        assert!(!registry.inner.retry(&stale, &decision()).unwrap());
        let unknown = runtime::name::TableKey { table: "unknown".into(), ..registry.key() };
        registry.inner.set_resync(&unknown, true, &decision()).unwrap();
        assert!(registry.inner.journal(&unknown).unwrap().is_empty());
        let actions: Vec<Action> = registry.journal().iter().map(|entry| entry.action).collect();
        assert_eq!(actions, [Action::Hold, Action::Reject]);
    });
}

#[test]
fn nothing_is_found_out_under_a_lost_lease() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let old = registry.acquire("a").unwrap();
        registry.inner.acquire(&registry.key(), "b", Some("a")).unwrap().unwrap();
        let failed = Version { status: Status::Failed, ..registry.version("V1") };
        let found = Some((Action::Fail, json!({})));
        assert!(registry.inner.advance_and_log(&old, Status::Registered, &failed, found).is_err());
        assert!(registry.journal().is_empty());
    });
}

#[test]
fn entries_of_an_sqlite_registry_cannot_be_changed_or_removed() {
    let workspace = crate::workspace::Workspace::new();
    workspace.export("acme/test_table/V1", "PK1;one;;\n");
    assert_eq!(workspace.run().status, 1);
    let registry = rusqlite::Connection::open(workspace.path(".tidemark/registry.sqlite")).unwrap();
    for change in ["UPDATE journal SET entry = ''", "DELETE FROM journal"] {
        assert!(registry.execute(change, []).unwrap_err().to_string().contains("journal"), "{change}");
    }
    let entries: u32 = registry.query_row("SELECT count(*) FROM journal", [], |row| row.get(0)).unwrap();
    assert_eq!(entries, 1);
}
