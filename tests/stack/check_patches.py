"""Checks of the emulator's patches: nested stacks, settings of resources, Kinesis as an event source, executions."""

import hashlib
import io
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from botocore.exceptions import ClientError

from running import Stack, assert_equal, eventually

HERE = Path(__file__).resolve().parent
NUMBER = {"Type": "Number"}
STRING = {"Type": "String"}
# The role of the functions.
ROLE = "arn:aws:iam::000000000000:role/check"


class Nested:
    """A stack with a nested stack."""

    def __init__(self, stack: Stack, name: str, child: dict, outputs: list[str]) -> None:
        self.stack, self.name, self.child, self.outputs = stack, name, child, outputs
        self.cloudformation = stack.client("cloudformation")

    def deploy(self, **parameters: str) -> dict[str, str]:
        """Creates or updates it; returns its outputs."""
        body = json.dumps(self.child).encode()
        # Another template is another object, as with `aws cloudformation package`.
        key = f"templates/{hashlib.md5(body).hexdigest()}.json"
        self.stack.s3.put_object(Bucket=self.stack.bucket, Key=key, Body=body)
        template = {"Resources": {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": {
            "TemplateURL": f"{self.stack.endpoints['aws']}/{self.stack.bucket}/{key}", "Parameters": parameters}}},
            "Outputs": {name: {"Value": {"Fn::GetAtt": ["Child", f"Outputs.{name}"]}} for name in self.outputs}}
        known = self.status() is not None
        act = self.cloudformation.update_stack if known else self.cloudformation.create_stack
        act(StackName=self.name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"])
        return self.wait("UPDATE_COMPLETE" if known else "CREATE_COMPLETE")

    def wait(self, wanted: str) -> dict[str, str]:
        while (status := self.status() or "DELETE_COMPLETE").endswith("_IN_PROGRESS"):
            time.sleep(0.05)
        if status != wanted:
            events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
            raise AssertionError(f"{status}: {[event.get('ResourceStatusReason') for event in events]}")
        found = [] if wanted == "DELETE_COMPLETE" else self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def remove(self) -> None:
        self.cloudformation.delete_stack(StackName=self.name)
        self.wait("DELETE_COMPLETE")

    def status(self) -> str | None:
        try:
            return self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"]
        except ClientError:
            return None


def queue(name: str, seconds: object = 30) -> dict:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, "VisibilityTimeout": seconds}}


def a_nested_stack_is_updated_and_keeps_what_did_not_change(stack: Stack) -> None:
    nested = Nested(stack, "check-update", {
        "Parameters": {"Seconds": NUMBER},
        "Resources": {"Same": queue("check-same"), "Other": queue("check-other", {"Ref": "Seconds"})},
        "Outputs": {"Same": {"Value": {"Fn::GetAtt": ["Same", "Arn"]}}}}, ["Same"])
    before = nested.deploy(Seconds="30")
    assert_equal(nested.deploy(Seconds="40"), before)
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName="check-other")["QueueUrl"]
    assert_equal(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]["VisibilityTimeout"], "40")


def a_change_set_evaluates_conditions(stack: Stack) -> None:
    cloudformation = stack.client("cloudformation")
    template = {"Parameters": {"On": STRING}, "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "On"}, "on"]}},
                "Resources": {"Always": queue("check-always"), "Sometimes": queue("check-sometimes") | {"Condition": "IsOn"}}}

    def changes(kind: str, word: str) -> list[str]:
        made = cloudformation.create_change_set(
            StackName="check-conditions", ChangeSetName=f"to-{word}", ChangeSetType=kind, TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "On", "ParameterValue": word}])["Id"]
        seen = cloudformation.describe_change_set(ChangeSetName=made)
        cloudformation.execute_change_set(ChangeSetName=made)
        eventually(lambda: cloudformation.describe_stacks(StackName="check-conditions")["Stacks"][0]["StackStatus"], f"{kind}_COMPLETE")
        return [f"{one['ResourceChange']['Action']} {one['ResourceChange']['LogicalResourceId']}" for one in seen["Changes"]]

    assert_equal(changes("CREATE", "off"), ["Add Always"])
    assert_equal(changes("UPDATE", "on"), ["Add Sometimes"])
    assert_equal(changes("UPDATE", "off"), ["Remove Sometimes"])


def a_nested_stack_that_cannot_be_created_leaves_nothing(stack: Stack) -> None:
    nested = Nested(stack, "check-back", {"Resources": {
        "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate", "Properties": {"BucketName": "check-back"}},
        "Wrong": queue("check-back", "soon") | {"DependsOn": "Kept"}}}, [])
    try:
        nested.deploy()
        said = ""
    except AssertionError as failed:
        said = str(failed)
    assert_equal(said.startswith("ROLLBACK_COMPLETE"), True)
    assert_equal([one["Name"] for one in stack.s3.list_buckets()["Buckets"] if one["Name"] == "check-back"], [])


def retained_resources_outlive_a_nested_stack(stack: Stack) -> None:
    keep = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    nested = Nested(stack, "check-retain", {"Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "check-retained"}} | keep,
        "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "check-retained", "ShardCount": 1}} | keep,
        "Gone": queue("check-gone")}}, [])
    nested.deploy()
    stack.s3.put_object(Bucket="check-retained", Key="kept", Body=b"kept")
    nested.remove()
    assert_equal(stack.s3.get_object(Bucket="check-retained", Key="kept")["Body"].read(), b"kept")
    assert_equal(stack.client("kinesis").describe_stream_summary(StreamName="check-retained")["StreamDescriptionSummary"]["StreamStatus"], "ACTIVE")
    assert_equal(stack.client("sqs").list_queues(QueueNamePrefix="check-gone").get("QueueUrls", []), [])


def other_stacks_can_import_what_a_nested_stack_exports(stack: Stack) -> None:
    nested = Nested(stack, "check-export", {
        "Resources": {"Queue": queue("check-export")},
        "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}, "Export": {"Name": "check-name"}}}}, ["Name"])
    nested.deploy()
    importer = Nested(stack, "check-import", {
        "Resources": {"Queue": queue("check-import")},
        "Outputs": {"Seen": {"Value": {"Fn::ImportValue": "check-name"}}}}, ["Seen"])
    assert_equal(importer.deploy(), {"Seen": "check-export"})
    for one in (importer, nested):
        one.remove()
    assert_equal([export["Name"] for export in stack.client("cloudformation").list_exports()["Exports"]], [])


def time_to_live_and_recovery_are_set(stack: Stack) -> None:
    table = {"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": "check-settings", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": {"Ref": "On"}},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": {"Ref": "On"}}}}
    nested = Nested(stack, "check-settings", {"Parameters": {"On": STRING}, "Resources": {"Table": table}}, [])
    dynamodb = stack.client("dynamodb")

    def settings() -> tuple[str, str]:
        backups = dynamodb.describe_continuous_backups(TableName="check-settings")["ContinuousBackupsDescription"]
        return (dynamodb.describe_time_to_live(TableName="check-settings")["TimeToLiveDescription"]["TimeToLiveStatus"],
                backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])

    for word, wanted in (("true", "ENABLED"), ("false", "DISABLED")):
        nested.deploy(On=word)
        assert_equal(settings(), (wanted, wanted))


class Function:
    """A function, and the batches that it received."""

    def __init__(self, stack: Stack, name: str, **settings: object) -> None:
        self.stack, self.name = stack, name
        self.folder = tempfile.TemporaryDirectory(prefix="check-")
        self.file = Path(self.folder.name) / "batches"
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            program = zipfile.ZipInfo("bootstrap")
            program.external_attr = 0o755 << 16
            archive.writestr(program, f"#!{sys.executable}\n{(HERE / 'function.py').read_text()}")
        stack.s3.put_object(Bucket=stack.bucket, Key=f"{name}.zip", Body=packed.getvalue())
        variables = {"FUNCTION_FILE": str(self.file), "FUNCTION_RAISES": settings.pop("raises", "")}
        self.resource = {"Type": "AWS::Lambda::Function", "Properties": {
            "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": ROLE, "Timeout": 10,
            "Code": {"S3Bucket": stack.bucket, "S3Key": f"{name}.zip"}, "Environment": {"Variables": variables}, **settings}}

    def batches(self) -> list[list[str]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []


def reserved_concurrency_is_set(stack: Stack) -> None:
    function = Function(stack, "check-reserved", ReservedConcurrentExecutions=1)
    nested = Nested(stack, "check-reserved", {"Resources": {"Function": function.resource}}, [])
    nested.deploy()
    client = stack.client("lambda")
    assert_equal(client.get_function_concurrency(FunctionName="check-reserved")["ReservedConcurrentExecutions"], 1)
    del function.resource["Properties"]["ReservedConcurrentExecutions"]
    function.resource["Properties"]["Description"] = "without a limit"
    nested.deploy()
    assert_equal(client.get_function_concurrency(FunctionName="check-reserved").get("ReservedConcurrentExecutions"), None)


def the_concurrency_of_a_queue_can_be_a_parameter(stack: Stack) -> None:
    function = Function(stack, "check-scaling")
    mapping = {"EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}, "FunctionName": {"Ref": "Function"},
               "ScalingConfig": {"MaximumConcurrency": {"Ref": "Most"}}}
    Nested(stack, "check-scaling", {"Parameters": {"Most": NUMBER}, "Resources": {
        "Queue": queue("check-scaling"), "Function": function.resource,
        "Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}}}, []).deploy(Most="2")
    sqs = stack.client("sqs")
    url = sqs.get_queue_url(QueueName="check-scaling")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    waiting = "ApproximateNumberOfMessages"
    eventually(lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting])["Attributes"][waiting], "0")


class Source(Function):
    """A function that consumes a stream, and a queue for failures."""

    def __init__(self, stack: Stack, name: str, raises: str = "", shards: int = 1, **settings: object) -> None:
        super().__init__(stack, name, raises=raises)
        self.kinesis, self.sqs = stack.client("kinesis"), stack.client("sqs")
        mapping = {"EventSourceArn": {"Fn::GetAtt": ["Stream", "Arn"]}, "FunctionName": {"Ref": "Function"},
                   "StartingPosition": "TRIM_HORIZON", "BatchSize": 8, "MaximumRetryAttempts": 2,
                   "FunctionResponseTypes": ["ReportBatchItemFailures"],
                   "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Failures", "Arn"]}}}}
        Nested(stack, name, {"Resources": {
            "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": name, "ShardCount": shards}},
            "Failures": queue(name), "Function": self.resource,
            "Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping | settings}}}, []).deploy()

    def put(self, texts: str) -> list[str]:
        """Sends one record for each word, in one call; returns their sequence numbers."""
        records = [{"Data": text.encode(), "PartitionKey": "key"} for text in texts.split()]
        answer = self.kinesis.put_records(StreamName=self.name, Records=records)
        return [record["SequenceNumber"] for record in answer["Records"]]

    def failed(self) -> list[tuple[str, str, int]]:
        """First and last record of each batch that was given up, and the number of attempts."""
        url = self.sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
        found = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(message["Body"]) for message in messages]
        return [(one["KinesisBatchInfo"]["startSequenceNumber"], one["KinesisBatchInfo"]["endSequenceNumber"],
                 one["requestContext"]["approximateInvokeCount"]) for one in found]


def a_partial_response_is_retried_from_the_first_failure(stack: Stack) -> None:
    source = Source(stack, "check-partial")
    source.put("a once b")
    eventually(source.batches, [["a", "once", "b"], ["once", "b"]])
    numbers = source.put("c bad d")
    eventually(lambda: len(source.batches()) > 2, True)
    source.put("e")
    # A failing record fails all records after it in its batch, but not the next batch.
    eventually(lambda: source.batches()[2:], [["c", "bad", "d"], ["bad", "d"], ["bad", "d"], ["e"]])
    assert_equal(source.failed(), [(numbers[1], numbers[2], 3)])


def a_record_that_is_too_old_is_given_up(stack: Stack) -> None:
    source = Source(stack, "check-old", MaximumRetryAttempts=-1, MaximumRecordAgeInSeconds=4)
    numbers = source.put("bad")
    eventually(lambda: len(source.batches()) > 3, True)
    found = source.failed()
    assert_equal(found, [])
    eventually(lambda: found.extend(source.failed()) or [one[:2] for one in found], [(numbers[0], numbers[0])])


def a_batch_that_fails_is_split_until_the_bad_record_is_alone(stack: Stack) -> None:
    source = Source(stack, "check-split", raises="yes", BisectBatchOnFunctionError=True)
    numbers = source.put("a b bad c")
    eventually(lambda: len(source.batches()) > 0, True)
    source.put("d")
    eventually(source.batches, [["a", "b", "bad", "c"], ["a", "b"], ["bad", "c"], ["bad"], ["bad"], ["bad"], ["c"], ["d"]])
    assert_equal(source.failed(), [(numbers[2], numbers[2], 3)])


def a_slow_function_does_not_delay_those_of_other_streams(stack: Stack) -> None:
    slow, other = Source(stack, "check-slow"), Source(stack, "check-quick")
    slow.put("slow slow slow slow slow slow")
    eventually(lambda: len(slow.batches()), 1)
    other.put("a")
    eventually(other.batches, [["a"]], 2)


def shards_that_a_split_creates_are_read_from_their_beginning(stack: Stack) -> None:
    source = Source(stack, "check-children")
    source.put("a")
    eventually(source.batches, [["a"]])
    shard = source.kinesis.list_shards(StreamName=source.name)["Shards"][0]
    middle = str(int(shard["HashKeyRange"]["EndingHashKey"]) // 2)
    source.kinesis.split_shard(StreamName=source.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
    source.put("b")
    eventually(source.batches, [["a"], ["b"]])


def execution(stack: Stack, name: str, states: dict) -> dict:
    """Runs a state machine that starts with A; returns how the execution ended."""
    client = stack.client("stepfunctions")
    role = stack.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    machine = client.create_state_machine(name=name, roleArn=role["Role"]["Arn"], definition=json.dumps({"StartAt": "A", "States": states}))
    arn = client.start_execution(stateMachineArn=machine["stateMachineArn"], input=json.dumps({"items": [1, 2, 3]}))["executionArn"]
    eventually(lambda: client.describe_execution(executionArn=arn)["status"] != "RUNNING", True)
    return client.describe_execution(executionArn=arn)


def a_path_that_does_not_exist_ends_an_execution(stack: Stack) -> None:
    ended = execution(stack, "check-path", {"A": {"Type": "Pass", "Parameters": {"x.$": "$.nothing"}, "End": True}})
    assert_equal((ended["status"], ended.get("error")), ("FAILED", "States.Runtime"))


def the_results_of_a_map_are_limited_and_the_error_is_final(stack: Stack) -> None:
    item = {"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": "x" * 100_000, "End": True}}}
    ended = execution(stack, "check-limit", {
        "I": {"Type": "Succeed"},
        "A": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": item, "End": True,
              "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "I"}]}})
    assert_equal((ended["status"], ended.get("error")), ("FAILED", "States.DataLimitExceeded"))


def the_concurrency_of_a_map_can_be_a_path(stack: Stack) -> None:
    item = {"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 5, "End": True}}}
    begun = time.monotonic()
    ended = execution(stack, "check-concurrency", {"A": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrencyPath": "$.items[0]",
                                                         "ItemProcessor": item, "End": True}})
    # One after another, each half a second.
    assert_equal((ended["status"], time.monotonic() - begun > 1.4), ("SUCCEEDED", True))


def the_same_bytes_have_another_etag_each_time(stack: Stack) -> None:
    put = [stack.s3.put_object(Bucket=stack.bucket, Key="etag", Body=b"same")["ETag"] for _ in range(2)]
    listed = stack.s3.list_objects_v2(Bucket=stack.bucket, Prefix="etag")["Contents"][0]["ETag"]
    assert_equal((put[0] != put[1], listed), (True, put[1]))


CHECKS = [a_change_set_evaluates_conditions, a_nested_stack_that_cannot_be_created_leaves_nothing, a_nested_stack_is_updated_and_keeps_what_did_not_change, retained_resources_outlive_a_nested_stack,
          other_stacks_can_import_what_a_nested_stack_exports, time_to_live_and_recovery_are_set,
          reserved_concurrency_is_set, the_concurrency_of_a_queue_can_be_a_parameter, a_partial_response_is_retried_from_the_first_failure,
          a_record_that_is_too_old_is_given_up, a_batch_that_fails_is_split_until_the_bad_record_is_alone,
          a_slow_function_does_not_delay_those_of_other_streams,
          shards_that_a_split_creates_are_read_from_their_beginning,
          a_path_that_does_not_exist_ends_an_execution, the_results_of_a_map_are_limited_and_the_error_is_final,
          the_concurrency_of_a_map_can_be_a_path, the_same_bytes_have_another_etag_each_time]
