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

/// How long a function runs, in seconds, that may wait five minutes for a stream which takes nothing.
const WAITS_FOR_STREAM: u32 = 360;

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
        timeout: WAITS_FOR_STREAM,
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
        timeout: WAITS_FOR_STREAM,
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

/// An alarm about everything together. Its name is that of its section in the runbook.
#[derive(Serialize)]
pub(super) struct Alarm {
    id: &'static str,
    name: &'static str,
    what: &'static str,
    /// As YAML.
    namespace: &'static str,
    metric: &'static str,
    dimension: &'static str,
    value: &'static str,
    statistic: &'static str,
    /// How many periods of five minutes are looked at, and how many of them have to be bad.
    periods: u32,
    datapoints: u32,
    comparison: &'static str,
    threshold: u32,
    /// What a period without a value counts for.
    missing: &'static str,
}

/// One of our own metrics, which is to be nothing.
const OURS: Alarm = Alarm {
    id: "",
    name: "",
    what: "",
    namespace: "!Sub 'Tidemark/${Name}'",
    metric: "",
    dimension: "",
    value: "",
    statistic: "Sum",
    periods: 1,
    datapoints: 1,
    comparison: "GreaterThanThreshold",
    threshold: 0,
    missing: "notBreaching",
};

/// One of the stream's.
const OF_STREAM: Alarm =
    Alarm { namespace: "AWS/Kinesis", dimension: "StreamName", value: "!Sub '${Name}-operations'", ..OURS };

/// One of the rule that tells of arrivals.
const OF_RULE: Alarm = Alarm { namespace: "AWS/Events", dimension: "RuleName", value: "!Ref ArrivalsRule", ..OURS };

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
        periods: 3,
        datapoints: 2,
        threshold: 3600,
        ..OURS
    },
    Alarm {
        id: "Waiting",
        name: "waiting",
        what: "A version has been incomplete for a day.",
        metric: "OldestWaitingSeconds",
        statistic: "Maximum",
        periods: 3,
        datapoints: 2,
        threshold: 86_400,
        ..OURS
    },
    Alarm {
        id: "SweepSilent",
        name: "sweep-silent",
        what: "The sweeper has not measured anything for a quarter of an hour.",
        metric: "OldestPendingSeconds",
        statistic: "SampleCount",
        periods: 3,
        datapoints: 3,
        comparison: "LessThanThreshold",
        threshold: 1,
        missing: "breaching",
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
        datapoints: 3,
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
    // What `register` cannot take it names in its answer, so that its Errors stay at nothing.
    Alarm {
        id: "Arrivals",
        name: "arrivals",
        what: "Arrivals have not been registered for a quarter of an hour.",
        namespace: "AWS/SQS",
        metric: "ApproximateAgeOfOldestMessage",
        dimension: "QueueName",
        value: "!GetAtt Arrivals.QueueName",
        statistic: "Maximum",
        threshold: 900,
        ..OURS
    },
    Alarm {
        id: "DeadLetters",
        name: "dead-letters",
        what: "Events of arrivals could not be taken.",
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: "QueueName",
        value: "!Sub '${Name}-dead-letters'",
        statistic: "Maximum",
        ..OURS
    },
    Alarm {
        id: "Events",
        name: "events",
        what: "EventBridge could not put an arrival into the queue.",
        metric: "FailedInvocations",
        ..OF_RULE
    },
    Alarm {
        id: "EventsLost",
        name: "events-lost",
        what: "An arrival is neither in the queue nor among the dead letters.",
        metric: "InvocationsFailedToBeSentToDlq",
        ..OF_RULE
    },
    Alarm {
        id: "Throttled",
        name: "throttled",
        what: "The stream takes less than is published.",
        metric: "WriteProvisionedThroughputExceeded",
        periods: 3,
        datapoints: 3,
        ..OF_STREAM
    },
    Alarm {
        id: "IteratorAge",
        name: "iterator-age",
        what: "A consumer is an hour behind.",
        metric: "GetRecords.IteratorAgeMilliseconds",
        statistic: "Maximum",
        threshold: 3_600_000,
        ..OF_STREAM
    },
];

/// An alarm about one table.
#[derive(Serialize)]
pub(super) struct TableAlarm {
    id: &'static str,
    name: &'static str,
    what: &'static str,
    metric: &'static str,
    statistic: &'static str,
    period: u32,
    /// How many periods are looked at, of which one has to be bad.
    periods: u32,
}

pub(super) const TABLE_ALARMS: &[TableAlarm] = &[
    // Told when a version becomes HELD and by every sweep while it is: two periods of ten minutes hold at least three sweeps,
    // so that one which fails does not end the alarm.
    TableAlarm {
        id: "Held",
        name: "held",
        what: "A guard holds a version of the table.",
        metric: "HeldVersions",
        statistic: "Maximum",
        period: 600,
        periods: 2,
    },
    TableAlarm {
        id: "Failed",
        name: "failed",
        what: "An export of the table is at fault.",
        metric: "Failed",
        statistic: "Sum",
        period: 300,
        periods: 1,
    },
];
