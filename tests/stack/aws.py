"""Clients of the servers. Their credentials are as good as any others: nobody checks them."""

import boto3
from botocore.client import BaseClient
from botocore.config import Config

ACCESS_KEY, SECRET_KEY, REGION = "tests", "tests-secret", "us-east-1"


def client(service: str, address: str, **options: object) -> BaseClient:
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=50, **options)
    return boto3.client(service, endpoint_url=address, region_name=REGION, aws_access_key_id=ACCESS_KEY,
                        aws_secret_access_key=SECRET_KEY, config=config)
