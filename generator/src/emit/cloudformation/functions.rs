//! The Lambda functions and their permissions.
//!
//! A test records every call that the functions make. It fails for a call without a permission, and for a permission
//! that no call uses.

use serde::Serialize;

/// A Lambda function. All functions run the same program with different handlers.
#[derive(Serialize)]
pub(super) struct Function {
    /// The prefix of the logical IDs of its resources.
    pub(super) id: &'static str,
    /// The name of its handler.
    pub(super) name: &'static str,
    description: &'static str,
    /// The memory in MB, or a reference to a parameter.
    memory: &'static str,
    /// The timeout in seconds.
    timeout: u32,
    /// The number of concurrent instances that can be reserved for it, as YAML; empty if none can.
    reserved: &'static str,
    /// Whether it needs disk space for temporary files.
    spills_to_disk: bool,
    /// Whether the state machine calls it.
    is_step: bool,
    /// The allowed actions on the registry's table.
    registry: &'static str,
    /// Whether it reads the registry's index of open versions.
    reads_index: bool,
    /// The allowed actions on the stream.
    stream: &'static str,
    /// The allowed actions on the objects of change sets.
    changes: &'static str,
    lists_changes: bool,
    /// The allowed actions on operations that are published as files.
    files: &'static str,
    lists_files: bool,
    /// Whether it writes the last file of a version, which holds END.
    writes_last_file: bool,
    starts_flow: bool,
    /// Whether it assumes the roles of tables to read their exports.
    pub(super) assumes_table_roles: bool,
    /// It may list all exports and delete expired ones. To read an export, it assumes the table's role.
    lists_exports: bool,
    /// Whether it reads the queue of arrivals.
    consumes_arrivals: bool,
}

/// The timeout in seconds of a function that retries for up to five minutes while the stream throttles it.
const STREAM_RETRY_TIMEOUT: u32 = 360;

/// A step of the flow without any permissions.
const DEFAULTS: Function = Function {
    id: "",
    name: "",
    description: "",
    memory: "256",
    // A call without an answer times out after half a minute and is retried.
    timeout: 75,
    reserved: "",
    spills_to_disk: false,
    is_step: true,
    registry: "",
    reads_index: false,
    stream: "",
    changes: "",
    lists_changes: false,
    files: "",
    lists_files: false,
    writes_last_file: false,
    starts_flow: false,
    assumes_table_roles: false,
    lists_exports: false,
    consumes_arrivals: false,
};

const LEASE: &str = "'dynamodb:GetItem', 'dynamodb:UpdateItem'";
const DELIVERIES: &str =
    "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:PutItem', 'dynamodb:ConditionCheckItem'";
const VERSIONS: &str = "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:PutItem', 'dynamodb:DeleteItem', \
     'dynamodb:ConditionCheckItem'";
const READ_AND_WRITE: &str = "'s3:GetObject', 's3:PutObject'";
const READ_STREAM_STATE: &str = "'kinesis:DescribeStreamSummary', 'kinesis:ListShards'";
const WRITE_TO_STREAM: &str = "'kinesis:DescribeStreamSummary', 'kinesis:ListShards', 'kinesis:PutRecords'";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        id: "Register",
        name: "register",
        description: "Registers an export that arrived, and starts the flow once it is complete.",
        memory: "512",
        timeout: 120,
        is_step: false,
        registry: "'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'",
        starts_flow: true,
        assumes_table_roles: true,
        consumes_arrivals: true,
        ..DEFAULTS
    },
    Function {
        id: "Sweep",
        name: "sweep",
        description: "Restarts work that a crash left behind, rechecks incomplete versions, and reports metrics of both.",
        memory: "512",
        timeout: 280,
        reserved: "2",
        is_step: false,
        registry: "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'",
        reads_index: true,
        starts_flow: true,
        assumes_table_roles: true,
        ..DEFAULTS
    },
    Function {
        id: "Find",
        name: "find",
        description: "Registers exports whose events were lost, and removes what has expired.",
        memory: "512",
        timeout: 900,
        is_step: false,
        registry: "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'",
        starts_flow: true,
        reads_index: true,
        assumes_table_roles: true,
        changes: "'s3:DeleteObject'",
        lists_changes: true,
        lists_exports: true,
        ..DEFAULTS
    },
    Function {
        id: "Lock",
        name: "lock",
        description: "Acquires the lease of a tenant's table.",
        registry: LEASE,
        ..DEFAULTS
    },
    Function {
        id: "Next",
        name: "next",
        description: "Chooses the next step for a tenant's table.",
        memory: "512",
        registry: VERSIONS,
        ..DEFAULTS
    },
    Function {
        id: "Plan",
        name: "plan",
        description: "Computes the delta or starts it on Athena, and checks it against the guards.",
        memory: "!Ref PlanMemory",
        timeout: 900,
        spills_to_disk: true,
        registry: VERSIONS,
        stream: READ_STREAM_STATE,
        changes: "'s3:PutObject', 's3:DeleteObject'",
        lists_changes: true,
        files: "'s3:GetObject'",
        lists_files: true,
        assumes_table_roles: true,
        ..DEFAULTS
    },
    Function {
        id: "Athena",
        name: "athena",
        description: "Polls a delta on Athena, and reads its result.",
        memory: "1769",
        timeout: 900,
        registry: VERSIONS,
        stream: READ_STREAM_STATE,
        changes: "'s3:PutObject', 's3:DeleteObject'",
        lists_changes: true,
        assumes_table_roles: true,
        ..DEFAULTS
    },
    Function {
        id: "Begin",
        name: "begin",
        description: "Starts the publication of a version, and returns the parts that are not published yet.",
        memory: "512",
        timeout: STREAM_RETRY_TIMEOUT,
        registry: VERSIONS,
        stream: WRITE_TO_STREAM,
        files: READ_AND_WRITE,
        lists_files: true,
        assumes_table_roles: true,
        ..DEFAULTS
    },
    Function {
        id: "Publish",
        name: "publish",
        description: "Publishes a part of a version, as much as the timeout allows.",
        memory: "1024",
        timeout: 900,
        registry: DELIVERIES,
        stream: WRITE_TO_STREAM,
        changes: "'s3:GetObject'",
        files: READ_AND_WRITE,
        ..DEFAULTS
    },
    Function {
        id: "Record",
        name: "record",
        description: "Publishes the END of a version, and records that it succeeded.",
        // It holds the last file of a version, up to some megabytes.
        memory: "512",
        timeout: STREAM_RETRY_TIMEOUT,
        registry: VERSIONS,
        stream: WRITE_TO_STREAM,
        files: READ_AND_WRITE,
        writes_last_file: true,
        ..DEFAULTS
    },
    Function {
        id: "Unlock",
        name: "unlock",
        description: "Releases the lease, and restarts the flow after many versions.",
        reserved: "!Ref ReservedConcurrency",
        registry: LEASE,
        starts_flow: true,
        ..DEFAULTS
    },
];
