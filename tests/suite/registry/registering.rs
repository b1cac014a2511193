//! Registering versions.

use runtime::snapshot::Part;
use runtime::store::{Registered, Status, Version};

use super::{decision, in_every_registry, part};

#[test]
fn a_version_is_registered_once_and_its_parts_are_compared_with_the_known_ones() {
    in_every_registry(|registry| {
        assert_eq!(registry.pending(), 0);
        assert_eq!(registry.register("V1", "1"), Registered::New);
        assert_eq!(registry.register("V1", "1"), Registered::Same);
        assert_eq!(registry.register("V01", "1"), Registered::Alias("V1".into()));
        assert_eq!(registry.pending(), 1);
        assert_eq!(registry.register("V1", "2"), Registered::Changed);
        assert_eq!((registry.pending(), registry.version("V1").attempt), (2, 2));
        let waiting = (vec![part("a.csv.gz", 10, "1")], "a marker".to_owned());
        let registered = registry.register_parts("V2", Err(waiting), false);
        assert_eq!(registered, Registered::New);
        assert_eq!((registry.pending(), registry.version("V2").status), (2, Status::Waiting));
        assert_eq!(registry.version("V2").reason.as_deref(), Some("waits for a marker"));
        assert_eq!(registry.register("V2", "1"), Registered::Changed);
        assert_eq!((registry.pending(), registry.version("V2").status), (3, Status::Registered));
    });
}

#[test]
fn a_stale_registration_does_not_overwrite_an_approval() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("me").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        registry.advance(&lease, "V1", Status::Held).unwrap();
        let before = registry.version("V1");
        let parts = vec![part("a.csv.gz", 10, "2")];
        // The version is approved while the bytes are compared.
        let same_bytes = |_: &[Part], _: &[Part]| {
            assert!(registry.inner.approve(&registry.version("V1"), &decision()).unwrap());
            Ok(true)
        };
        registry.inner.register_over(Some(before), &registry.key(), "V1", Ok(parts), same_bytes).unwrap();
        assert!(registry.version("V1").is_approved());
    });
}

#[test]
fn a_listing_never_overwrites_a_record_that_changed_meanwhile() {
    in_every_registry(|registry| {
        let waiting = (vec![part("a.csv.gz", 10, "1")], "a marker".to_owned());
        registry.register_parts("V1", Err(waiting.clone()), false);
        let before = registry.version("V1");
        assert_eq!(registry.register("V1", "1"), Registered::Changed);
        let stale = |known: Option<Version>| {
            let other = (vec![], "a file".to_owned());
            registry.inner.register_over(known, &registry.key(), "V1", Err(other), |_, _| Ok(false)).unwrap()
        };
        assert_eq!((stale(None), stale(Some(before.clone()))), (Registered::Outdated, Registered::Outdated));
        let why = "a folder in it".to_owned();
        let registered = registry.inner.register_waiting(Some(before), &registry.key(), "V1", why);
        assert_eq!((registered.unwrap(), registry.version("V1").status), (Registered::Outdated, Status::Registered));
    });
}

#[test]
fn parts_of_a_version_that_changed_meanwhile_are_neither_updated_nor_refused() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("me").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        let planned = registry.version("V1");
        registry.inner.begin_publishing(&lease, &planned).unwrap();
        let publishing = registry.version("V1");
        registry.advance(&lease, "V1", Status::Succeeded).unwrap();
        for (known, has_same_content) in [(&planned, true), (&publishing, true), (&publishing, false)] {
            let parts = vec![part("a.csv.gz", 10, "2")];
            let same_content = |_: &[Part], _: &[Part]| Ok(has_same_content);
            let known = Some(known.clone());
            let registered = registry.inner.register_over(known, &registry.key(), "V1", Ok(parts), same_content);
            assert_eq!(registered.unwrap(), Registered::Outdated);
            let now = registry.version("V1");
            assert_eq!((now.parts[0].identity.as_str(), now.refused_parts), ("1", None));
        }
    });
}

#[test]
fn the_same_bytes_under_another_identity_are_the_same_parts() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let parts = vec![part("a.csv.gz", 10, "2")];
        let registered = registry.register_parts("V1", Ok(parts), true);
        assert_eq!((registered, registry.pending()), (Registered::Same, 1));
        assert_eq!(registry.version("V1").parts[0].identity, "2");
    });
}
