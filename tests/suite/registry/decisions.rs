//! Decisions about versions and tables.

use runtime::error::ErrorKind;
use runtime::plan::Reset;
use runtime::store::{Status, Version};

use super::{decision, in_every_registry, plan};

#[test]
fn a_decision_applies_only_to_the_plan_that_was_reviewed() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        registry.advance(&lease, "V1", Status::Planned).unwrap();
        assert!(!registry.inner.approve(&registry.version("V1"), &decision()).unwrap(), "it is not HELD");
        registry.advance(&lease, "V1", Status::Held).unwrap();
        let held = registry.version("V1");
        let other = Version { plan: Some(plan("other", None)), ..held.clone() };
        assert!(!registry.inner.approve(&other, &decision()).unwrap());
        assert!(!registry.inner.reject(&other, &decision()).unwrap());
        let pending = registry.pending();
        assert!(registry.inner.approve(&held, &decision()).unwrap());
        assert_eq!(registry.pending(), pending + 1);
        assert!(registry.version("V1").is_approved());
        assert!(registry.inner.reject(&registry.version("V1"), &decision()).unwrap());
        assert_eq!((registry.version("V1").status, registry.version("V1").approved), (Status::Rejected, None));
        assert!(!registry.inner.approve(&held, &decision()).unwrap());
    });
}

#[test]
fn only_failed_versions_can_be_retried() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        assert!(!registry.inner.retry(&registry.version("V1"), &decision()).unwrap());
        let lease = registry.acquire("a").unwrap();
        registry.advance(&lease, "V1", Status::Failed).unwrap();
        let (failed, pending) = (registry.version("V1"), registry.pending());
        assert!(registry.inner.retry(&failed, &decision()).unwrap());
        assert_eq!((registry.version("V1").status, registry.pending()), (Status::Registered, pending + 1));
        assert!(!registry.inner.retry(&failed, &decision()).unwrap());
    });
}

#[test]
fn a_resync_request_is_cleared_by_the_version_that_fulfils_it() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        let pending = registry.pending();
        registry.inner.set_resync(&registry.key(), true, &decision()).unwrap();
        assert_eq!((registry.inner.resync(&registry.key()).unwrap(), registry.pending()), (true, pending + 1));
        let full = Version {
            status: Status::Planned,
            plan: Some(plan("V1", Some(Reset::default()))),
            ..registry.version("V1")
        };
        registry.inner.advance(&lease, Status::Registered, &full).unwrap();
        registry.inner.set_resync(&registry.key(), false, &decision()).unwrap();
        let refused = registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overtaken);
        assert!(refused.to_string().contains("its resync was cancelled"), "{refused}");
        registry.inner.set_resync(&registry.key(), true, &decision()).unwrap();
        let begun = registry.inner.begin_publishing(&lease, &registry.version("V1")).unwrap();
        assert_eq!(registry.relative(begun.sequence), 1);
        assert!(!registry.inner.resync(&registry.key()).unwrap());
        registry.advance(&lease, "V1", Status::Succeeded).unwrap();
        registry.inner.set_resync(&registry.key(), true, &decision()).unwrap();
        assert_eq!(registry.succeed(&lease, "V2"), 2);
        assert!(registry.inner.resync(&registry.key()).unwrap(), "an ordinary version does not clear the request");
    });
}
