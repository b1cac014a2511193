//! Sequences: where they begin, and how they go on after a registry was lost or restored.

use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use runtime::error::ErrorKind;
use runtime::name::TableKey;
use runtime::plan::Reset;
use runtime::store::sqlite::Sqlite;
use runtime::store::{Action, Lease, Registry, Status, Version};
use serde_json::json;

use super::{TestRegistry, decision, in_every_registry, part, plan};

#[test]
fn sequences_count_from_the_registrys_creation_without_gaps() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        let sequences: Vec<u64> = ["V1", "V2", "V3"].iter().map(|version| registry.succeed(&lease, version)).collect();
        assert_eq!(sequences, [1, 2, 3]);
        assert_eq!(registry.relative(registry.version("V2").sequence), 2);
        let written = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
        let now = written.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 + 1000;
        assert!((now - 600_000..=now).contains(&registry.created), "{}", registry.created);
    });
}

#[test]
fn an_adopted_table_goes_on_above_the_highest_sequence_and_in_full() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap();
        let (pending, attempt) = (registry.pending(), registry.version("V1").attempt);
        registry.inner.adopt(&lease, registry.created + 70, &decision(), "it is lost").unwrap();
        // What had begun starts over: its sequence may be one that consumers have seen.
        let again = registry.version("V1");
        assert_eq!((again.status, again.sequence, again.attempt), (Status::Registered, None, attempt + 1));
        assert!(again.changes.is_none() && registry.pending() > pending);
        assert!(registry.inner.resync(&registry.key()).unwrap());
        let entries = registry.inner.journal(&registry.key()).unwrap();
        let adopted = entries.iter().filter(|entry| entry.action == Action::Adopt).map(|entry| &entry.details);
        assert_eq!(adopted.collect::<Vec<_>>(), [&json!({"sequence": registry.created + 70, "found": "it is lost"})]);
        // A lower sequence than the last one changes nothing.
        registry.inner.adopt(&lease, 3, &decision(), "").unwrap();
        let full = Version {
            status: Status::Planned,
            plan: Some(plan("V1", Some(Reset::default()))),
            ..registry.version("V1")
        };
        registry.inner.advance(&lease, Status::Registered, &full).unwrap();
        let begun = registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap();
        assert_eq!(registry.relative(begun.sequence), 71);
        assert!(!registry.inner.resync(&registry.key()).unwrap());
        let gone = Lease { fence: lease.fence + 1, ..lease };
        assert_eq!(registry.inner.adopt(&gone, 3, &decision(), "").unwrap_err().kind(), ErrorKind::LeaseLost);
    });
}

#[test]
fn a_recovered_registry_goes_on_above_the_present_time() {
    // In a registry of its own: recovering concerns every table.
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("registry.sqlite")).unwrap();
    recovers(&TestRegistry::new(Registry::new(sqlite), "recovered".into()));
    #[cfg(feature = "aws")]
    for table in crate::stack::Stack::get().registry_tables() {
        crate::stack::create_registry_table(&table.aws, "recovered");
        let dynamodb = runtime::store::dynamodb::Dynamodb::open(table.aws, "recovered").unwrap();
        recovers(&TestRegistry::new(Registry::new(dynamodb), "recovered".into()));
    }
}

fn recovers(registry: &TestRegistry) {
    registry.register("V1", "1");
    let lease = registry.acquire("a").unwrap();
    assert_eq!(registry.succeed(&lease, "V1"), 1);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(registry.inner.recover(&decision()).unwrap(), [registry.key()]);
    let floor = registry.inner.last_sequence(&registry.key()).unwrap();
    assert!(floor >= registry.created + 20, "{floor}");
    assert!(registry.inner.resync(&registry.key()).unwrap());
    let entries = registry.inner.journal(&registry.key()).unwrap();
    assert!(entries.iter().any(|entry| entry.action == Action::Recover));
    // Whoever was at work stops, and fences go on above all that a lost copy can have issued.
    assert!(!registry.inner.renew(&lease).unwrap());
    assert!(registry.acquire("b").unwrap().fence > floor);
    // A table that was new when the copy had been made is published in full, too; one that was recovered, once.
    let key = TableKey { table: "products".into(), ..registry.key() };
    let parts = vec![part("a.csv.gz", 10, "1")];
    registry.inner.register_over(None, &key, "V1", Ok(parts), |_, _| Ok(false)).unwrap();
    assert!(registry.inner.resync(&key).unwrap());
    registry.inner.set_resync(&registry.key(), false, &decision()).unwrap();
    registry.register("V2", "1");
    assert!(!registry.inner.resync(&registry.key()).unwrap());
}
