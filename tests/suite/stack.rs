//! The servers that stand for AWS: a Trino behind Athena's API, and an emulator. They are started once for a run of the
//! tests, and end with it: their standard input ends then.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use aws_sdk_glue::types::{DatabaseInput, SerDeInfo, StorageDescriptor, TableInput};
use runtime::aws::Aws;
use serde::Deserialize;
use serde_json::Value as Json;

/// The bucket of all exports, and of what statements leave.
pub(crate) const BUCKET: &str = "exports";

/// Where the servers are.
#[derive(Debug, Deserialize)]
pub(crate) struct Stack {
    aws: String,
    athena: String,
    region: String,
    access_key: String,
    secret_key: String,
}

impl Stack {
    /// The servers, which are started when they are asked for first.
    pub(crate) fn get() -> &'static Self {
        static STACK: LazyLock<(Child, Stack)> = LazyLock::new(start);
        &STACK.1
    }

    /// Clients of them.
    pub(crate) fn clients(&self) -> Aws {
        Aws::at(&self.athena, &self.aws, &self.region, (&self.access_key, &self.secret_key)).unwrap()
    }
}

fn start() -> (Child, Stack) {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("stack");
    let mut child = Command::new("python3")
        .arg(stack)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for the tests of Athena");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let stack: Stack = serde_json::from_str(&line).expect("the servers did not start; what is missing is told above");
    let aws = stack.clients();
    aws.wait(aws.s3.create_bucket().bucket(BUCKET).send()).unwrap();
    (child, stack)
}

/// Puts an object into the bucket.
pub(crate) fn put(aws: &Aws, key: &str, bytes: &[u8]) {
    aws.wait(aws.s3.put_object().bucket(BUCKET).key(key).body(bytes.to_vec().into()).send()).unwrap();
}

/// Makes a database with one table in it, as the generator describes it.
pub(crate) fn create_table(aws: &Aws, database: &str, glue: &str) {
    let input = DatabaseInput::builder().name(database).build().unwrap();
    aws.wait(aws.glue.create_database().database_input(input).send()).unwrap();
    let input = table_input(&serde_json::from_str(&glue.replace("BUCKET", BUCKET)).unwrap());
    aws.wait(aws.glue.create_table().database_name(database).table_input(input).send()).unwrap();
}

fn table_input(json: &Json) -> TableInput {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let map = |json: &Json| json.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    let columns = |json: &Json| {
        let column = |json: &Json| {
            let column = aws_sdk_glue::types::Column::builder().name(text(&json["Name"])).r#type(text(&json["Type"]));
            column.build().unwrap()
        };
        json.as_array().unwrap().iter().map(column).collect::<Vec<_>>()
    };
    let descriptor = &json["StorageDescriptor"];
    let serde = SerDeInfo::builder()
        .serialization_library(text(&descriptor["SerdeInfo"]["SerializationLibrary"]))
        .set_parameters(Some(map(&descriptor["SerdeInfo"]["Parameters"])))
        .build();
    let storage = StorageDescriptor::builder()
        .set_columns(Some(columns(&descriptor["Columns"])))
        .location(text(&descriptor["Location"]))
        .input_format(text(&descriptor["InputFormat"]))
        .output_format(text(&descriptor["OutputFormat"]))
        .serde_info(serde)
        .build();
    TableInput::builder()
        .name(text(&json["Name"]))
        .table_type(text(&json["TableType"]))
        .set_parameters(Some(map(&json["Parameters"])))
        .set_partition_keys(Some(columns(&json["PartitionKeys"])))
        .storage_descriptor(storage)
        .build()
        .unwrap()
}
