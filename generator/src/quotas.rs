//! Tests that the templates of many tables stay within CloudFormation's quotas.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>

use crate::source::Source;
use crate::{Files, generate};

/// The maximum number of resources in a template.
const MAX_TEMPLATE_RESOURCES: usize = 500;

/// The maximum number of resources that `infra/deploy` touches in one step. CloudFormation allows 2,500.
const MAX_STEP_RESOURCES: usize = 2_400;

/// The number of groups over which tables are spread.
const GROUPS: usize = 8;

fn generated(count: usize) -> Files {
    let schema = |number: usize| {
        let table = format!("table_{number}");
        let yaml = format!("{{ table: {table}, primary_key: [id], columns: [{{ name: id, type: int }}] }}");
        Source::new(format!("schemas/{table}.yaml"), yaml)
    };
    generate(&(0..count).map(schema).collect::<Vec<_>>()).expect("valid schemas")
}

/// The number of resources in a template.
fn resources(template: &str) -> usize {
    template.matches("\n    Type: AWS::").count()
}

/// The number of resources in a template and in all templates that it nests.
fn with_nested(files: &Files, path: &str) -> usize {
    let (folder, _) = path.rsplit_once('/').expect("a folder");
    let nested = files[path].lines().filter_map(|line| line.trim().strip_prefix("TemplateURL: "));
    resources(&files[path]) + nested.map(|name| with_nested(files, &format!("{folder}/{name}"))).sum::<usize>()
}

fn groups(files: &Files) -> impl Iterator<Item = &String> {
    files.keys().filter(|path| path.starts_with("infra/tables/group-"))
}

#[test]
fn templates_and_deployment_steps_of_1000_tables_stay_within_quotas() {
    for count in [500, 1_000] {
        let files = generated(count);
        let templates = files.iter().filter(|(path, _)| path.starts_with("infra/") && path.ends_with(".yaml"));
        for (path, template) in templates {
            assert!(resources(template) <= MAX_TEMPLATE_RESOURCES && template.len() <= 1_000_000, "{path}");
        }
        assert_eq!(groups(&files).count(), GROUPS);
        // A step touches whole groups. The largest one touches a group and the other stacks.
        let others = ["data", "shared", "consumer"].map(|name| with_nested(&files, &format!("infra/{name}.yaml")));
        let largest = groups(&files).map(|path| with_nested(&files, path)).max().expect("a group");
        assert!(largest + others.iter().sum::<usize>() <= MAX_STEP_RESOURCES, "{largest} and {others:?}");
    }
}

#[test]
fn adding_a_table_moves_no_other_table() {
    let (before, after) = (generated(60), generated(61));
    let changed = groups(&after).filter(|path| before.get(*path) != after.get(*path));
    assert_eq!(changed.count(), 1);
    assert!(groups(&before).all(|path| after.contains_key(path)));
}
