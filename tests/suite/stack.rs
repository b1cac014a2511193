//! The servers that stand for AWS: a Trino behind Athena's API, and an emulator. They are started once for a run of the
//! tests, and end with it: their standard input ends then.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_glue::types::{DatabaseInput, SerDeInfo, StorageDescriptor, TableInput};
use runtime::aws::Aws;
use serde::Deserialize;
use serde_json::Value as Json;

/// Where the servers are.
#[derive(Debug, Deserialize)]
pub(crate) struct Stack {
    aws: String,
    athena: String,
    dynamodb: String,
    proxy: String,
    python: String,
    region: String,
    access_key: String,
    secret_key: String,
}

/// Statements are counted as they start: who asks for one of them to fail is alone while it does.
static STATEMENTS: RwLock<()> = RwLock::new(());

impl Stack {
    /// The servers, which are started when they are asked for first.
    pub(crate) fn get() -> &'static Self {
        static STACK: LazyLock<(Child, Stack)> = LazyLock::new(start);
        &STACK.1
    }

    /// Clients of them.
    pub(crate) fn clients(&self) -> Arc<Aws> {
        static CLIENTS: LazyLock<Arc<Aws>> = LazyLock::new(|| {
            let Stack { athena, aws, region, access_key, secret_key, .. } = Stack::get();
            Arc::new(Aws::at(athena, aws, region, (access_key, secret_key)).unwrap())
        });
        Arc::clone(&CLIENTS)
    }

    /// DynamoDB wherever it is to be had, each with a table for a registry.
    pub(crate) fn registries(&self) -> Vec<Registry> {
        static TABLES: LazyLock<Vec<(&'static str, Arc<Aws>)>> = LazyLock::new(|| {
            let Stack { dynamodb, region, access_key, secret_key, .. } = Stack::get();
            let local = Arc::new(Aws::at(dynamodb, dynamodb, region, (access_key, secret_key)).unwrap());
            let places = vec![("Amazon's DynamoDB Local", local), ("the emulator", Stack::get().clients())];
            places.iter().for_each(|(_, aws)| create_registry(aws, "registry"));
            places
        });
        TABLES.iter().map(|(name, aws)| Registry { name, aws: Arc::clone(aws), table: "registry".into() }).collect()
    }

    /// What a program finds them by.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.aws),
            ("AWS_ENDPOINT_URL_ATHENA", &self.athena),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
        ]
    }

    /// While this is held, no statement is made to fail.
    pub(crate) fn undisturbed(&self) -> RwLockReadGuard<'static, ()> {
        STATEMENTS.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these calls or statements of Athena fail, each once, as long as this is held.
    pub(crate) fn failures(&self, failures: &Json) -> Failures<'_> {
        let alone = STATEMENTS.write().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(self.ask("POST", "/_failures", &failures.to_string()).0, 200);
        Failures { stack: self, _alone: alone }
    }

    /// What was called on Athena, and how each statement ended.
    pub(crate) fn log(&self) -> Vec<Json> {
        serde_json::from_str(&self.ask("GET", "/_log", "").1).unwrap()
    }

    /// The emulator, past everything.
    pub(crate) fn aws(&self) -> &str {
        &self.aws
    }

    /// Athena.
    pub(crate) fn athena(&self) -> &str {
        &self.athena
    }

    /// The emulator, by way of what writes calls down and lets them fail.
    pub(crate) fn proxy(&self) -> &str {
        &self.proxy
    }

    /// The Python that has Amazon's clients.
    pub(crate) fn python(&self) -> &str {
        &self.python
    }

    /// Asks the proxy itself.
    pub(crate) fn ask_proxy(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        ask(&self.proxy, method, path, body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        ask(&self.athena, method, path, body)
    }
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let address = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    answer.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    loop {
        line.clear();
        answer.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// A table of DynamoDB that can hold a registry.
pub(crate) struct Registry {
    pub(crate) name: &'static str,
    pub(crate) aws: Arc<Aws>,
    pub(crate) table: String,
}

/// Makes a table for a registry, as the stacks do.
pub(crate) fn create_registry(aws: &Aws, table: &str) {
    let text = |name: &str| {
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        definition.build().unwrap()
    };
    let key =
        |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let index = GlobalSecondaryIndex::builder()
        .index_name("open")
        .key_schema(key("open", KeyType::Hash))
        .key_schema(key("since", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
        .unwrap();
    let call = aws.dynamodb.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let call = call.set_attribute_definitions(Some(["pk", "sk", "open", "since"].map(text).into()));
    let call = call.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    aws.wait(call.global_secondary_indexes(index).send()).unwrap();
}

/// Failures on demand; what has not struck when this goes away is forgotten.
pub(crate) struct Failures<'a> {
    stack: &'a Stack,
    _alone: RwLockWriteGuard<'static, ()>,
}

impl Drop for Failures<'_> {
    fn drop(&mut self) {
        self.stack.ask("DELETE", "/_failures", "");
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
    let stack = serde_json::from_str(&line).expect("the servers did not start; what is missing is told above");
    (child, stack)
}

/// A bucket of a test's own, and a database for its tables.
pub(crate) struct Account {
    pub(crate) aws: Arc<Aws>,
    pub(crate) bucket: String,
    pub(crate) database: String,
}

impl Account {
    /// One with nothing in it.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let account = Self {
            aws: Stack::get().clients(),
            bucket: format!("exports-{number}"),
            database: format!("database_{number}"),
        };
        let Self { aws, bucket, .. } = &account;
        aws.wait(aws.s3.create_bucket().bucket(bucket).send()).unwrap();
        account.create_database();
        account
    }

    /// Makes the database.
    pub(crate) fn create_database(&self) {
        let Self { aws, database, .. } = self;
        let input = DatabaseInput::builder().name(database).build().unwrap();
        aws.wait(aws.glue.create_database().database_input(input).send()).unwrap();
    }

    /// Puts an object into the bucket.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        let Self { aws, bucket, .. } = self;
        aws.wait(aws.s3.put_object().bucket(bucket).key(key).body(bytes.to_vec().into()).send()).unwrap();
    }

    /// Every key below a prefix.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let Self { aws, bucket, .. } = self;
        let listed = aws.wait(aws.s3.list_objects_v2().bucket(bucket).prefix(prefix).send()).unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// Makes a table as the generator describes it.
    pub(crate) fn create_table(&self, glue: &str) {
        let Self { aws, bucket, database } = self;
        let input = table_input(&serde_json::from_str(&glue.replace("BUCKET", bucket)).unwrap());
        aws.wait(aws.glue.create_table().database_name(database).table_input(input).send()).unwrap();
    }

    /// Replaces a table.
    pub(crate) fn update_table(&self, glue: &str) {
        let Self { aws, bucket, database } = self;
        let input = table_input(&serde_json::from_str(&glue.replace("BUCKET", bucket)).unwrap());
        aws.wait(aws.glue.update_table().database_name(database).table_input(input).send()).unwrap();
    }
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
