"""Builds and packages the code of the functions, and uploads it with the templates."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import urllib.request
import zipfile
from pathlib import Path

from .aws import DeployError, account, aws, aws_if_exists, region, require

# The clone of Tidemark, whose programs are deployed.
CLONE = Path(__file__).resolve().parents[2]
# The folder of the schemas and the templates.
ROOT = CLONE
TEMPLATE = ROOT / "infra/tidemark.yaml"
BUILT = ROOT / "target/lambda"
# The version of the C library on Amazon Linux 2023, on which the functions run.
GLIBC = "2.34"
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
# The architectures by the machine field of an ELF header, which is the two bytes at offset 18.
MACHINES = {183: "arm64", 62: "x86_64"}
# The package and the binary in each archive that the templates name.
BINARIES = {"bootstrap": ("tidemark", "bootstrap"), "apply-orders": ("consumer", "apply-orders")}
# The authorities of RDS and Aurora, of all regions:
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html
ROOTS = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
# An archive without files: the record that ends one.
EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)


def choose(project: Path) -> None:
    """Deploys a project that `tidemark init` made, instead of this repository."""
    global ROOT, TEMPLATE, BUILT
    ROOT = project.resolve()
    TEMPLATE = ROOT / "infra/tidemark.yaml"
    BUILT = ROOT / "target/lambda"
    if not TEMPLATE.is_file():
        raise DeployError(f"{TEMPLATE} does not exist; {how_to_generate()}", 2)


def has_consumer() -> bool:
    """Returns whether there is the sample consumer, which a project of one's own does not have."""
    return (ROOT / "samples/consumer/Cargo.toml").is_file()


def generator() -> tuple[list[str], Path]:
    """The command that generates the templates from the schemas, and the folder where it runs: a project with a
    workspace has a generator of its own."""
    if (ROOT / "generate").is_dir():
        return ["cargo", "run", "-p", "generate", "--"], ROOT
    return ["cargo", "run", "-p", "generator", "--", *([] if ROOT == CLONE else ["--root", str(ROOT)])], CLONE


def how_to_generate() -> str:
    words, folder = generator()
    return f"in {folder}, run: {' '.join(words).removesuffix(' --')}"


def parameters() -> list[str]:
    """Returns the names of the template's parameters, in their order."""
    section = re.split(r"\n(?=\w)", TEMPLATE.read_text().split("\nParameters:\n")[1])[0]
    return re.findall(r"^  (\w+):$", section, re.M)


def prepare(binaries: Path | None) -> None:
    """Checks the requirements on this machine before AWS is called."""
    if binaries is None:
        require("cargo-zigbuild", "install it and zig (pip install cargo-zigbuild ziglang), or pass compiled binaries with --binaries")
    schemas()


def schemas() -> dict[str, bytes]:
    """Returns the schemas of all tables by their path in the archive of a function. Each has its template: the one that
    the generator wrote with it."""
    found = {path.stem: path for path in sorted((ROOT / "schemas").glob("*.yaml")) if not path.name.startswith(".")}
    if not found:
        raise DeployError(f"{ROOT / 'schemas'} has no schemas; describe a table there", 2)
    templates = {path.stem for path in (ROOT / "infra/tables").glob("*.yaml") if not re.fullmatch(r"group-\d+", path.stem)}
    if differing := sorted(found.keys() ^ templates):
        table = differing[0]
        missing = f"infra/tables/{table}.yaml" if table in found else f"schemas/{table}.yaml"
        raise DeployError(f"{ROOT / missing} does not exist, so the templates are not those of the schemas; {how_to_generate()}", 2)
    return {f"schemas/{table}.yaml": path.read_bytes() for table, path in found.items()}


def staged(name: str) -> Path:
    """The folder of a deployment, with the templates and the archives that they name. Deployments at the same time do not
    share it."""
    return BUILT / name


def build(name: str, architecture: str, binaries: Path | None, has_consumer: bool, roots: bytes | None) -> None:
    """Creates an archive of each binary that is used, and copies the templates next to them. All functions of the pipeline share one, which has the schemas of
    all tables next to the program: a new table needs no build. The function that applies operations to PostgreSQL has
    another one, with the roots of the server's certificate, too."""
    used = {name: one for name, one in BINARIES.items() if name != "apply-orders" or has_consumer}
    source = binaries or compile_all(architecture, used, bool(roots))
    for _, binary in used.values():
        check_architecture(source / binary, architecture)
    shutil.rmtree(staged(name), ignore_errors=True)
    not_deployed = shutil.ignore_patterns("deploy", "deploying", "guard", "release", "*.md")
    shutil.copytree(ROOT / "infra", staged(name) / "infra", ignore=not_deployed)
    archives = staged(name) / "target/lambda"
    archives.mkdir(parents=True)
    archive(source / "bootstrap", archives / "bootstrap.zip", schemas())
    # Templates of functions that are off name archives all the same.
    for unused in ("apply-orders", "apply"):
        (archives / f"{unused}.zip").write_bytes(EMPTY_ARCHIVE)
    if has_consumer:
        archive(source / "apply-orders", archives / "apply-orders.zip")
    if roots:
        archive(source / "bootstrap", archives / "apply.zip", {"roots.pem": roots, **schemas()})


def compile_all(architecture: str, used: dict[str, tuple[str, str]], has_apply: bool) -> Path:
    """Checks that the templates are those of the schemas, compiles what has changed, and returns the folder of the
    binaries."""
    words, folder = generator()
    run([*words, "--check"], folder, f"the templates are not those of the schemas; {how_to_generate()}")
    target = TARGETS[architecture]
    for package, binary in used.values():
        features = "aws" if binary != "bootstrap" else "lambda,postgres" if has_apply else "lambda"
        run(["cargo", "zigbuild", "--release", "--target", f"{target}.{GLIBC}", "--package", package, "--features", features,
             "--bin", binary], CLONE, f"cannot build {binary}; if the target is not installed, run: rustup target add {target}")
    return CLONE / os.environ.get("CARGO_TARGET_DIR", "target") / target / "release"


def roots(file: Path | None) -> bytes:
    """Returns the certificates of the authorities that a server's certificate may be from: those in the file, or else
    those of RDS."""
    try:
        if file:
            text = file.read_bytes()
        else:
            with urllib.request.urlopen(ROOTS, timeout=30) as answer:
                text = answer.read()
    except OSError as error:
        raise DeployError(f"cannot read the certificates of the database's authorities from {file or ROOTS}: {error}; "
                          "pass a file that contains them with --roots", 2) from None
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise DeployError(f"{file or ROOTS} contains no certificate; pass a file with certificates in PEM with --roots", 2)
    return text


def run(words: list[str], folder: Path, message: str) -> None:
    print(" ".join(words), flush=True)
    if subprocess.run(words, cwd=folder).returncode != 0:
        raise DeployError(message)


def check_architecture(binary: Path, architecture: str) -> None:
    if not binary.is_file():
        raise DeployError(f"{binary} does not exist; pass the folder that contains the binaries", 2)
    with binary.open("rb") as file:
        head = file.read(20)
    built_for = MACHINES.get(int.from_bytes(head[18:20], "little")) if head[:4] == b"\x7fELF" else None
    if built_for != architecture:
        actual = f"built for {built_for}" if built_for else "not a Linux binary for Lambda"
        raise DeployError(f"{binary} is {actual}, but the functions run on {architecture}; build it for {architecture}, or choose "
                          "another architecture with --arch", 2)


def archive(binary: Path, to: Path, others: dict[str, bytes] | None = None) -> None:
    """Writes the archive of a function: its binary under the name that Lambda starts, and other files. The same files
    always give the same bytes, so that deploying them again changes nothing."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in {"bootstrap": binary.read_bytes(), **(others or {})}.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content)


def package(name: str, bucket: str | None) -> dict:
    """Uploads the code and the nested templates. Returns the template that refers to them."""
    packaged = BUILT / f"{name}.json"
    return package_template(staged(name) / "infra/tidemark.yaml", packaged, name, bucket or ensure_bucket(artifacts(name)))


def package_template(template: Path, packaged: Path, name: str, bucket: str) -> dict:
    aws("cloudformation", "package", "--template-file", str(template), "--s3-bucket", bucket,
        "--s3-prefix", name, "--use-json", "--output-template-file", str(packaged), parse=False)
    return json.loads(packaged.read_text())


def bucket(name: str, chosen: str | None) -> str:
    """The bucket for code and templates."""
    return chosen or artifacts(name)


def artifacts(name: str) -> str:
    return f"{name}-artifacts-{account()}-{region()}"


def bucket_policy(bucket: str, partition: str) -> dict:
    return {"Version": "2012-10-17", "Statement": [{
        "Sid": "RequireTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": [f"arn:{partition}:s3:::{bucket}", f"arn:{partition}:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}


def ensure_bucket(bucket: str) -> str:
    """Creates the bucket if it does not exist. Nothing in it expires, because a rollback needs the previous code,
    however old it is."""
    owner = account()
    if aws_if_exists("s3api", "head-bucket", "--bucket", bucket, "--expected-bucket-owner", owner) is not None:
        return bucket
    print(f"creating the bucket {bucket} for code and templates")
    location = [] if region() == "us-east-1" else ["--create-bucket-configuration", f"LocationConstraint={region()}"]
    aws("s3api", "create-bucket", "--bucket", bucket, *location, parse=False)
    settings = {
        "put-public-access-block": ("--public-access-block-configuration", {
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}),
        "put-bucket-encryption": ("--server-side-encryption-configuration", {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}),
        "put-bucket-policy": ("--policy", bucket_policy(bucket, partition())),
        "put-bucket-lifecycle-configuration": ("--lifecycle-configuration", {"Rules": [{
            "ID": "abort-incomplete-uploads", "Status": "Enabled", "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]})}
    for call, (option, value) in settings.items():
        aws("s3api", call, "--bucket", bucket, "--expected-bucket-owner", owner, option, json.dumps(value), parse=False)
    return bucket


def partition() -> str:
    return aws("sts", "get-caller-identity")["Arn"].split(":")[1]
