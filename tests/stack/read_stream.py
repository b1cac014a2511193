"""Prints the records on a Kinesis stream, from its beginning to its current end.

    read_stream.py ADDRESS STREAM           records deaggregated by Amazon's module
    read_stream.py ADDRESS STREAM --shards  the same, each after its shard and a tab
    read_stream.py ADDRESS STREAM --stock   records as they are, as a consumer without deaggregation reads them

Standard error gets the number of Kinesis records.
"""

import base64
import sys
from collections.abc import Iterator

import aws
from aws_kinesis_agg.deaggregator import iter_deaggregate_records


def main(address: str, stream: str, *options: str) -> None:
    kinesis = aws.client("kinesis", address)
    records = [record for _, record in read(kinesis, stream)]
    if "--shards" in options:
        for shard, record in read(kinesis, stream):
            for data in deaggregated(stream, [record]):
                sys.stdout.buffer.write(shard.encode() + b"\t" + data + b"\n")
        return
    if "--stock" in options:
        data = [record["Data"] for record in records]
    else:
        data = deaggregated(stream, records)
    for one in data:
        sys.stdout.buffer.write(one + b"\n")
    print(len(records), file=sys.stderr)


def deaggregated(stream: str, records: list[dict]) -> list[bytes]:
    """The user records; Amazon's module expects records in the form of Lambda events."""
    events = [{"eventVersion": "1.0", "eventSource": "aws:kinesis", "eventName": "aws:kinesis:record", "eventID": "0",
               "invokeIdentityArn": "", "awsRegion": aws.REGION, "eventSourceARN": stream,
               "kinesis": {"data": base64.b64encode(record["Data"]).decode(), "partitionKey": record["PartitionKey"],
                           "sequenceNumber": record["SequenceNumber"], "kinesisSchemaVersion": "1.0",
                           "approximateArrivalTimestamp": 0}} for record in records]
    return [base64.b64decode(record["kinesis"]["data"]) for record in iter_deaggregate_records(events)]


def read(kinesis, stream: str) -> Iterator[tuple[str, dict]]:
    for shard in kinesis.get_paginator("list_shards").paginate(StreamName=stream).search("Shards"):
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
            yield from ((shard["ShardId"], record) for record in page["Records"])
            # An open shard has no last page: stop at its current end.
            iterator = page.get("NextShardIterator") if page["Records"] or page.get("MillisBehindLatest") else None


if __name__ == "__main__":
    main(*sys.argv[1:])
