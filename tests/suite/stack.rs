//! The servers that take the place of AWS: a Trino behind Athena's API, and an emulator of the other services. They are
//! started once for a run of the tests, and exit with it, when their standard input is closed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_glue::types::{DatabaseInput, SerDeInfo, StorageDescriptor, TableInput};
use runtime::aws::Aws;
use serde::Deserialize;
use serde_json::Value as Json;

/// The addresses of the servers.
#[derive(Debug, Deserialize)]
pub(crate) struct Stack {
    aws: String,
    athena: String,
    dynamodb: String,
    proxy: String,
    python: String,
    programs: String,
    region: String,
    access_key: String,
    secret_key: String,
}

impl Stack {
    /// The servers, started on first use.
    pub(crate) fn get() -> &'static Self {
        static STACK: LazyLock<(Child, Stack)> = LazyLock::new(start);
        &STACK.1
    }

    /// AWS clients for the servers.
    pub(crate) fn clients(&self) -> Arc<Aws> {
        static CLIENTS: LazyLock<Arc<Aws>> = LazyLock::new(|| {
            let Stack { athena, aws, region, access_key, secret_key, .. } = Stack::get();
            Arc::new(Aws::at(athena, aws, region, (access_key, secret_key)).unwrap())
        });
        Arc::clone(&CLIENTS)
    }

    /// A registry table in each implementation of DynamoDB.
    pub(crate) fn registry_tables(&self) -> Vec<RegistryTable> {
        static TABLES: LazyLock<Vec<(&'static str, Arc<Aws>)>> = LazyLock::new(|| {
            let Stack { dynamodb, region, access_key, secret_key, .. } = Stack::get();
            let local = Arc::new(Aws::at(dynamodb, dynamodb, region, (access_key, secret_key)).unwrap());
            let services = vec![("Amazon's DynamoDB Local", local), ("the emulator", Stack::get().clients())];
            services.iter().for_each(|(_, aws)| create_registry_table(aws, "registry"));
            services
        });
        let table = |(service, aws): &(&'static str, Arc<Aws>)| RegistryTable {
            service,
            aws: Arc::clone(aws),
            name: "registry".into(),
        };
        TABLES.iter().map(table).collect()
    }

    /// The environment variables by which a program finds the servers.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.aws),
            ("AWS_ENDPOINT_URL_ATHENA", &self.athena),
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.access_key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret_key),
        ]
    }

    /// Makes these calls or queries of Athena fail, each once, until the guard is dropped. Only those count that belong
    /// to the `scope`: a database, or a tenant.
    pub(crate) fn inject_failures<'a>(&'a self, scope: &'a str, failures: &Json) -> InjectedFailures<'a> {
        let mut failures = failures.clone();
        failures.as_array_mut().unwrap().iter_mut().for_each(|failure| failure["scope"] = scope.into());
        assert_eq!(self.athena_request("POST", "/_failures", &failures.to_string()).0, 200);
        InjectedFailures { stack: self, scope }
    }

    /// The calls that Athena received, and how each query ended.
    pub(crate) fn athena_log(&self) -> Vec<Json> {
        serde_json::from_str(&self.athena_request("GET", "/_log", "").1).unwrap()
    }

    /// The part of this log that belongs to a scope.
    pub(crate) fn athena_log_of(&self, scope: &str) -> Vec<Json> {
        serde_json::from_str(&self.athena_request("GET", &format!("/_log?scope={scope}"), "").1).unwrap()
    }

    /// The address of the emulator itself.
    pub(crate) fn aws(&self) -> &str {
        &self.aws
    }

    /// The address of Athena.
    pub(crate) fn athena(&self) -> &str {
        &self.athena
    }

    /// Starts a proxy in front of the emulator, which logs calls and makes some of them fail. Returns its address.
    pub(crate) fn start_proxy(&self) -> String {
        let response: Json = serde_json::from_str(&request(&self.proxy, "POST", "/_proxies", "").1).unwrap();
        response["proxy"].as_str().unwrap().to_owned()
    }

    /// A Python interpreter with Amazon's clients.
    pub(crate) fn python(&self) -> &str {
        &self.python
    }

    /// The folder with the `aws` command.
    pub(crate) fn programs(&self) -> &str {
        &self.programs
    }

    fn athena_request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        request(&self.athena, method, path, body)
    }
}

/// Sends an HTTP request, and returns the status and the body of the response.
pub(crate) fn request(address: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let address = address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    response.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    loop {
        line.clear();
        response.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    response.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// A DynamoDB table that can hold a registry.
pub(crate) struct RegistryTable {
    /// The implementation of DynamoDB.
    pub(crate) service: &'static str,
    pub(crate) aws: Arc<Aws>,
    pub(crate) name: String,
}

/// Creates a table for a registry, as the CloudFormation stacks do.
pub(crate) fn create_registry_table(aws: &Aws, table: &str) {
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

/// Injected failures. Dropping this removes those that have not happened yet.
pub(crate) struct InjectedFailures<'a> {
    stack: &'a Stack,
    scope: &'a str,
}

impl Drop for InjectedFailures<'_> {
    fn drop(&mut self) {
        self.stack.athena_request("DELETE", &format!("/_failures?scope={}", self.scope), "");
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
        .expect("the AWS tests need python3");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let stack = serde_json::from_str(&line).expect("the servers did not start; see the messages above");
    (child, stack)
}

/// A bucket and a Glue database for one test.
pub(crate) struct Sandbox {
    pub(crate) aws: Arc<Aws>,
    pub(crate) bucket: String,
    pub(crate) database: String,
}

impl Sandbox {
    /// An empty bucket and an empty database.
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let sandbox = Self {
            aws: Stack::get().clients(),
            bucket: format!("exports-{number}"),
            database: format!("database_{number}"),
        };
        let Self { aws, bucket, .. } = &sandbox;
        aws.wait(aws.s3.create_bucket().bucket(bucket).send()).unwrap();
        sandbox.create_database();
        sandbox
    }

    /// Creates the database.
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

    /// Creates a table from the generated Glue definition.
    pub(crate) fn create_table(&self, glue: &str) {
        let Self { aws, bucket, database } = self;
        let input = table_input(&serde_json::from_str(&glue.replace("BUCKET", bucket)).unwrap());
        aws.wait(aws.glue.create_table().database_name(database).table_input(input).send()).unwrap();
    }

    /// Replaces a table's definition.
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
