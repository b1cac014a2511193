"""ETags of S3, as on AWS under SSE-KMS.

In the emulator an ETag is the MD5 digest of the object. Under SSE-KMS it is not, and it differs each time that the same
bytes are put: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html"""

import secrets

from ministack.services import s3


def apply() -> None:
    build = s3._build_object_record

    def patched(*args: object, **options: object) -> dict:
        return {**build(*args, **options), "etag": f'"{secrets.token_hex(16)}"'}

    s3._build_object_record = patched
