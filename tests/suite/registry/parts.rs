//! The lists of files in the records of versions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[cfg(feature = "aws")]
use runtime::error::ErrorKind;
#[cfg(feature = "aws")]
use runtime::name::TableKey;
use runtime::snapshot::Part;
use runtime::store::{Registered, Status, Version};
#[cfg(feature = "aws")]
use runtime::store::{Registry, dynamodb::Dynamodb};

#[cfg(feature = "aws")]
use super::plan;
use super::{TestRegistry, in_every_registry, part};
#[cfg(feature = "aws")]
use crate::stack::Stack;

/// Registers a version with these parts again, which may have other bytes but the same contents.
fn register_again(registry: &TestRegistry, version: &str, parts: &[Part], is_same: bool) -> Registered {
    registry.register_parts(version, Ok(parts.to_vec()), is_same)
}

#[test]
fn the_parts_of_a_version_are_known_whatever_became_of_it() {
    in_every_registry(|registry| {
        registry.register("V0", "1");
        let lease = registry.acquire("worker").unwrap();
        for version in ["V1", "V2"] {
            registry.succeed(&lease, version);
        }
        let (late, by) = (registry.version("V0"), registry.version("V2"));
        registry.inner.supersede(&lease, late, &by).unwrap();
        registry.register("V3", "1");
        registry.advance(&lease, "V3", Status::Failed).unwrap();
        let expected = [part("a.csv.gz", 10, "1")];
        let versions = registry.inner.versions(&registry.key()).unwrap();
        assert_eq!(versions.len(), 4);
        for version in versions {
            assert_eq!(version.parts, expected, "{version} is {}", version.status);
            assert_eq!(registry.version(&version.version), version);
            assert_eq!(register_again(registry, &version.version, &expected, false), Registered::Same);
        }
        let outlines = registry.inner.outlines(&registry.key()).unwrap();
        let statuses: Vec<Status> = outlines.iter().map(|version| version.status).collect();
        assert_eq!(statuses, [Status::Superseded, Status::Succeeded, Status::Succeeded, Status::Failed]);
        // What comes too late is recorded next to what was published.
        let other = [part("a.csv.gz", 11, "2")];
        assert_eq!(register_again(registry, "V2", &other, false), Registered::Refused { first_time: true });
        let version = registry.version("V2");
        assert_eq!((&version.parts[..], version.refused_parts.as_deref()), (&expected[..], Some(&other[..])));
        // What starts over has its new parts.
        assert_eq!(register_again(registry, "V3", &other, false), Registered::Changed);
        assert_eq!(registry.version("V3").parts, other);
    });
}

#[test]
fn a_version_is_never_read_with_the_parts_of_another_write() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("worker").unwrap();
        registry.succeed(&lease, "V1");
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for size in 0..30 {
                    // Rewritten with the same contents; the digest in the list is always that of the record.
                    register_again(registry, "V1", &[part("a.csv.gz", size, &size.to_string())], true);
                }
                is_over.store(true, Ordering::Relaxed);
            });
            let mut last = 0;
            while !is_over.load(Ordering::Relaxed) {
                let read: Vec<Version> = registry.inner.versions(&registry.key()).unwrap();
                for version in [&read[0], &registry.version("V1")] {
                    let [part] = &version.parts[..] else { panic!("{version:?}") };
                    assert!(part.identity == part.size.to_string() || part.size == 10, "{part:?}");
                    assert!(last <= part.size || last == 10, "{last} was read before {part:?}");
                    last = part.size;
                }
            }
        });
    });
}

/// Whether a registry on AWS takes a version is decided by the bytes of its list of files, not by their number: once it
/// is registered, it fits at every later step.
#[cfg(feature = "aws")]
#[test]
fn a_version_fits_into_a_registry_on_aws_if_the_list_of_its_files_does() {
    let parts = |number: usize, name: usize| -> Vec<Part> {
        let identity = "0123456789abcdef0123456789abcdef-12";
        (0..number).map(|n| part(&format!("{n:0>name$}.csv.gz"), 1 << 40, identity)).collect()
    };
    let digests = |parts: &[Part]| -> Vec<Part> {
        let digest = Some("0".repeat(32));
        parts.iter().map(|part| Part { checksum: digest.clone(), content: digest.clone(), ..part.clone() }).collect()
    };
    for table in Stack::get().registry_tables() {
        let registry = Registry::new(Dynamodb::open(table.aws, &table.name).unwrap());
        let key = TableKey { tenant: format!("files{}", std::process::id()), table: "orders".into() };
        let register = |version: &str, parts: &[Part]| {
            registry.register_over(None, &key, version, Ok(parts.to_vec()), |_, _| Ok(false))
        };
        for (version, parts) in [("V1", parts(1_500, 4)), ("V2", parts(240, 1_000))] {
            assert_eq!(register(version, &parts).unwrap(), Registered::New, "{version}, {}", table.service);
            let lease = registry.acquire(&key, "worker", None).unwrap().unwrap();
            let known = registry.version(&key, version).unwrap().unwrap();
            let planned = Version {
                parts: digests(&parts),
                status: Status::Planned,
                plan: Some(plan(version, None)),
                ..known.clone()
            };
            registry.advance(&lease, known.status, &planned).unwrap();
            assert!(registry.release(&lease, None).unwrap());
            assert_eq!(registry.version(&key, version).unwrap().unwrap().parts, planned.parts);
        }
        for (version, parts) in [("V3", parts(2_500, 4)), ("V4", parts(400, 1_000))] {
            let refused = register(version, &parts).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
            let message = refused.to_string();
            assert!(message.contains(&format!("the list of its {} files takes ", parts.len())), "{message}");
            assert_eq!(registry.version(&key, version).unwrap(), None);
        }
    }
}
