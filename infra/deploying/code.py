"""The code of the functions: built, packed, and uploaded with the templates."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

from .aws import Stop, account, aws, here, need, tried

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra/tidemark.yaml"
BUILT = ROOT / "target/lambda"
# The C library of Amazon Linux 2023, which the functions run on.
GLIBC = "2.34"
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# The machine that a program of Linux is for, in the two bytes from the 18th on.
MACHINES = {183: "arm64", 62: "x86_64"}
# The package and the binary in each archive that the templates name.
BINARIES = {"bootstrap": ("generated", "bootstrap"), "apply-orders": ("consumer", "apply-orders")}


def parameters() -> list[str]:
    """The names of the template's parameters, in their order."""
    named = TEMPLATE.read_text().split("\nParameters:\n")[1].split("\nConditions:\n")[0]
    return re.findall(r"^  (\w+):$", named, re.M)


def prepare(binaries: Path | None) -> None:
    """Says what is missing on this machine, before anything is asked of AWS."""
    if binaries is None:
        need("cargo-zigbuild", "install it, and zig: pip install cargo-zigbuild ziglang; or name built programs with --binaries")
    for _, binary in BINARIES.values() if binaries else ():
        if not (binaries / binary).is_file():
            raise Stop(f"{binaries / binary} is not there; name the folder with both binaries", 2)


def build(architecture: str, binaries: Path | None) -> None:
    """Makes an archive of each binary, one for all functions that it serves."""
    target = TARGETS[architecture]
    if binaries is None:
        for package, binary in BINARIES.values():
            run(["cargo", "zigbuild", "--release", "--target", f"{target}.{GLIBC}", "--package", package, "--features", "aws",
                 "--bin", binary], f"cannot build {binary}; if the target is missing: rustup target add {target}")
    source = binaries or ROOT / "target" / target / "release"
    BUILT.mkdir(parents=True, exist_ok=True)
    for name, (_, binary) in BINARIES.items():
        check(source / binary, architecture)
        archive(source / binary, BUILT / f"{name}.zip")


def run(words: list[str], trouble: str) -> None:
    print(" ".join(words), flush=True)
    if subprocess.run(words, cwd=ROOT).returncode != 0:
        raise Stop(trouble)


def check(binary: Path, architecture: str) -> None:
    with binary.open("rb") as file:
        head = file.read(20)
    made_for = MACHINES.get(int.from_bytes(head[18:20], "little")) if head[:4] == b"\x7fELF" else None
    if made_for != architecture:
        raise Stop(f"{binary} is {'for ' + made_for if made_for else 'no program for Lambda'}, and the functions run on "
                   f"{architecture}; build it for that, or choose with --arch", 2)


def archive(binary: Path, to: Path) -> None:
    """The archive of a function: its binary, under the name that Lambda starts. The same binary gives the same bytes, so that
    a deployment with nothing new in it changes nothing."""
    aside = to.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as file:
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        file.writestr(entry, binary.read_bytes())
    aside.replace(to)


def package(name: str, bucket: str | None) -> dict:
    """Uploads code and nested templates, and gives the template that names them."""
    packaged = BUILT / f"{name}.json"
    aws("cloudformation", "package", "--template-file", str(TEMPLATE), "--s3-bucket", bucket or make(artifacts(name)),
        "--s3-prefix", name, "--use-json", "--output-template-file", str(packaged), parse=False)
    return json.loads(packaged.read_text())


def artifacts(name: str) -> str:
    return f"{name}-artifacts-{account()}-{here()}"


def make(bucket: str) -> str:
    """The bucket, which is made where it is not there. Nothing in it expires: a rollback takes the code from before, however
    old that is."""
    owner = account()
    if tried("s3api", "head-bucket", "--bucket", bucket, "--expected-bucket-owner", owner) is not None:
        return bucket
    print(f"making the bucket {bucket} for code and templates")
    place = [] if here() == "us-east-1" else ["--create-bucket-configuration", f"LocationConstraint={here()}"]
    aws("s3api", "create-bucket", "--bucket", bucket, *place, parse=False)
    settings = {
        "put-public-access-block": ("--public-access-block-configuration", {
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}),
        "put-bucket-encryption": ("--server-side-encryption-configuration", {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}),
        "put-bucket-policy": ("--policy", {"Version": "2012-10-17", "Statement": [{
            "Sid": "NothingWithoutTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [f"arn:{partition()}:s3:::{bucket}", f"arn:{partition()}:s3:::{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}),
        "put-bucket-lifecycle-configuration": ("--lifecycle-configuration", {"Rules": [{
            "ID": "uploads-that-broke", "Status": "Enabled", "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]})}
    for call, (option, value) in settings.items():
        aws("s3api", call, "--bucket", bucket, "--expected-bucket-owner", owner, option, json.dumps(value), parse=False)
    return bucket


def partition() -> str:
    return aws("sts", "get-caller-identity")["Arn"].split(":")[1]
