//! The versions that decide what is next, found without reading the history.

use runtime::epoch::SourceFormat;
use runtime::store::{Registered, Registry, Status, Version, newest};

use super::{TestRegistry, decision, in_every_registry, part};

/// What `current_versions` must return, found in the whole history.
fn expected(versions: &[Version]) -> Vec<String> {
    let first = |status: Status| versions.iter().position(|version| version.status == status);
    let last = versions.iter().rposition(|version| version.status == Status::Succeeded);
    let oldest = first(Status::Registered).into_iter().chain(first(Status::Planned)).min();
    let before = oldest.and_then(|oldest| newest(&versions[..oldest])).map(|before| before.version.clone());
    let is_current = |(index, version): &(usize, &Version)| match version.status {
        Status::Publishing | Status::Held | Status::Retired => true,
        Status::Superseded => last.is_none_or(|last| last < *index),
        status => first(status) == Some(*index) && status.is_runnable() || last == Some(*index),
    };
    let is_expected = |pair: &(usize, &Version)| is_current(pair) || Some(&pair.1.version) == before.as_ref();
    versions.iter().enumerate().filter(is_expected).map(|(_, version)| version.version.clone()).collect()
}

fn check(registry: &TestRegistry) {
    let inner: &Registry = &registry.inner;
    let versions = inner.versions(&registry.key()).unwrap();
    let names = |versions: Vec<Version>| versions.into_iter().map(|version| version.version).collect::<Vec<_>>();
    assert_eq!(names(inner.current_versions(&registry.key()).unwrap()), expected(&versions));
    check_list(registry, &versions);
    for status in [Status::Waiting, Status::Registered, Status::Held, Status::Succeeded, Status::Superseded] {
        let with_status = versions.iter().filter(|version| version.status == status).cloned().collect();
        assert_eq!(names(inner.with_status(&registry.key(), status).unwrap()), names(with_status));
    }
}

/// The list says the same as the records.
fn check_list(registry: &TestRegistry, versions: &[Version]) {
    let listed = registry.inner.list(&registry.key()).unwrap();
    let format = SourceFormat::from_source(&generated::TABLES[0].source);
    assert_eq!(listed.count(), versions.len());
    for status in Status::ALL {
        assert_eq!(listed.count_of(status), versions.iter().filter(|version| version.status == status).count());
    }
    for version in versions {
        let is_done = matches!(version.status, Status::Succeeded | Status::Retired | Status::Superseded);
        assert_eq!(listed.is_done(&version.version), is_done, "{version}");
        assert_eq!(listed.is_done_with(&version.version, &format, &version.parts), is_done, "{version}");
        assert!(!listed.is_done_with(&version.version, &format, &[part("a.csv.gz", 10, "other")]), "{version}");
        assert!(!listed.is_done_with(&version.version.replace('V', "V0"), &format, &version.parts), "{version}");
    }
}

#[test]
fn parts_that_were_written_again_with_the_same_contents_are_listed_as_they_are_now() {
    in_every_registry(|registry| {
        registry.register("V1", "1");
        let lease = registry.acquire("a").unwrap();
        registry.succeed(&lease, "V1");
        let rewritten = vec![part("a.csv.gz", 10, "2")];
        let registered = registry.register_parts("V1", Ok(rewritten.clone()), true);
        assert_eq!((registered, registry.version("V1").parts), (Registered::Same, rewritten));
        check(registry);
    });
}

#[test]
fn the_versions_that_decide_what_is_next_are_found_after_every_change() {
    in_every_registry(|registry| {
        check(registry);
        for version in ["V1", "V2", "V3", "V9", "V10", "V11"] {
            registry.register(version, "1");
            check(registry);
        }
        let lease = registry.acquire("a").unwrap();
        for version in ["V2", "V9"] {
            registry.succeed(&lease, version);
            check(registry);
        }
        registry.advance(&lease, "V10", Status::Planned).unwrap();
        check(registry);
        registry.advance(&lease, "V10", Status::Held).unwrap();
        check(registry);
        let by = registry.version("V9");
        for version in ["V1", "V3"] {
            registry.inner.supersede(&lease, registry.version(version), &by).unwrap();
            check(registry);
        }
        assert!(registry.inner.retire(&registry.version("V9"), &decision()).unwrap());
        check(registry);
        registry.inner.reopen(&lease, registry.version("V3")).unwrap();
        check(registry);
        assert!(registry.inner.reject(&registry.version("V10"), &decision()).unwrap());
        check(registry);
        registry.advance(&lease, "V11", Status::Failed).unwrap();
        check(registry);
    });
}

/// The first layout did not list versions by their status. An earlier release listed them without a digest.
#[cfg(feature = "aws")]
#[test]
fn a_registry_on_dynamodb_of_an_earlier_release_is_read() {
    use runtime::store::dynamodb::Dynamodb;

    use crate::stack::{Stack, create_registry_table};

    for table in Stack::get().registry_tables() {
        let (aws, name) = (table.aws, "registry-of-an-earlier-layout");
        create_registry_table(&aws, name);
        let open = || {
            let dynamodb = Dynamodb::open(std::sync::Arc::clone(&aws), name).unwrap();
            TestRegistry::new(Registry::new(dynamodb), "acme".into())
        };
        let registry = open();
        for version in ["V1", "V2", "V3"] {
            registry.register(version, "1");
        }
        let lease = registry.acquire("a").unwrap();
        registry.succeed(&lease, "V1");
        downgrade(&aws, name, 1);
        check(&open());
        downgrade(&aws, name, 2);
        let (registry, format) = (open(), SourceFormat::from_source(&generated::TABLES[0].source));
        let (listed, version) = (registry.inner.list(&registry.key()).unwrap(), registry.version("V1"));
        assert!(listed.is_done("V1") && !listed.is_done_with("V1", &format, &version.parts), "its record must be read");
    }
}

/// Takes away from a registry of three versions what an earlier layout did not have.
#[cfg(feature = "aws")]
fn downgrade(aws: &runtime::aws::Aws, table: &str, layout: u8) {
    use aws_sdk_dynamodb::types::AttributeValue::{N, S};

    for (status, place) in [("SUCCEEDED", "V00011"), ("REGISTERED", "V00012"), ("REGISTERED", "V00013")] {
        let (pk, sk) = (S("acme/orders".into()), S(format!("status#{status}#{place}")));
        if layout == 1 {
            let call = aws.dynamodb.delete_item().table_name(table).key("pk", pk).key("sk", sk);
            aws.wait(call.send()).unwrap();
        } else {
            let call = aws.dynamodb.update_item().table_name(table).key("pk", pk).key("sk", sk);
            aws.wait(call.update_expression("REMOVE digest").send()).unwrap();
        }
    }
    let call = aws.dynamodb.update_item().table_name(table).key("pk", S("settings".into())).key("sk", S("id".into()));
    let call = call.update_expression("SET layout = :layout");
    aws.wait(call.expression_attribute_values(":layout", N(layout.to_string())).send()).unwrap();
}
