"""Clients of the servers, with the credentials of the account: they may do anything."""

import boto3
from botocore.client import BaseClient
from botocore.config import Config

ACCESS_KEY, SECRET_KEY, REGION = "tests", "tests-secret", "us-east-1"


def client(service: str, address: str, credentials: dict[str, str] | None = None, **options: object) -> BaseClient:
    """A client with the credentials of the account, or with those of a role, as STS returns them."""
    known = credentials or {"AccessKeyId": ACCESS_KEY, "SecretAccessKey": SECRET_KEY}
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=50, **options)
    return boto3.client(service, endpoint_url=address, region_name=REGION, aws_access_key_id=known["AccessKeyId"],
                        aws_secret_access_key=known["SecretAccessKey"], aws_session_token=known.get("SessionToken"), config=config)
