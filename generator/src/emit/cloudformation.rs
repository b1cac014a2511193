//! `infra/`: the stacks. What all tables share, one stack per table, groups of these, and a root that nests everything;
//! and the state machine.

mod functions;

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::ddl::View as Glue;
use super::{Files, MARK, header, render};
use crate::model::Table;
use functions::{ALARMS, FUNCTIONS, TABLE_ALARMS, TableAlarm};

/// Where the stacks of tables stand.
pub(super) const FOLDER: &str = "infra/tables";

/// Over how many groups tables are spread. A table stays in its group whatever others come: CloudFormation refuses a stack
/// whose resources have the names of another one's. A template takes 500 resources, and one operation on nested stacks 2,500:
/// 1,000 tables are about 125 and 625 a group.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const GROUPS: u64 = 8;

/// The state machine; `@retry` and `@catch` stand for what every step does when it fails.
const FLOW: &str = include_str!("../../templates/flow.asl.json");

/// What holds data, which does not depend on the tables.
const DATA: &str = include_str!("../../templates/data.yaml");

/// The sample consumer, which does not either.
const CONSUMER: &str = include_str!("../../templates/consumer.yaml");

/// What failed for its input's sake fails again, and what lost its lease is another's business now. Where Lambda has no room
/// for a function, it will have some: that is tried for minutes, as a lease lapses only when somebody else takes it. Pauses stay
/// far below the two minutes after which somebody may.
const RETRY: &str = r#"[
        {"ErrorEquals": ["Input", "LeaseLost"], "MaxAttempts": 0},
        {"ErrorEquals": ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"], "IntervalSeconds": 2, "MaxAttempts": 20, "BackoffRate": 2, "MaxDelaySeconds": 20, "JitterStrategy": "FULL"},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 6, "BackoffRate": 2, "MaxDelaySeconds": 30, "JitterStrategy": "FULL"}
      ]"#;

const CATCH: &str = r#"[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Release"}]"#;

pub(super) fn emit(tables: &[Table], files: &mut Files) {
    let mut groups: BTreeMap<u64, Vec<&Table>> = BTreeMap::new();
    tables.iter().for_each(|table| groups.entry(group(&table.name)).or_default().push(table));
    let root = Root { mark: MARK, groups: groups.keys().copied().map(number).collect() };
    files.insert("infra/tidemark.yaml".into(), render("root.yaml", &root));
    files.insert(
        "infra/shared.yaml".into(),
        render("shared.yaml", &Shared { mark: MARK, functions: FUNCTIONS, alarms: ALARMS }),
    );
    files.insert("infra/flow.asl.json".into(), FLOW.replace("@retry", RETRY).replace("@catch", CATCH));
    for (name, text) in [("data.yaml", DATA), ("consumer.yaml", CONSUMER)] {
        let header = format!("# {MARK}. Changes belong into generator/templates/{name}.");
        files.insert(format!("infra/{name}"), format!("{header}\n{text}"));
    }
    for (group, tables) in groups {
        let nested = tables.iter().map(|table| Nested { id: logical_id(&table.name), name: table.name.clone() });
        let group = Group { mark: MARK, number: number(group), tables: nested.collect() };
        files.insert(format!("{FOLDER}/group-{}.yaml", group.number), render("group.yaml", &group));
    }
    for table in tables {
        files.insert(format!("{FOLDER}/{}.yaml", table.name), render("table.yaml", &OfTable::of(table)));
    }
}

/// The group of a table, which depends on nothing but its name.
fn group(table: &str) -> u64 {
    xxh3_64(table.as_bytes()) % GROUPS
}

/// The number of a group in names, which begins at one.
fn number(group: u64) -> String {
    format!("{:02}", group + 1)
}

#[derive(Serialize)]
struct Root {
    mark: &'static str,
    groups: Vec<String>,
}

#[derive(Serialize)]
struct Shared {
    mark: &'static str,
    functions: &'static [functions::Function],
    alarms: &'static [functions::Alarm],
}

#[derive(Serialize)]
struct Group {
    mark: &'static str,
    number: String,
    tables: Vec<Nested>,
}

#[derive(Serialize)]
struct Nested {
    id: String,
    name: String,
}

/// A name as CloudFormation takes it for a resource: letters and digits only. `web_events` is `WebEvents`. Where two would
/// be the same, as of `a_b` and `ab`, a hash tells them apart.
fn logical_id(table: &str) -> String {
    let words = table.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    format!("{}{:04x}", words.collect::<String>(), xxh3_64(table.as_bytes()) & 0xffff)
}

/// A table in the name of its role, which has 64 characters in all. The runtime names it in the same way.
fn role(table: &str) -> String {
    const MOST: usize = 40;
    match table.len() {
        0..=MOST => table.to_owned(),
        _ => format!("{}-{:08x}", &table[..MOST - 9], xxh3_64(table.as_bytes()) as u32),
    }
}

#[derive(Serialize)]
struct OfTable {
    header: String,
    table: String,
    role: String,
    functions: Vec<&'static str>,
    athena: bool,
    glue_description: String,
    properties: Vec<Property>,
    columns: Vec<String>,
    serde: &'static str,
    input_format: &'static str,
    output_format: &'static str,
    serde_properties: Vec<Property>,
    alarms: &'static [TableAlarm],
}

/// A name and a value, both as YAML.
#[derive(Serialize)]
struct Property {
    name: String,
    value: String,
}

impl OfTable {
    fn of(table: &Table) -> Self {
        let glue = Glue::of(table);
        let property = |(name, value): (&'static str, String)| Property { name: quoted(name), value: in_yaml(&value) };
        Self {
            header: header(table),
            table: table.name.clone(),
            role: role(&table.name),
            functions: FUNCTIONS
                .iter()
                .filter(|function| function.acts_for_tables)
                .map(|function| function.name)
                .collect(),
            athena: table.athena,
            glue_description: quoted(&header(table)),
            properties: glue.properties().map(property).collect(),
            columns: glue.columns().map(quoted).collect(),
            serde: glue.serde,
            input_format: glue.input_format,
            output_format: glue.output_format,
            serde_properties: glue.serde_properties().map(property).collect(),
            alarms: TABLE_ALARMS,
        }
    }
}

/// A text as YAML writes it between double quotes, which is how JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// The bucket of exports, for Fn::Sub.
const BUCKET: &str = "${Name}-exports-${AWS::AccountId}-${AWS::Region}";

/// A value that may name the bucket, which is known when the stack is made; what else looks like a variable is none.
fn in_yaml(value: &str) -> String {
    match value.strip_prefix("s3://BUCKET/") {
        Some(path) => format!("!Sub {}", quoted(&format!("s3://{BUCKET}/{}", path.replace("${", "${!")))),
        None => quoted(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a template may hold, and what `infra/deploy` touches in one step; AWS allows 500 and 2,500.
    const TEMPLATE: usize = 500;
    const STEP: usize = 2_400;

    fn emitted(count: usize) -> Files {
        let table = |number| {
            crate::parse(&format!(
                "{{ table: table_{number}, primary_key: [id], columns: [{{ name: id, type: int }}] }}"
            ))
        };
        let mut files = Files::new();
        emit(&(0..count).map(|number| table(number).expect("a table")).collect::<Vec<_>>(), &mut files);
        files
    }

    /// The resources of a template.
    fn resources(template: &str) -> usize {
        template.matches("\n    Type: AWS::").count()
    }

    /// The resources of a template and of all that it nests.
    fn with_nested(files: &Files, path: &str) -> usize {
        let (folder, _) = path.rsplit_once('/').expect("a folder");
        let nested = files[path].lines().filter_map(|line| line.trim().strip_prefix("TemplateURL: "));
        resources(&files[path]) + nested.map(|name| with_nested(files, &format!("{folder}/{name}"))).sum::<usize>()
    }

    fn groups(files: &Files) -> impl Iterator<Item = &String> {
        files.keys().filter(|path| path.starts_with("infra/tables/group-"))
    }

    #[test]
    fn templates_of_1000_tables_stay_within_quotas_and_so_does_each_step_of_a_deployment() {
        for count in [500, 1_000] {
            let files = emitted(count);
            let templates = files.iter().filter(|(path, _)| path.starts_with("infra/") && path.ends_with(".yaml"));
            for (path, template) in templates {
                assert!(resources(template) <= TEMPLATE && template.len() <= 1_000_000, "{path}");
            }
            assert_eq!(groups(&files).count() as u64, GROUPS);
            // A step touches whole groups, and one with what is shared and holds data at most.
            let others = ["data", "shared", "consumer"].map(|name| with_nested(&files, &format!("infra/{name}.yaml")));
            let largest = groups(&files).map(|path| with_nested(&files, path)).max().expect("a group");
            assert!(largest + others.iter().sum::<usize>() <= STEP, "{largest} and {others:?}");
        }
    }

    #[test]
    fn a_table_that_is_added_moves_no_other() {
        let (before, after) = (emitted(60), emitted(61));
        let changed = groups(&after).filter(|path| before.get(*path) != after.get(*path));
        assert_eq!(changed.count(), 1);
        assert!(groups(&before).all(|path| after.contains_key(path)));
    }

    #[test]
    fn names_of_roles_fit_and_tell_tables_apart() {
        assert_eq!(role("orders"), "orders");
        let (one, other) = ("a".repeat(99) + "1", "a".repeat(99) + "2");
        assert_eq!(role(&one).len(), 40);
        // The runtime's own test has the same.
        assert_eq!(role(&"a".repeat(128)), "a".repeat(31) + "-adc3d36c");
        assert_ne!(role(&one), role(&other));
    }

    #[test]
    fn resources_of_tables_have_names_of_letters_and_digits() {
        let ids = ["web_events", "webevents", "web__events"].map(logical_id);
        assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    }
}
