//! The conformance suite of the registries: each test runs against SQLite, Amazon's DynamoDB Local and the emulator's
//! DynamoDB. Each case has its own registry, or its own tenant in a shared one.

mod current;
mod decisions;
mod journal;
mod parts;
mod registering;
mod sequences;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use runtime::error::{ErrorKind, Result};
use runtime::name::TableKey;
use runtime::plan::{Counts, Findings, Plan, Reset};
use runtime::snapshot::Part;
#[cfg(feature = "aws")]
use runtime::store::dynamodb::Dynamodb;
use runtime::store::sqlite::Sqlite;
use runtime::store::{Decision, Extent, Lease, ListedParts, Registered, Registry, Setting, Status, Version};

#[cfg(feature = "aws")]
use crate::stack::Stack;

/// A registry, and a tenant that no other test uses in it.
struct TestRegistry {
    inner: Registry,
    tenant: String,
    /// When it was created, in milliseconds since 1970.
    created: u64,
}

impl TestRegistry {
    fn new(inner: Registry, tenant: String) -> Self {
        // Without a version, this is all that it can have assigned.
        let created = inner.last_sequence(&TableKey { tenant: tenant.clone(), table: "orders".into() }).unwrap();
        Self { inner, tenant, created }
    }

    fn key(&self) -> TableKey {
        TableKey { tenant: self.tenant.clone(), table: "orders".into() }
    }

    /// Registers a version with one part.
    fn register(&self, version: &str, etag: &str) -> Registered {
        self.register_parts(version, Ok(vec![part("a.csv.gz", 10, etag)]), false)
    }

    /// Registers a version over its record. `is_same` says whether other bytes have the same contents.
    fn register_parts(&self, version: &str, parts: ListedParts, is_same: bool) -> Registered {
        let known = self.inner.version(&self.key(), version).unwrap();
        self.inner.register_over(known, &self.key(), version, parts, |_, _| Ok(is_same)).unwrap()
    }

    fn version(&self, version: &str) -> Version {
        self.inner.version(&self.key(), version).unwrap().unwrap()
    }

    fn pending(&self) -> u64 {
        self.inner.pending(&self.key()).unwrap()
    }

    fn acquire(&self, owner: &str) -> Option<Lease> {
        self.inner.acquire(&self.key(), owner, None).unwrap()
    }

    /// Moves a version to its next status under a lease, as a run does.
    fn advance(&self, lease: &Lease, version: &str, to: Status) -> Result<()> {
        let known = self.version(version);
        let next = Version { status: to, plan: Some(plan(version, None)), ..known.clone() };
        self.inner.advance(lease, known.status, &next)
    }

    /// Takes a version to SUCCEEDED, and returns its sequence, relative to the registry's creation.
    fn succeed(&self, lease: &Lease, version: &str) -> u64 {
        self.register(version, "1");
        self.advance(lease, version, Status::Planned).unwrap();
        let begun = self.inner.begin_publishing(lease, &self.version(version)).unwrap();
        self.advance(lease, version, Status::Succeeded).unwrap();
        self.relative(begun.sequence)
    }

    /// A sequence relative to the registry's creation.
    fn relative(&self, sequence: Option<u64>) -> u64 {
        sequence.unwrap() - self.created
    }
}

fn part(name: &str, size: u64, identity: &str) -> Part {
    Part::listed(name.into(), size, identity.into())
}

fn plan(name: &str, reset: Option<Reset>) -> Plan {
    Plan {
        hash: format!("{name:0>32}"),
        previous: None,
        reset,
        schema: "0".repeat(32),
        drift: None,
        schema_change: None,
        baseline_fingerprint: 0,
        fingerprint: 1 << 70,
        counts: Counts { rows: 3, inserted: 3, ..Counts::default() },
        findings: Findings::default(),
        parts: 2,
        max_operation_bytes: None,
        demands: Vec::new(),
    }
}

fn decision() -> Decision {
    Decision { by: "alice".into(), because: Some("it is right".into()) }
}

/// Runs a case against every kind of registry.
fn in_every_registry(case: impl Fn(&TestRegistry)) {
    crate::limits::start();
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let tenant = || format!("tenant{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("registry.sqlite")).unwrap();
    case(&TestRegistry::new(Registry::new(sqlite), tenant()));
    #[cfg(feature = "aws")]
    for table in Stack::get().registry_tables() {
        let dynamodb = Dynamodb::open(table.aws, &table.name).unwrap();
        eprintln!("with {}", table.service);
        case(&TestRegistry::new(Registry::new(dynamodb), tenant()));
    }
}

#[test]
fn versions_are_listed_in_natural_order_and_tables_once() {
    in_every_registry(|registry| {
        for version in ["V10", "V9", "a", "V1", "20260101_V0002", "20260101_V0001"] {
            registry.register(version, "1");
        }
        let versions = registry.inner.versions(&registry.key()).unwrap();
        let names: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
        assert_eq!(names, ["20260101_V0001", "20260101_V0002", "V1", "V9", "V10", "a"]);
        let tables = registry.inner.tables().unwrap();
        assert_eq!(tables.iter().filter(|key| **key == registry.key()).count(), 1);
        assert!(tables.is_sorted());
    });
}

#[test]
fn a_record_reads_back_as_written() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        let known = registry.version("V1");
        assert_eq!(known.plan, Some(plan("V1", None)));
        assert_eq!(registry.inner.versions(&registry.key()).unwrap(), [known]);
    });
}

#[test]
fn one_owner_holds_the_lease_until_it_is_released_and_fences_only_grow() {
    in_every_registry(|registry| {
        assert_eq!(registry.acquire("a"), None, "an unknown table has no lease");
        registry.register("V1", "1");
        let first = registry.acquire("a").unwrap();
        assert_eq!(registry.acquire("b"), None);
        assert_eq!(
            registry.acquire("a"),
            None,
            "not even its owner gets it twice, unless it names itself as the previous owner"
        );
        assert_eq!(registry.inner.state(&registry.key()).unwrap().owner.as_deref(), Some("a"));
        assert!(registry.inner.renew(&first).unwrap());
        assert!(registry.inner.release(&first, None).unwrap());
        assert_eq!(registry.inner.state(&registry.key()).unwrap().owner, None);
        assert!(!registry.inner.renew(&first).unwrap());
        let second = registry.acquire("b").unwrap();
        assert!(second.fence > first.fence);
        assert_eq!(registry.inner.acquire(&registry.key(), "c", Some("a")).unwrap(), None, "it no longer belongs to a");
        let third = registry.inner.acquire(&registry.key(), "c", Some("b")).unwrap().unwrap();
        assert!(third.fence > second.fence);
        assert!(!registry.inner.renew(&second).unwrap());
        assert!(registry.inner.release(&second, None).unwrap(), "another owner's lease is left alone");
        assert_eq!(registry.inner.state(&registry.key()).unwrap().owner.as_deref(), Some("c"));
    });
}

#[test]
fn an_older_fence_of_the_same_owner_holds_nothing() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        // A Lambda execution that is started again acquires the lease under the name it had before.
        let stale = registry.acquire("me").unwrap();
        registry.advance(&stale, "V1", Status::Planned).unwrap();
        let held = registry.inner.acquire(&registry.key(), "me", Some("me")).unwrap().unwrap();
        assert!(held.fence > stale.fence);
        let before = registry.version("V1");
        assert!(!registry.inner.renew(&stale).unwrap());
        let refused = registry.advance(&stale, "V1", Status::Held).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LeaseLost);
        let refused = registry.inner.begin_publishing(&stale, &before).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LeaseLost);
        assert_eq!(registry.version("V1"), before);
        let publishing = registry.inner.begin_publishing(&held, &before).unwrap();
        let refused = registry.inner.record_delivery(&stale, &publishing, "a sink", 0, Extent::Whole).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::LeaseLost);
        assert!(registry.inner.delivered(&publishing, "a sink").unwrap().is_empty());
        // Releasing it is not an error, and releases nothing.
        assert!(registry.inner.release(&stale, None).unwrap());
        assert!(registry.acquire("another").is_none());
        assert!(registry.inner.renew(&held).unwrap());
        registry.inner.record_delivery(&held, &publishing, "a sink", 0, Extent::Whole).unwrap();
    });
}

#[test]
fn a_lease_is_released_only_if_nothing_new_has_arrived() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        let pending = registry.pending();
        registry.register("V2", "1");
        assert!(!registry.inner.release(&lease, Some(pending)).unwrap());
        assert_eq!(registry.acquire("b"), None);
        assert!(registry.inner.release(&lease, Some(registry.pending())).unwrap());
        assert!(registry.acquire("b").is_some());
    });
}

#[test]
fn nothing_is_written_under_a_lost_lease() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let old = registry.acquire("a").unwrap();
        registry.advance(&old, "V1", Status::Planned).unwrap();
        let new = registry.inner.acquire(&registry.key(), "b", Some("a")).unwrap().unwrap();
        let lost = |done: Result<()>| assert_eq!(done.unwrap_err().kind(), ErrorKind::LeaseLost);
        lost(registry.advance(&old, "V1", Status::Held));
        lost(registry.inner.begin_publishing(&old, &registry.version("V1")).map(drop));
        let begun = registry.inner.begin_publishing(&new, &registry.version("V1")).unwrap();
        lost(registry.inner.record_delivery(&old, &begun, "here", 0, Extent::Whole));
        assert!(registry.inner.delivered(&begun, "here").unwrap().is_empty());
        assert_eq!(registry.version("V1").status, Status::Publishing);
    });
}

#[test]
fn a_version_that_was_delivered_again_is_not_overwritten() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        let known = registry.version("V1");
        registry.register("V1", "2");
        let planned = Version { status: Status::Planned, ..known };
        let refused = registry.inner.advance(&lease, Status::Registered, &planned).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overtaken);
        assert!(refused.to_string().contains("delivered again"), "{refused}");
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        let planned = registry.version("V1");
        registry.register("V1", "3");
        assert!(registry.inner.begin_publishing(&lease, &planned).is_err());
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        let begun = registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap();
        assert_eq!(registry.relative(begun.sequence), 1, "the refused attempt used up no sequence");
        assert_eq!(registry.register("V1", "4"), Registered::Refused { first_time: true });
        assert_eq!(registry.register("V1", "4"), Registered::Refused { first_time: false });
        assert_eq!(registry.version("V1").status, Status::Publishing);
    });
}

#[test]
fn delivery_progress_is_kept_for_each_sink() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        let begun = registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap();
        let deliver =
            |sink: &str, part, extent| registry.inner.record_delivery(&lease, &begun, sink, part, extent).unwrap();
        deliver("here", 0, Extent::Lines(7));
        deliver("here", 0, Extent::Lines(9));
        deliver("here", 11, Extent::Whole);
        deliver("there", 0, Extent::Whole);
        let here = registry.inner.delivered(&begun, "here").unwrap();
        assert_eq!(here.into_iter().collect::<Vec<_>>(), [(0, Extent::Lines(9)), (11, Extent::Whole)]);
        assert_eq!(registry.inner.delivered(&begun, "there").unwrap().len(), 1);
    });
}

#[test]
fn one_of_fifty_contenders_gets_the_lease_and_no_registration_is_lost() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let acquired = thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|number| {
                    scope.spawn(move || {
                        registry.register(&format!("W{number}"), "1");
                        registry.acquire(&format!("owner {number}")).is_some()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|acquired| *acquired).count()
        });
        assert_eq!((acquired, registry.pending()), (1, 51));
        assert_eq!(registry.inner.versions(&registry.key()).unwrap().len(), 51);
    });
}

#[test]
fn settings_are_remembered_for_later_commands() {
    in_every_registry(|registry| {
        registry.inner.remember(Setting::Exports, "s3://one").unwrap();
        registry.inner.remember(Setting::Exports, "s3://two").unwrap();
        assert_eq!(registry.inner.exports_root().unwrap().as_deref(), Some("s3://two"));
        assert!(!registry.inner.id().is_empty());
    });
}
