//! `infra/`: the CloudFormation stacks and the state machine. There is a stack for the data, one for what all tables
//! share, one per table, groups of these, and a root that nests everything.

mod alarms;
mod functions;

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::artifact::{Files, Origin};
use super::ddl::View as GlueTable;
use super::template;
use crate::model::{Publish, Table};
use crate::names;
use alarms::{ALARMS, Alarm, TableAlarm, alarms_of};
use functions::{FUNCTIONS, Function};

/// The folder of the stacks of tables.
pub(super) const FOLDER: &str = "infra/tables";

/// The number of groups over which tables are spread. Adding tables never moves a table to another group, because
/// CloudFormation refuses to create a resource whose name is still used by another stack. The limits are 500 resources
/// in a template and 2,500 in one operation on nested stacks. With 1,000 tables, a group has about 125 resources, and
/// 625 including nested ones:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const GROUPS: u64 = 8;

/// The state machine, with the placeholders `@retry` and `@catch` for the error handling of each step.
const FLOW: &str = include_str!("../../templates/flow.asl.json");

/// The stack of the data, which does not depend on the tables.
const DATA: &str = include_str!("../../templates/data.yaml");

/// The stack of the sample consumer, which does not depend on the tables.
const CONSUMER: &str = include_str!("../../templates/consumer.yaml");

/// The stack of the function that applies operations to PostgreSQL, which does not depend on the tables.
const APPLY: &str = include_str!("../../templates/apply.yaml");

/// The retry policy of each step. Input faults would fail again, and after a lost lease another execution has taken
/// over, so neither is retried. Lambda's capacity errors are retried for minutes. The lease survives that, because the
/// pauses are far below the two minutes after which another execution may take it.
const RETRY: &str = r#"[
        {"ErrorEquals": ["Input", "LeaseLost"], "MaxAttempts": 0},
        {"ErrorEquals": ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException"], "IntervalSeconds": 2, "MaxAttempts": 20, "BackoffRate": 2, "MaxDelaySeconds": 20, "JitterStrategy": "FULL"},
        {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 6, "BackoffRate": 2, "MaxDelaySeconds": 30, "JitterStrategy": "FULL"}
      ]"#;

/// The error handler of each step while the lease is held.
const CATCH: &str = r#"[{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Release"}]"#;

pub(super) fn emit(tables: &[Table], origin: Origin<'_>, files: &mut Files) {
    let mut groups: BTreeMap<u64, Vec<&Table>> = BTreeMap::new();
    tables.iter().for_each(|table| groups.entry(group(&table.name)).or_default().push(table));
    let mark = origin.mark();
    let groups: Vec<Group> = groups.iter().map(|(group, tables)| Group::new(*group, tables, &mark)).collect();
    files.insert("infra/tidemark.yaml".into(), template::ROOT_YAML.render(&Root { mark: &mark, groups: &groups }));
    files.insert(
        "infra/shared.yaml".into(),
        template::SHARED_YAML.render(&Shared { mark: &mark, functions: FUNCTIONS, alarms: ALARMS }),
    );
    files.insert("infra/flow.asl.json".into(), FLOW.replace("@retry", RETRY).replace("@catch", CATCH));
    for (name, text) in [("data.yaml", DATA), ("consumer.yaml", CONSUMER), ("apply.yaml", APPLY)] {
        let header = format!("# {mark}. Do not edit; change generator/templates/{name} instead.");
        files.insert(format!("infra/{name}"), format!("{header}\n{text}"));
    }
    for group in &groups {
        files.insert(format!("{FOLDER}/group-{}.yaml", group.number), template::GROUP_YAML.render(group));
    }
}

pub(super) fn emit_table(table: &Table, origin: Origin<'_>, files: &mut Files) {
    files.insert(format!("{FOLDER}/{}.yaml", table.name), template::TABLE_YAML.render(&TableStack::new(table, origin)));
}

/// The group of a table, which depends only on its name.
fn group(table: &str) -> u64 {
    xxh3_64(table.as_bytes()) % GROUPS
}

/// The number of a group in names, starting at `01`.
fn group_number(group: u64) -> String {
    format!("{:02}", group + 1)
}

#[derive(Serialize)]
struct Root<'a> {
    mark: &'a str,
    groups: &'a [Group<'a>],
}

#[derive(Serialize)]
struct Shared<'a> {
    mark: &'a str,
    functions: &'static [Function],
    alarms: &'static [Alarm],
}

#[derive(Serialize)]
struct Group<'a> {
    mark: &'a str,
    number: String,
    /// Whether Athena can read one of its tables.
    athena: bool,
    tables: Vec<NestedTable>,
}

#[derive(Serialize)]
struct NestedTable {
    id: String,
    name: String,
    athena: bool,
}

impl<'a> Group<'a> {
    fn new(group: u64, tables: &[&Table], mark: &'a str) -> Self {
        let nested = |table: &&Table| NestedTable {
            id: names::logical_id(&table.name),
            name: table.name.clone(),
            athena: table.athena,
        };
        let tables: Vec<NestedTable> = tables.iter().map(nested).collect();
        let athena = tables.iter().any(|table| table.athena);
        Self { mark, number: group_number(group), athena, tables }
    }
}

#[derive(Serialize)]
struct TableStack {
    header: String,
    table: String,
    role: String,
    functions: Vec<&'static str>,
    athena: bool,
    /// It has pseudonyms, so its role may read their keys in Secrets Manager.
    has_pseudonyms: bool,
    glue_description: String,
    properties: Vec<Property>,
    columns: Vec<String>,
    serde: &'static str,
    input_format: &'static str,
    output_format: &'static str,
    serde_properties: Vec<Property>,
    alarms: Vec<&'static TableAlarm>,
}

/// A name and a value, both as YAML.
#[derive(Serialize)]
struct Property {
    name: String,
    value: String,
}

impl TableStack {
    fn new(table: &Table, origin: Origin<'_>) -> Self {
        let glue = GlueTable::new(table, origin);
        let property =
            |(name, value): (&'static str, String)| Property { name: quoted(name), value: with_bucket(&value) };
        Self {
            header: origin.table_header(table),
            table: table.name.clone(),
            role: table.role(),
            functions: FUNCTIONS
                .iter()
                .filter(|function| function.assumes_table_roles)
                .map(|function| function.name)
                .collect(),
            athena: table.athena,
            has_pseudonyms: table.columns.iter().any(|column| column.publish == Publish::Hmac),
            glue_description: quoted(&origin.table_header(table)),
            properties: glue.properties().map(property).collect(),
            columns: glue.column_names().map(quoted).collect(),
            serde: glue.serde,
            input_format: glue.input_format,
            output_format: glue.output_format,
            serde_properties: glue.serde_properties().map(property).collect(),
            alarms: alarms_of(table),
        }
    }
}

/// A text as a double-quoted YAML scalar, whose escapes include those of JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is always JSON")
}

/// The bucket of the exports, for Fn::Sub.
const BUCKET: &str = "${Name}-exports-${AWS::AccountId}-${AWS::Region}";

/// A value as YAML. The bucket is known only when the stack is created; everything else that looks like a variable is
/// escaped.
fn with_bucket(value: &str) -> String {
    match value.strip_prefix("s3://BUCKET/") {
        Some(path) => format!("!Sub {}", quoted(&format!("s3://{BUCKET}/{}", path.replace("${", "${!")))),
        None => quoted(value),
    }
}
