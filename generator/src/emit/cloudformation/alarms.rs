//! The alarms. Each has a section in `docs/runbook.md`.

use serde::Serialize;

use crate::model::Table;

/// An alarm about the whole deployment. Its section in the runbook has the same name.
#[derive(Serialize)]
pub(super) struct Alarm {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    /// The namespace, as YAML.
    namespace: &'static str,
    metric: &'static str,
    dimension: &'static str,
    /// The value of the dimension, as YAML.
    value: &'static str,
    statistic: &'static str,
    /// The number of five-minute periods that are evaluated.
    periods: u32,
    /// The number of those periods that must breach the threshold.
    datapoints: u32,
    comparison: &'static str,
    threshold: u32,
    /// How a period without data counts.
    missing: &'static str,
    /// The condition of the template under which it exists, if it depends on one.
    condition: &'static str,
}

/// An alarm on one of our own metrics, which fires above zero.
const OWN_METRIC: Alarm = Alarm {
    id: "",
    name: "",
    description: "",
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
    condition: "",
};

/// An alarm on a metric of the stream.
const STREAM_METRIC: Alarm = Alarm {
    namespace: "AWS/Kinesis",
    dimension: "StreamName",
    value: "!Sub '${Name}-operations'",
    condition: "HasStream",
    ..OWN_METRIC
};

/// An alarm on a metric of the EventBridge rule for arrivals.
const RULE_METRIC: Alarm =
    Alarm { namespace: "AWS/Events", dimension: "RuleName", value: "!Ref ArrivalsRule", ..OWN_METRIC };

pub(super) const ALARMS: &[Alarm] = &[
    Alarm {
        id: "Refused",
        name: "refused",
        description: "An object is not part of an export, or arrived too late.",
        metric: "Refused",
        ..OWN_METRIC
    },
    Alarm {
        id: "Pending",
        name: "pending",
        description: "A complete version has not been published for an hour.",
        metric: "OldestPendingSeconds",
        statistic: "Maximum",
        periods: 3,
        datapoints: 2,
        threshold: 3600,
        ..OWN_METRIC
    },
    Alarm {
        id: "Waiting",
        name: "waiting",
        description: "A version has been incomplete for a day.",
        metric: "OldestWaitingSeconds",
        statistic: "Maximum",
        periods: 3,
        datapoints: 2,
        threshold: 86_400,
        ..OWN_METRIC
    },
    Alarm {
        id: "SweepSilent",
        name: "sweep-silent",
        description: "The sweeper has not reported metrics for 15 minutes.",
        metric: "OldestPendingSeconds",
        statistic: "SampleCount",
        periods: 3,
        datapoints: 3,
        comparison: "LessThanThreshold",
        threshold: 1,
        missing: "breaching",
        ..OWN_METRIC
    },
    Alarm {
        id: "SweepErrors",
        name: "sweep-errors",
        description: "The sweeper is failing.",
        namespace: "AWS/Lambda",
        metric: "Errors",
        dimension: "FunctionName",
        value: "!Ref SweepFunction",
        periods: 3,
        datapoints: 3,
        ..OWN_METRIC
    },
    Alarm {
        id: "FlowFailed",
        name: "flow-failed",
        description: "An execution of the flow failed.",
        namespace: "AWS/States",
        metric: "ExecutionsFailed",
        dimension: "StateMachineArn",
        value: "!Ref Flow",
        ..OWN_METRIC
    },
    // `register` names the messages that failed in its response, so its own Errors metric stays at zero.
    Alarm {
        id: "Arrivals",
        name: "arrivals",
        description: "Arrivals have not been registered for 15 minutes.",
        namespace: "AWS/SQS",
        metric: "ApproximateAgeOfOldestMessage",
        dimension: "QueueName",
        value: "!GetAtt Arrivals.QueueName",
        statistic: "Maximum",
        threshold: 900,
        ..OWN_METRIC
    },
    Alarm {
        id: "DeadLetters",
        name: "dead-letters",
        description: "Messages reached the dead-letter queue.",
        namespace: "AWS/SQS",
        metric: "ApproximateNumberOfMessagesVisible",
        dimension: "QueueName",
        value: "!Sub '${Name}-dead-letters'",
        statistic: "Maximum",
        ..OWN_METRIC
    },
    Alarm {
        id: "Events",
        name: "events",
        description: "EventBridge could not send an arrival to the queue.",
        metric: "FailedInvocations",
        ..RULE_METRIC
    },
    Alarm {
        id: "EventsLost",
        name: "events-lost",
        description: "EventBridge could not send an arrival to the dead-letter queue either.",
        metric: "InvocationsFailedToBeSentToDlq",
        ..RULE_METRIC
    },
    Alarm {
        id: "Throttled",
        name: "throttled",
        description: "The stream is throttling writes.",
        metric: "WriteProvisionedThroughputExceeded",
        periods: 3,
        datapoints: 3,
        ..STREAM_METRIC
    },
    Alarm {
        id: "IteratorAge",
        name: "iterator-age",
        description: "A consumer is an hour behind.",
        metric: "GetRecords.IteratorAgeMilliseconds",
        statistic: "Maximum",
        threshold: 3_600_000,
        ..STREAM_METRIC
    },
];

/// An alarm about one table.
#[derive(Serialize)]
pub(super) struct TableAlarm {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    metric: &'static str,
    statistic: &'static str,
    period: u32,
    /// The number of periods that are evaluated. One that breaches the threshold is enough.
    periods: u32,
    /// Only tables with `expect` in their schema get this alarm.
    #[serde(skip)]
    needs_expect: bool,
}

/// The alarms of a table.
pub(super) fn alarms_of(table: &Table) -> Vec<&'static TableAlarm> {
    TABLE_ALARMS.iter().filter(|alarm| !alarm.needs_expect || table.expect.is_some()).collect()
}

const TABLE_ALARMS: &[TableAlarm] = &[
    // Reported when a version becomes HELD and by every sweep while it is. Two periods of ten minutes contain at least
    // three sweeps, so the alarm does not clear if one of them fails.
    TableAlarm {
        id: "Held",
        name: "held",
        description: "A guard is holding a version of the table.",
        metric: "HeldVersions",
        statistic: "Maximum",
        period: 600,
        periods: 2,
        needs_expect: false,
    },
    TableAlarm {
        id: "Failed",
        name: "failed",
        description: "An export of the table cannot be read.",
        metric: "Failed",
        statistic: "Sum",
        period: 300,
        periods: 1,
        needs_expect: false,
    },
    // Reported by every sweep until an export comes.
    TableAlarm {
        id: "Overdue",
        name: "overdue",
        description: "An export of the table has not arrived by its deadline.",
        metric: "Overdue",
        statistic: "Maximum",
        period: 600,
        periods: 2,
        needs_expect: true,
    },
];
