//! The functions of the flow and what each may do; the alarms.
//!
//! A right that a function does not use, and a call that it has no right to, are found by a test that watches every call.

use serde::Serialize;

/// A Lambda function: a handler of the one program.
#[derive(Serialize)]
pub(super) struct Function {
    /// Of its resources.
    pub(super) id: &'static str,
    /// Its handler.
    pub(super) name: &'static str,
    what: &'static str,
    /// In MB, or a parameter.
    memory: &'static str,
    /// In seconds.
    timeout: u32,
    /// Whether it spills to temporary files.
    needs_room: bool,
    /// Whether the state machine calls it.
    is_step: bool,
    /// Actions on the registry's table.
    registry: &'static str,
    reads_index: bool,
    /// Actions on the stream.
    stream: &'static str,
    /// Actions on objects of change sets.
    changes: &'static str,
    lists_changes: bool,
    starts_flow: bool,
    /// Whether it takes the roles of tables, to read their exports.
    pub(super) acts_for_tables: bool,
    takes_arrivals: bool,
}

/// Everything that a function does not need.
const NOTHING: Function = Function {
    id: "",
    name: "",
    what: "",
    memory: "256",
    // A call that is never answered takes half a minute of it, and is made again.
    timeout: 75,
    needs_room: false,
    is_step: true,
    registry: "",
    reads_index: false,
    stream: "",
    changes: "",
    lists_changes: false,
    starts_flow: false,
    acts_for_tables: false,
    takes_arrivals: false,
};

const LEASE: &str = "'dynamodb:GetItem', 'dynamodb:UpdateItem'";
const VERSIONS: &str =
    "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:UpdateItem', 'dynamodb:PutItem', 'dynamodb:ConditionCheckItem'";
const LOOK_AT_STREAM: &str = "'kinesis:DescribeStreamSummary', 'kinesis:ListShards'";
const WRITE_TO_STREAM: &str = "'kinesis:DescribeStreamSummary', 'kinesis:ListShards', 'kinesis:PutRecords'";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        id: "Register",
        name: "register",
        what: "Takes note of an export that came, and starts the flow once it is complete.",
        memory: "512",
        timeout: 120,
        is_step: false,
        registry: "'dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'",
        starts_flow: true,
        acts_for_tables: true,
        takes_arrivals: true,
        ..NOTHING
    },
    Function {
        id: "Sweep",
        name: "sweep",
        what: "Starts what a crash left, looks again at what waits, and measures both.",
        memory: "512",
        timeout: 280,
        is_step: false,
        registry: "'dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:UpdateItem'",
        reads_index: true,
        starts_flow: true,
        acts_for_tables: true,
        ..NOTHING
    },
    Function { id: "Lock", name: "lock", what: "Takes the lease of a tenant's table.", registry: LEASE, ..NOTHING },
    Function {
        id: "Next",
        name: "next",
        what: "Finds what is to be done next for a tenant's table.",
        memory: "512",
        registry: VERSIONS,
        ..NOTHING
    },
    Function {
        id: "Plan",
        name: "plan",
        what: "Computes the delta, or begins it on Athena, and holds it against the guards.",
        memory: "!Ref PlanMemory",
        timeout: 900,
        needs_room: true,
        registry: VERSIONS,
        stream: LOOK_AT_STREAM,
        changes: "'s3:PutObject', 's3:DeleteObject'",
        lists_changes: true,
        acts_for_tables: true,
        ..NOTHING
    },
    Function {
        id: "Athena",
        name: "athena",
        what: "Looks whether a delta is computed on Athena, and takes it.",
        memory: "1769",
        timeout: 900,
        registry: VERSIONS,
        stream: LOOK_AT_STREAM,
        changes: "'s3:PutObject', 's3:DeleteObject'",
        lists_changes: true,
        acts_for_tables: true,
        ..NOTHING
    },
    Function {
        id: "Begin",
        name: "begin",
        what: "Begins to publish a version, and tells which of its parts are not out.",
        memory: "512",
        timeout: 120,
        registry: VERSIONS,
        stream: WRITE_TO_STREAM,
        acts_for_tables: true,
        ..NOTHING
    },
    Function {
        id: "Publish",
        name: "publish",
        what: "Publishes a part of a version, as far as there is time.",
        memory: "1024",
        timeout: 900,
        registry: VERSIONS,
        stream: WRITE_TO_STREAM,
        changes: "'s3:GetObject'",
        ..NOTHING
    },
    Function {
        id: "Record",
        name: "record",
        what: "Ends a version on the stream, and records that it succeeded.",
        timeout: 120,
        registry: VERSIONS,
        stream: WRITE_TO_STREAM,
        ..NOTHING
    },
    Function {
        id: "Unlock",
        name: "unlock",
        what: "Gives the lease back, and after many versions starts the flow anew.",
        registry: LEASE,
        starts_flow: true,
        ..NOTHING
    },
];

/// An alarm about everything together.
#[derive(Serialize)]
pub(super) struct Alarm {
    id: &'static str,
    name: &'static str,
    what: &'static str,
    namespace: &'static str,
    metric: &'static str,
    dimension: &'static str,
    value: &'static str,
    statistic: &'static str,
    periods: u32,
    threshold: u32,
}

const OURS: Alarm = Alarm {
    id: "",
    name: "",
    what: "",
    namespace: "Tidemark",
    metric: "",
    dimension: "",
    value: "",
    statistic: "Sum",
    periods: 1,
    threshold: 0,
};

pub(super) const ALARMS: &[Alarm] = &[
    Alarm {
        id: "Refused",
        name: "refused",
        what: "Something came that is no export, or came too late.",
        metric: "Refused",
        ..OURS
    },
    Alarm {
        id: "Pending",
        name: "pending",
        what: "A version has been waiting for an hour to be published.",
        metric: "OldestPendingSeconds",
        statistic: "Maximum",
        threshold: 3600,
        ..OURS
    },
    Alarm {
        id: "FlowFailed",
        name: "flow-failed",
        what: "An execution of the flow failed.",
        namespace: "AWS/States",
        metric: "ExecutionsFailed",
        dimension: "StateMachineArn",
        value: "!Ref Flow",
        ..OURS
    },
    Alarm {
        id: "DeadLetters",
        name: "dead-letters",
        what: "Events of arrivals could not be taken.",
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: "QueueName",
        value: "!GetAtt DeadLetters.QueueName",
        statistic: "Maximum",
        ..OURS
    },
    Alarm {
        id: "RegisterErrors",
        name: "register-errors",
        what: "Arrivals are not registered.",
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: "FunctionName",
        value: "!Ref RegisterFunction",
        periods: 3,
        ..OURS
    },
    Alarm {
        id: "SweepErrors",
        name: "sweep-errors",
        what: "The sweeper fails.",
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: "FunctionName",
        value: "!Ref SweepFunction",
        periods: 3,
        ..OURS
    },
    Alarm {
        id: "Throttled",
        name: "throttled",
        what: "The stream takes less than is published.",
        namespace: "AWS/Kinesis",
        metric: "WriteProvisionedThroughputExceeded",
        dimension: "StreamName",
        value: "!Ref Stream",
        periods: 3,
        ..OURS
    },
    Alarm {
        id: "IteratorAge",
        name: "iterator-age",
        what: "A consumer is an hour behind.",
        namespace: "AWS/Kinesis",
        metric: "GetRecords.IteratorAgeMilliseconds",
        dimension: "StreamName",
        value: "!Ref Stream",
        statistic: "Maximum",
        threshold: 3_600_000,
        ..OURS
    },
];
