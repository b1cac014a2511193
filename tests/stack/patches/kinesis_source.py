"""Kinesis as an event source of Lambda, as on AWS.

The emulator treats a partial response as success, which loses records. It retries a failing batch forever, while all
other sources wait. It never splits a batch, has no destination for failures, and starts a shard that a split created at
its end. The documented behaviour: https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html"""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field, replace

from ministack.core.arn import parse_arn
from ministack.core.concurrency import esm_wake, spawn_background
from ministack.core.responses import _request_account_id, _request_region
from ministack.services import eventbridge, kinesis, lambda_svc

# Seconds between attempts. AWS increases the pause; by how much is not documented.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2


@dataclass(frozen=True)
class Batch:
    """A range of a shard's records, how often it failed, and when it is due again."""
    first: int
    last: int
    failures: int = 0
    due: float = 0


@dataclass
class Reader:
    """The progress of a mapping in a shard. Batches are in order, and only the first is ever sent to the function: so
    keys stay in order, whatever ParallelizationFactor allows."""
    place: int
    batches: list[Batch] = field(default_factory=list)
    is_busy: bool = False


READERS: dict[tuple[str, str], Reader] = {}


def apply() -> None:
    lambda_svc._poll_kinesis = poll


def poll() -> bool:
    """Sends a batch of every shard to its function; returns whether there was one."""
    known, is_any = set(), False
    for account, region, mapping in lambda_svc._iter_all_esms():
        known.add(mapping["UUID"])
        account_token, region_token = _request_account_id.set(account), _request_region.set(region)
        try:
            if ":kinesis:" in mapping.get("EventSourceArn", "") and mapping.get("Enabled", True):
                is_any = poll_mapping(mapping) or is_any
        finally:
            _request_account_id.reset(account_token)
            _request_region.reset(region_token)
    for key in [key for key in READERS if key[0] not in known]:
        del READERS[key]
    return is_any


def poll_mapping(mapping: dict) -> bool:
    function, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    stream = kinesis._streams.get(parse_arn(mapping["EventSourceArn"]).resource.removeprefix("stream/"))
    if function is None or stream is None:
        return False
    is_new = not any(identity == mapping["UUID"] for identity, _ in READERS)
    is_any = False
    for name, shard in stream["shards"].items():
        # Shards that appear later are read from their beginning.
        begin = len(shard["records"]) if is_new and mapping.get("StartingPosition") == "LATEST" else 0
        reader = READERS.setdefault((mapping["UUID"], name), Reader(begin))
        end = min(len(shard["records"]), reader.place + int(mapping.get("BatchSize", 100)))
        if not reader.batches and reader.place < end:
            reader.batches.append(Batch(reader.place, end))
            reader.place = end
        if reader.batches and not reader.is_busy and reader.batches[0].due <= time.time():
            reader.is_busy = is_any = True
            spawn_background(work, mapping, function, name, shard, reader, thread_name="kinesis-source")
    return is_any


def work(mapping: dict, function: dict, name: str, shard: dict, reader: Reader) -> None:
    """Sends the first batch to the function, and replaces it by what remains to be done."""
    batch = reader.batches[0]
    try:
        events = [event(mapping, name, record) for record in shard["records"][batch.first:batch.last]]
        wanted = lambda_svc._apply_filter_criteria(events, mapping)
        answer = lambda_svc._execute_function(function, {"Records": wanted}) if wanted else {"body": None}
        rest = remaining(mapping, batch, answer, [one["kinesis"]["sequenceNumber"] for one in events])
        if rest and (condition := exhausted(mapping, rest[0], shard["records"])):
            discarded = shard["records"][rest[0].first:rest[0].last]
            report_discarded(mapping, function, name, discarded, rest[0].failures, answer, condition)
            rest = []
        reader.batches[:1] = rest
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if rest else "OK"
    finally:
        reader.is_busy = False
        # The poller sleeps until it is woken.
        due = reader.batches[0].due if reader.batches else 0
        threading.Timer(max(0, due - time.time()), esm_wake.set).start()


def remaining(mapping: dict, batch: Batch, answer: dict, numbers: list[str]) -> list[Batch]:
    """Returns what to retry: nothing, the records from the first failure on, the whole batch, or its halves."""
    if answer.get("throttle"):
        return [paused(batch, 0)]
    splits = str(mapping.get("BisectBatchOnFunctionError", False)).lower() == "true"
    if answer.get("error"):
        middle = (batch.first + batch.last) // 2
        if splits and batch.first < middle:
            # A split does not count as an attempt.
            return [paused(replace(batch, last=middle), 0), replace(batch, first=middle)]
        return [paused(batch, 1)]
    failed = reported_failures(answer.get("body")) if "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or []) else []
    if not failed:
        return []
    # An identifier that is not in the batch fails all of it.
    begin = batch.first + min(numbers.index(number) if number in numbers else 0 for number in failed)
    return [paused(replace(batch, first=begin), 0 if splits and begin > batch.first else 1)]


def reported_failures(body: object) -> list[object]:
    failures = (body.get("batchItemFailures") if isinstance(body, dict) else None) or []
    return [failure.get("itemIdentifier") for failure in failures]


def paused(batch: Batch, failures: int) -> Batch:
    count = batch.failures + failures
    return replace(batch, failures=count, due=time.time() + min(FIRST_PAUSE * 2 ** min(count, 10), LONGEST_PAUSE))


def exhausted(mapping: dict, batch: Batch, records: list[dict]) -> str:
    """Why a batch is discarded, in AWS's words: too many attempts, or too old. -1 means no limit. Empty: not yet."""
    attempts, age = (int(mapping.get(name, -1)) for name in ("MaximumRetryAttempts", "MaximumRecordAgeInSeconds"))
    if 0 <= attempts < batch.failures:
        return "RetryAttemptsExhausted"
    is_old = age >= 0 and time.time() - float(records[batch.first]["ApproximateArrivalTimestamp"]) > age
    return "RecordAgeExceeded" if is_old and batch.failures else ""


def report_discarded(mapping: dict, function: dict, name: str, records: list[dict], count: int, answer: dict,
                     condition: str) -> None:
    """Sends the position of the records to the queue for failures; the records stay on the stream."""
    destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if not destination:
        return
    arrivals = [iso(record["ApproximateArrivalTimestamp"]) for record in (records[0], records[-1])]
    eventbridge._dispatch_to_sqs(parse_arn(destination), json.dumps({
        "requestContext": {"requestId": str(uuid.uuid4()), "functionArn": function["config"]["FunctionArn"],
                           "condition": condition, "approximateInvokeCount": count},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST",
                            **({"functionError": "Unhandled"} if answer.get("error") else {})},
        "version": "1.0", "timestamp": iso(time.time()),
        "KinesisBatchInfo": {"shardId": name, "startSequenceNumber": records[0]["SequenceNumber"],
                             "endSequenceNumber": records[-1]["SequenceNumber"],
                             "approximateArrivalOfFirstRecord": arrivals[0], "approximateArrivalOfLastRecord": arrivals[1],
                             "batchSize": len(records), "streamArn": mapping["EventSourceArn"]}}))


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(seconds)))


def event(mapping: dict, shard: str, record: dict) -> dict:
    region, account = mapping["EventSourceArn"].split(":")[3:5]
    return {"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": record["PartitionKey"],
                        "sequenceNumber": record["SequenceNumber"], "data": kinesis._ensure_base64(record["Data"]),
                        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"]},
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{shard}:{record['SequenceNumber']}",
            "eventName": "aws:kinesis:record", "invokeIdentityArn": f"arn:aws:iam::{account}:role/lambda-role",
            "awsRegion": region, "eventSourceARN": mapping["EventSourceArn"]}
