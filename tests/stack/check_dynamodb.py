"""Checks of Amazon's DynamoDB Local, which validates calls as DynamoDB does."""

from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from running import Stack, assert_equal, refused

TABLE = "check"
WRITERS = 20


def one_of_many_concurrent_writers_wins(stack: Stack) -> None:
    dynamodb = stack.client("dynamodb", "dynamodb", retries={"total_max_attempts": 1})
    dynamodb.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                          AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])

    def put(owner: int) -> str:
        try:
            dynamodb.transact_write_items(TransactItems=[{"Put": {
                "TableName": TABLE, "Item": {"pk": {"S": "lock"}, "owner": {"N": str(owner)}},
                "ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}])
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "won"

    with ThreadPoolExecutor(WRITERS) as pool:
        found = list(pool.map(put, range(WRITERS)))
    assert_equal(found.count("won"), 1)
    assert_equal(set(found) - {"won", "TransactionCanceledException", "TransactionConflictException"}, set())


def invalid_calls_are_rejected_by_dynamodb(stack: Stack) -> None:
    dynamodb = stack.client("dynamodb", "dynamodb")
    refused("ValidationException", "Type mismatch for key", lambda: dynamodb.put_item(TableName=TABLE, Item={"pk": {"N": "1"}}))
    refused("ValidationException", "reserved keyword", lambda: dynamodb.update_item(
        TableName=TABLE, Key={"pk": {"S": "a"}}, UpdateExpression="SET status = :s", ExpressionAttributeValues={":s": {"S": "a"}}))


CHECKS = [one_of_many_concurrent_writers_wins, invalid_calls_are_rejected_by_dynamodb]
