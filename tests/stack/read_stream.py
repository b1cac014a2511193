"""Reads a stream of Kinesis from its beginning to where it ends now, and prints what is on it.

    read_stream.py ADDRESS STREAM           records taken apart by Amazon's module for aggregated records
    read_stream.py ADDRESS STREAM --shards  the same, each with its shard in front
    read_stream.py ADDRESS STREAM --stock   each record as it is, as a consumer reads it that knows nothing of aggregation

The last line, on standard error, is how many records of Kinesis there were.
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
            for data in taken_apart(stream, [record]):
                sys.stdout.buffer.write(shard.encode() + b"\t" + data + b"\n")
        return
    if "--stock" in options:
        data = [record["Data"] for record in records]
    else:
        data = taken_apart(stream, records)
    for one in data:
        sys.stdout.buffer.write(one + b"\n")
    print(len(records), file=sys.stderr)


def taken_apart(stream: str, records: list[dict]) -> list[bytes]:
    """Records as Lambda gets them, which is what Amazon's module takes apart."""
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
            # An open shard has no end: it is read to where it ends now.
            iterator = page.get("NextShardIterator") if page["Records"] or page.get("MillisBehindLatest") else None


if __name__ == "__main__":
    main(*sys.argv[1:])
