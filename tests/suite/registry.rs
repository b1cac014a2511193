//! One suite of what a registry must do, over every place that keeps one: SQLite, and DynamoDB as Amazon's own local
//! version and an emulator have it. Each case has a registry to itself, or a tenant of its own in a shared one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use runtime::change_set::{Counts, Findings, Plan, Reset};
use runtime::snapshot::Part;
use runtime::store::dynamodb::Dynamodb;
use runtime::store::sqlite::Sqlite;
use runtime::store::{Extent, Lease, Registered, Setting, Status, Store, TableKey, Version};

use crate::stack::Stack;

/// A registry, and a tenant that nobody else has in it.
struct Place {
    store: Box<dyn Store>,
    tenant: String,
}

impl Place {
    fn key(&self) -> TableKey {
        TableKey { tenant: self.tenant.clone(), table: "orders".into() }
    }

    /// Registers a version with one part.
    fn register(&self, version: &str, etag: &str) -> Registered {
        let parts = vec![part("a.csv.gz", 10, etag)];
        self.store.register(&self.key(), version, Ok(parts), |_, _| Ok(false)).unwrap()
    }

    fn version(&self, version: &str) -> Version {
        self.store.version(&self.key(), version).unwrap().unwrap()
    }

    fn pending(&self) -> u64 {
        self.store.pending(&self.key()).unwrap()
    }

    fn acquire(&self, owner: &str) -> Option<Lease> {
        self.store.acquire(&self.key(), owner, None).unwrap()
    }

    /// Moves a version on under a lease, as a run does.
    fn advance(&self, lease: &Lease, version: &str, to: Status) -> Result<(), String> {
        let known = self.version(version);
        let next = Version { status: to, plan: Some(plan(version, None)), ..known.clone() };
        self.store.advance(lease, known.status, &next).map_err(|error| error.to_string())
    }

    /// A version that has succeeded under a sequence of its own.
    fn succeed(&self, lease: &Lease, version: &str) -> u64 {
        self.register(version, "1");
        self.advance(lease, version, Status::Planned).unwrap();
        let begun = self.store.publishing(lease, &self.version(version)).unwrap();
        self.advance(lease, version, Status::Succeeded).unwrap();
        begun.sequence.unwrap()
    }
}

fn part(name: &str, size: u64, identity: &str) -> Part {
    Part { name: name.into(), size, identity: identity.into(), checksum: None, rows: None }
}

fn plan(name: &str, reset: Option<Reset>) -> Plan {
    Plan {
        hash: format!("{name:0>32}"),
        previous: None,
        reset,
        schema: "0".repeat(32),
        drift: None,
        baseline_fingerprint: 0,
        fingerprint: 1 << 70,
        counts: Counts { rows: 3, inserted: 3, ..Counts::default() },
        findings: Findings::default(),
        parts: 2,
        most: None,
    }
}

/// Does it in every place.
fn everywhere(case: impl Fn(&Place)) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let tenant = || format!("tenant{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open(&folder.path().join("registry.sqlite")).unwrap();
    case(&Place { store: Box::new(sqlite), tenant: tenant() });
    for registry in Stack::get().registries() {
        let store = Dynamodb::open(registry.aws, &registry.table).unwrap();
        eprintln!("in DynamoDB at {}", registry.name);
        case(&Place { store: Box::new(store), tenant: tenant() });
    }
}

#[test]
fn a_version_is_registered_once_and_its_parts_are_compared_with_the_known_ones() {
    everywhere(|place| {
        assert_eq!(place.pending(), 0);
        assert_eq!(place.register("V1", "1"), Registered::New);
        assert_eq!(place.register("V1", "1"), Registered::Same);
        assert_eq!(place.register("V01", "1"), Registered::Twin("V1".into()));
        assert_eq!(place.pending(), 1);
        assert_eq!(place.register("V1", "2"), Registered::Changed);
        assert_eq!((place.pending(), place.version("V1").attempt), (2, 2));
        let waiting = (vec![part("a.csv.gz", 10, "1")], "a marker".to_owned());
        let registered = place.store.register(&place.key(), "V2", Err(waiting), |_, _| Ok(false)).unwrap();
        assert_eq!(registered, Registered::New);
        assert_eq!((place.pending(), place.version("V2").status), (2, Status::Waiting));
        assert_eq!(place.version("V2").reason.as_deref(), Some("waits for a marker"));
        assert_eq!(place.register("V2", "1"), Registered::Changed);
        assert_eq!((place.pending(), place.version("V2").status), (3, Status::Registered));
    });
}

#[test]
fn a_stale_registration_does_not_overwrite_an_approval() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("me").unwrap();
        place.advance(&lease, "V1", Status::Planned).unwrap();
        place.advance(&lease, "V1", Status::Held).unwrap();
        let before = place.version("V1");
        let found = vec![part("a.csv.gz", 10, "2")];
        // While the bytes are compared somebody approves.
        let same = |_: &[Part], _: &[Part]| {
            assert!(place.store.approve(&place.version("V1")).unwrap());
            Ok(true)
        };
        place.store.register_over(Some(before), &place.key(), "V1", Ok(found), same).unwrap();
        assert!(place.version("V1").is_approved());
    });
}

#[test]
fn a_stale_listing_does_not_overwrite_a_newer_one() {
    everywhere(|place| {
        let waiting = (vec![part("a.csv.gz", 10, "1")], "a marker".to_owned());
        place.store.register(&place.key(), "V1", Err(waiting.clone()), |_, _| Ok(false)).unwrap();
        let before = place.version("V1");
        assert_eq!(place.register("V1", "1"), Registered::Changed);
        let other = (vec![], "a file".to_owned());
        let registered = place.store.register_over(Some(before), &place.key(), "V1", Err(other), |_, _| Ok(false));
        assert_eq!(registered.unwrap(), Registered::Same);
        assert_eq!(place.version("V1").status, Status::Registered);
    });
}

#[test]
fn the_same_bytes_under_another_identity_are_the_same_parts() {
    everywhere(|place| {
        place.register("V1", "1");
        let found = vec![part("a.csv.gz", 10, "2")];
        let registered = place.store.register(&place.key(), "V1", Ok(found), |_, _| Ok(true)).unwrap();
        assert_eq!((registered, place.pending()), (Registered::Same, 1));
        assert_eq!(place.version("V1").parts[0].identity, "2");
    });
}

#[test]
fn versions_are_listed_in_natural_order_and_tables_once() {
    everywhere(|place| {
        for version in ["V10", "V9", "a", "V1", "20260101_V0002", "20260101_V0001"] {
            place.register(version, "1");
        }
        let versions = place.store.versions(&place.key()).unwrap();
        let names: Vec<&str> = versions.iter().map(|version| version.version.as_str()).collect();
        assert_eq!(names, ["20260101_V0001", "20260101_V0002", "V1", "V9", "V10", "a"]);
        let tables = place.store.tables().unwrap();
        assert_eq!(tables.iter().filter(|key| **key == place.key()).count(), 1);
        assert!(tables.is_sorted());
    });
}

#[test]
fn a_record_reads_back_as_written() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        place.advance(&lease, "V1", Status::Planned).unwrap();
        let known = place.version("V1");
        assert_eq!(known.plan, Some(plan("V1", None)));
        assert_eq!(place.store.versions(&place.key()).unwrap(), [known]);
    });
}

#[test]
fn one_owner_holds_the_lease_until_it_is_released_and_fences_only_grow() {
    everywhere(|place| {
        assert_eq!(place.acquire("a"), None, "of a table that nobody knows there is no lease");
        place.register("V1", "1");
        let first = place.acquire("a").unwrap();
        assert_eq!(place.acquire("b"), None);
        assert_eq!(place.acquire("a"), None, "not even its owner gets it twice, unless it says that it is gone");
        assert_eq!(place.store.state(&place.key()).unwrap().owner.as_deref(), Some("a"));
        assert!(place.store.renew(&first).unwrap());
        assert!(place.store.release(&first, None).unwrap());
        assert_eq!(place.store.state(&place.key()).unwrap().owner, None);
        assert!(!place.store.renew(&first).unwrap());
        let second = place.acquire("b").unwrap();
        assert!(second.fence > first.fence);
        assert_eq!(place.store.acquire(&place.key(), "c", Some("a")).unwrap(), None, "it is not a's any more");
        let third = place.store.acquire(&place.key(), "c", Some("b")).unwrap().unwrap();
        assert!(third.fence > second.fence);
        assert!(!place.store.renew(&second).unwrap());
        assert!(place.store.release(&second, None).unwrap(), "what is another's is not ours to give back");
        assert_eq!(place.store.state(&place.key()).unwrap().owner.as_deref(), Some("c"));
    });
}

#[test]
fn a_lease_is_released_only_if_nothing_new_has_arrived() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        let pending = place.pending();
        place.register("V2", "1");
        assert!(!place.store.release(&lease, Some(pending)).unwrap());
        assert_eq!(place.acquire("b"), None);
        assert!(place.store.release(&lease, Some(place.pending())).unwrap());
        assert!(place.acquire("b").is_some());
    });
}

#[test]
fn nothing_is_written_under_a_lost_lease() {
    everywhere(|place| {
        place.register("V1", "1");
        let old = place.acquire("a").unwrap();
        place.advance(&old, "V1", Status::Planned).unwrap();
        let new = place.store.acquire(&place.key(), "b", Some("a")).unwrap().unwrap();
        let lost = |done: Result<(), String>| assert!(done.unwrap_err().contains("another run took over"));
        lost(place.advance(&old, "V1", Status::Held));
        lost(place.store.publishing(&old, &place.version("V1")).map(drop).map_err(|error| error.to_string()));
        let begun = place.store.publishing(&new, &place.version("V1")).unwrap();
        assert!(!place.store.deliver(&old, &begun, "here", 0, Extent::Whole).unwrap());
        assert!(place.store.delivered(&begun, "here").unwrap().is_empty());
        assert_eq!(place.version("V1").status, Status::Publishing);
    });
}

#[test]
fn a_version_that_was_delivered_again_is_not_overwritten() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        let known = place.version("V1");
        place.register("V1", "2");
        let planned = Version { status: Status::Planned, ..known };
        let refused = place.store.advance(&lease, Status::Registered, &planned).unwrap_err();
        assert!(refused.to_string().contains("delivered again"), "{refused}");
        place.advance(&lease, "V1", Status::Planned).unwrap();
        let planned = place.version("V1");
        place.register("V1", "3");
        assert!(place.store.publishing(&lease, &planned).is_err());
        place.advance(&lease, "V1", Status::Planned).unwrap();
        let begun = place.store.publishing(&lease, &place.version("V1")).unwrap();
        assert_eq!(begun.sequence, Some(1), "what was refused took no sequence");
        assert_eq!(place.register("V1", "4"), Registered::Refused { first_time: true });
        assert_eq!(place.register("V1", "4"), Registered::Refused { first_time: false });
        assert_eq!(place.version("V1").status, Status::Publishing);
    });
}

#[test]
fn sequences_count_from_one_without_gaps() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        let sequences: Vec<u64> = ["V1", "V2", "V3"].iter().map(|version| place.succeed(&lease, version)).collect();
        assert_eq!(sequences, [1, 2, 3]);
        assert_eq!(place.version("V2").sequence, Some(2));
    });
}

#[test]
fn a_decision_applies_only_to_the_plan_that_was_reviewed() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        place.advance(&lease, "V1", Status::Planned).unwrap();
        assert!(!place.store.approve(&place.version("V1")).unwrap(), "it is not HELD");
        place.advance(&lease, "V1", Status::Held).unwrap();
        let held = place.version("V1");
        let other = Version { plan: Some(plan("other", None)), ..held.clone() };
        assert!(!place.store.approve(&other).unwrap());
        assert!(!place.store.reject(&other).unwrap());
        let pending = place.pending();
        assert!(place.store.approve(&held).unwrap());
        assert_eq!(place.pending(), pending + 1);
        assert!(place.version("V1").is_approved());
        assert!(place.store.reject(&place.version("V1")).unwrap());
        assert_eq!((place.version("V1").status, place.version("V1").approved), (Status::Rejected, None));
        assert!(!place.store.approve(&held).unwrap());
    });
}

#[test]
fn only_failed_versions_can_be_retried() {
    everywhere(|place| {
        place.register("V1", "1");
        assert!(!place.store.retry(&place.version("V1")).unwrap());
        let lease = place.acquire("a").unwrap();
        place.advance(&lease, "V1", Status::Failed).unwrap();
        let (failed, pending) = (place.version("V1"), place.pending());
        assert!(place.store.retry(&failed).unwrap());
        assert_eq!((place.version("V1").status, place.pending()), (Status::Registered, pending + 1));
        assert!(!place.store.retry(&failed).unwrap());
    });
}

#[test]
fn a_resync_request_is_cleared_by_the_version_that_fulfils_it() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        let pending = place.pending();
        place.store.set_resync(&place.key(), true).unwrap();
        assert_eq!((place.store.resync(&place.key()).unwrap(), place.pending()), (true, pending + 1));
        let whole =
            Version { status: Status::Planned, plan: Some(plan("V1", Some(Reset::default()))), ..place.version("V1") };
        place.store.advance(&lease, Status::Registered, &whole).unwrap();
        place.store.set_resync(&place.key(), false).unwrap();
        let refused = place.store.publishing(&lease, &place.version("V1")).unwrap_err();
        assert!(refused.to_string().contains("taken back"), "{refused}");
        place.store.set_resync(&place.key(), true).unwrap();
        assert_eq!(place.store.publishing(&lease, &place.version("V1")).unwrap().sequence, Some(1));
        assert!(!place.store.resync(&place.key()).unwrap());
        place.advance(&lease, "V1", Status::Succeeded).unwrap();
        place.store.set_resync(&place.key(), true).unwrap();
        assert_eq!(place.succeed(&lease, "V2"), 2);
        assert!(place.store.resync(&place.key()).unwrap(), "an ordinary version leaves the wish");
    });
}

#[test]
fn delivery_progress_is_kept_for_each_sink() {
    everywhere(|place| {
        place.register("V1", "1");
        let lease = place.acquire("a").unwrap();
        place.advance(&lease, "V1", Status::Planned).unwrap();
        let begun = place.store.publishing(&lease, &place.version("V1")).unwrap();
        let deliver =
            |sink: &str, part, extent| assert!(place.store.deliver(&lease, &begun, sink, part, extent).unwrap());
        deliver("here", 0, Extent::Lines(7));
        deliver("here", 0, Extent::Lines(9));
        deliver("here", 11, Extent::Whole);
        deliver("there", 0, Extent::Whole);
        let here = place.store.delivered(&begun, "here").unwrap();
        assert_eq!(here.into_iter().collect::<Vec<_>>(), [(0, Extent::Lines(9)), (11, Extent::Whole)]);
        assert_eq!(place.store.delivered(&begun, "there").unwrap().len(), 1);
    });
}

#[test]
fn one_of_fifty_contenders_gets_the_lease_and_no_registration_is_lost() {
    everywhere(|place| {
        place.register("V1", "1");
        let got = thread::scope(|scope| {
            let threads: Vec<_> = (0..50)
                .map(|number| {
                    scope.spawn(move || {
                        place.register(&format!("W{number}"), "1");
                        place.acquire(&format!("owner {number}")).is_some()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).filter(|got| *got).count()
        });
        assert_eq!((got, place.pending()), (1, 51));
        assert_eq!(place.store.versions(&place.key()).unwrap().len(), 51);
    });
}

#[test]
fn settings_are_remembered_for_later_commands() {
    everywhere(|place| {
        place.store.remember(Setting::Exports, "s3://one").unwrap();
        place.store.remember(Setting::Exports, "s3://two").unwrap();
        assert_eq!(place.store.root().unwrap().as_deref(), Some("s3://two"));
        assert!(!place.store.id().is_empty());
    });
}
