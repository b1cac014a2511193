"""What AWS itself needs and the emulator does not check: statements of the templates, and what depends on parameters.
Each rule is tried on templates from which what it asks for was removed, which it must refuse."""

import json
import re
from collections.abc import Callable, Iterator

Templates = dict[str, dict]


def problems(templates: Templates) -> Iterator[str]:
    for rule, broken in RULES:
        yield from rule(templates)
        for what, template, old, new in broken:
            text = json.dumps(templates[template])
            if old not in text:
                yield f"{rule.__name__}: {template} has no {old} to try it on"
            elif not list(rule({**templates, template: json.loads(text.replace(old, new))})):
                yield f"{rule.__name__} accepts {template} {what}"


def statements(resource: dict) -> Iterator[tuple[str, dict]]:
    """The statements of a role or a policy, each with the condition on which it depends, or an empty one."""
    properties = resource["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [properties[name] for name in ("PolicyDocument", "KeyPolicy", "ResourcePolicy") if name in properties]
    for statement in (statement for document in documents for statement in document["Statement"]):
        condition, allowed = (statement["Fn::If"][0], statement["Fn::If"][1]) if "Fn::If" in statement else ("", statement)
        yield condition, {**allowed, "Action": as_list(allowed["Action"])}


def as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


def table_roles_can_use_the_catalog(templates: Templates) -> Iterator[str]:
    """Athena reads the database `default` in every query. The catalog may be encrypted with a key, or governed by Lake
    Formation. https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html"""
    for name, template in templates.items():
        role = template["Resources"].get("Role", {"Properties": {}}) if name.startswith("tables/") else {"Properties": {}}
        allowed = list(statements(role))
        if not any("athena:StartQueryExecution" in statement["Action"] for _, statement in allowed):
            continue
        catalogs = [json.dumps(statement["Resource"]) for _, statement in allowed if "glue:GetDatabase" in statement["Action"]]
        if not any(":database/default" in named for named in catalogs):
            yield f"{name}: the role cannot look at the database `default`"
        if not any("lakeformation:GetDataAccess" in statement["Action"] for _, statement in allowed):
            yield f"{name}: the role cannot read what Lake Formation governs"
        if not any(condition == "HasCatalogKey" and "kms:Decrypt" in statement["Action"] for condition, statement in allowed):
            yield f"{name}: the role cannot read an encrypted catalog"


def the_flow_watches_its_maps(templates: Templates) -> Iterator[str]:
    """AWS's pages write the executions of a map with a slash and with a colon.
    https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html"""
    role = templates["shared.yaml"]["Resources"]["FlowRole"]
    watched = {text for _, statement in statements(role) if "states:StopExecution" in statement["Action"]
               for text in re.findall(r"execution:\$\{Name\}(.)\*", json.dumps(statement["Resource"]))}
    if watched != {"/", ":"}:
        yield f"the flow may watch executions of its maps after {watched}"


def nothing_of_a_stream_is_there_without_one(templates: Templates) -> Iterator[str]:
    for file in ("data.yaml", "shared.yaml"):
        for name, resource in templates[file]["Resources"].items():
            is_of_stream = resource["Type"].startswith("AWS::Kinesis::") or resource["Properties"].get("Namespace") == "AWS/Kinesis"
            if is_of_stream and resource.get("Condition") not in ("HasStream", "HasStreamConsumers"):
                yield f"{file}: {name} is there without a stream"
            if resource["Type"] == "AWS::IAM::Role":
                for condition, statement in statements(resource):
                    if any(action.startswith("kinesis:") for action in statement["Action"]) and condition != "HasStream":
                        yield f"{file}: {name} has a right to a stream that may not be there"
        for name, output in templates[file].get("Outputs", {}).items():
            if '"Stream"' in json.dumps(output) and output.get("Condition") != "HasStream":
                yield f"{file}: the output {name} needs a stream"


def others_can_deliver_and_read(templates: Templates) -> Iterator[str]:
    """Principals of other accounts need a statement of the resource and one of its key.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""
    expected = {("Key", "HasProducers"): {"kms:GenerateDataKey", "kms:Decrypt"}, ("ExportsPolicy", "HasProducers"): {"s3:PutObject"},
                ("Key", "HasConsumers"): {"kms:Decrypt"}, ("WorkPolicy", "HasFileConsumers"): {"s3:GetObject", "s3:ListBucket"}}
    resources = templates["data.yaml"]["Resources"]
    for (name, condition), actions in expected.items():
        granted = {action for one, statement in statements(resources[name]) if one == condition for action in statement["Action"]}
        if not actions <= granted:
            yield f"{name}: under {condition}, others may not {', '.join(sorted(actions - granted))}"
    stream = {action for _, statement in statements(resources["StreamConsumers"]) for action in statement["Action"]}
    if not {"kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:DescribeStreamSummary"} <= stream:
        yield f"consumers of the stream may only {stream}"


def account_limits_are_parameters(templates: Templates) -> Iterator[str]:
    """A new account may run ten functions at once."""
    passed = templates["tidemark.yaml"]["Resources"]["Shared"]["Properties"]["Parameters"]
    for name in ("ArrivalsConcurrency", "PartsConcurrency", "PlanMemory", "ReservedConcurrency"):
        if passed.get(name) != {"Ref": name}:
            yield f"{name} is not passed on"


def what_reads_the_stream_needs_one(templates: Templates) -> Iterator[str]:
    """A deployment with `Sink=s3` has no stream, and says so before anything changes."""
    template = templates["tidemark.yaml"]
    for name in ("ConsumerNeedsStream", "ApplyNeedsStream"):
        if not any("Sink" in json.dumps(one["Assert"]) for one in template["Rules"].get(name, {}).get("Assertions", [])):
            yield f"{name} does not ask for a stream"
    for name, condition in {"SampleConsumer": "HasConsumer", "Apply": "HasApply"}.items():
        if template["Resources"][name].get("Condition") != condition:
            yield f"{name} is there in any case"


def passwords_are_in_no_environment(templates: Templates) -> Iterator[str]:
    """Whoever may look at a function sees its environment, so it names a secret. The role may read no other."""
    template = templates["apply.yaml"]
    environment = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    if environment["TIDEMARK_APPLY_SECRET"] != {"Ref": "ApplySecret"} or "resolve:" in json.dumps(environment):
        yield "the environment holds more of a password than where it is"
    readable = [statement["Resource"] for _, statement in statements(template["Resources"]["Role"])
                if "secretsmanager:GetSecretValue" in statement["Action"]]
    if readable != [{"Ref": "ApplySecret"}]:
        yield f"the function may read {readable}"
    pattern = templates["tidemark.yaml"]["Parameters"]["ApplyTo"]["AllowedPattern"]
    for address, is_allowed in {"": True, "postgres://me@db:5432/shop?sslmode=require": True, "postgres://me:secret@db/shop": False,
                                "postgres://db/shop": False, "sqlite:shop.db": False}.items():
        if bool(re.fullmatch(pattern, address)) != is_allowed:
            yield f"ApplyTo {'accepts' if not is_allowed else 'refuses'} {address}"


def the_function_for_postgres_can_be_in_a_network(templates: Templates) -> Iterator[str]:
    """Lambda attaches a function to subnets with the rights of the function's role.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""
    resources = templates["apply.yaml"]["Resources"]
    network = resources["Function"]["Properties"].get("VpcConfig", {}).get("Fn::If", [""])
    if network[0] != "HasSubnets" or set(network[1]) != {"SubnetIds", "SecurityGroupIds"}:
        yield f"the function is in {network}"
    wanted = {"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
              "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}
    granted = {action for condition, statement in statements(resources["Role"]) if condition == "HasSubnets" for action in statement["Action"]}
    if granted != wanted:
        yield f"the function may not {', '.join(sorted(wanted ^ granted))}"


def nothing_starves_or_repeats_the_sweeper(templates: Templates) -> Iterator[str]:
    """Lambda repeats an asynchronous call for up to six hours by default.
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html"""
    resources = templates["shared.yaml"]["Resources"]
    for name in ("SweepFunction", "UnlockFunction"):
        if "HasReservation" not in json.dumps(resources[name]["Properties"].get("ReservedConcurrentExecutions")):
            yield f"nothing can be reserved for {name}"
    scheduled = {resource["Properties"]["Target"]["Arn"]["Fn::GetAtt"][0] for resource in resources.values() if resource["Type"] == "AWS::Scheduler::Schedule"}
    limited = {resource["Properties"]["FunctionName"]["Ref"] for resource in resources.values()
               if resource["Type"] == "AWS::Lambda::EventInvokeConfig" and resource["Properties"].get("MaximumEventAgeInSeconds", 21_600) <= 300}
    for name in sorted(scheduled - limited):
        yield f"a scheduled call of {name} is repeated for hours"


def roles(templates: Templates) -> Iterator[tuple[str, dict]]:
    for file, template in templates.items():
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::IAM::Role":
                yield f"{file} {name}", resource


def keys_are_used_through_services(templates: Templates) -> Iterator[str]:
    """Nobody decrypts with the key itself: only a service does, on behalf of a role; for a table only S3, for objects of
    the table. https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"""
    for name, role in roles(templates):
        for _, statement in statements(role):
            condition = json.dumps(statement.get("Condition", {}))
            if statement["Resource"] != {"Ref": "KeyArn"}:
                continue
            if "kms:ViaService" not in condition and "kms:EncryptionContext:aws:states:stateMachineArn" not in condition:
                yield f"{name} can use the key directly"
            if name.startswith("tables/"):
                table = name.removeprefix("tables/").split(".")[0]
                allowed = statement["Condition"].get("StringLike", {}).get("kms:EncryptionContext:aws:s3:arn", [])
                objects = [one["Fn::Sub"] for one in allowed if one["Fn::Sub"].endswith("*")]
                if len(objects) != 2 or not all(f"/{table}/*" in one for one in objects) or "s3." not in condition:
                    yield f"{name} can use the key for {allowed}"


def logs_and_alarms_have_a_key_of_their_own(templates: Templates) -> Iterator[str]:
    for file in ("shared.yaml", "consumer.yaml"):
        for name, resource in templates[file]["Resources"].items():
            key = resource["Properties"].get({"AWS::Logs::LogGroup": "KmsKeyId", "AWS::SNS::Topic": "KmsMasterKeyId"}.get(resource["Type"], ""))
            if key not in (None, {"Ref": "LogKeyArn"}):
                yield f"{file}: {name} is encrypted with {key}"
    users = {name: json.dumps(templates["data.yaml"]["Resources"][name]["Properties"]["KeyPolicy"]) for name in ("Key", "LogKey")}
    for service in ("cloudwatch.amazonaws.com", "logs.${AWS::Region}.amazonaws.com"):
        if service not in users["LogKey"] or f'"{service}"' in users["Key"]:
            yield f"{service} uses the key of the data"


def accounts_can_set_rules(templates: Templates) -> Iterator[str]:
    """Where an account demands a boundary, a path or a VPC, every role and every function has it."""
    for name, role in roles(templates):
        properties = role["Properties"]
        if properties.get("Path") != {"Ref": "RolePath"} or "HasBoundary" not in json.dumps(properties.get("PermissionsBoundary")):
            yield f"{name} has no path or no boundary"
        if re.search(r":role/\$\{Name\}", json.dumps(role)):
            yield f"{name} names a role without its path"
    for file in ("shared.yaml", "consumer.yaml"):
        for name, resource in templates[file]["Resources"].items():
            if resource["Type"] != "AWS::Lambda::Function":
                continue
            role = templates[file]["Resources"][resource["Properties"]["Role"]["Fn::GetAtt"][0]]
            network = {action for condition, statement in statements(role) if condition == "HasVpc" for action in statement["Action"]}
            if "HasVpc" not in json.dumps(resource["Properties"].get("VpcConfig")) or "ec2:CreateNetworkInterface" not in network:
                yield f"{file}: {name} cannot run in a VPC"
    for name in ("Exports", "Work"):
        if "HasAccessLogs" not in json.dumps(templates["data.yaml"]["Resources"][name]["Properties"].get("LoggingConfiguration")):
            yield f"the bucket {name} has no access log"


def nothing_that_is_needed_expires_by_age(templates: Templates) -> Iterator[str]:
    """A lifecycle rule knows nothing but an object's age: it would remove the change set of a HELD version."""
    for name in ("Exports", "Work"):
        for rule in templates["data.yaml"]["Resources"][name]["Properties"]["LifecycleConfiguration"]["Rules"]:
            if "ExpirationInDays" in rule and rule.get("Prefix") != "athena/":
                yield f"{name}: the rule {rule['Id']} removes what may be needed"


def the_flow_calls_what_never_changes(templates: Templates) -> Iterator[str]:
    """An execution keeps the definition with which it began, so that must name versions, which stay."""
    resources = templates["shared.yaml"]["Resources"]
    for name, called in resources["Flow"]["Properties"]["DefinitionSubstitutions"].items():
        version = resources.get(called.get("Ref", ""), {})
        if version.get("Type") != "AWS::Lambda::Version" or version.get("UpdateReplacePolicy") != "Retain":
            yield f"the flow calls {name}, which deployments replace"
            continue
        function = resources[version["Properties"]["FunctionName"]["Ref"]]
        released = [version["Properties"].get("Description"), function["Properties"]["Environment"]["Variables"].get("TIDEMARK_RELEASE")]
        if released != [{"Ref": "Release"}] * 2:
            yield f"a release makes no new version of {name}"
    for _, statement in statements(resources["FlowRole"]):
        if statement["Action"] == ["lambda:InvokeFunction"]:
            yield from (f"the flow may call {one}" for one in statement["Resource"] if not one["Fn::Sub"].endswith(":*"))


Rule = Callable[[Templates], Iterator[str]]
# Each with changes to a template that it must refuse: what, the template, the text that is replaced, by what.
RULES: list[tuple[Rule, list[tuple[str, str, str, str]]]] = [
    (table_roles_can_use_the_catalog, [
        ("without the database `default`", "tables/orders.yaml", ":database/default", ":database/other"),
        ("without Lake Formation", "tables/orders.yaml", "lakeformation:GetDataAccess", "glue:GetTable"),
        ("without the catalog's key", "tables/orders.yaml", '["HasCatalogKey"', '["Other"')]),
    (the_flow_watches_its_maps, [("with one spelling", "shared.yaml", "execution:${Name}:*", "execution:${Name}/*")]),
    (nothing_of_a_stream_is_there_without_one, [
        ("with a stream in any case", "data.yaml", '"Condition": "HasStream"', '"Condition": "Other"'),
        ("with rights in any case", "shared.yaml", '["HasStream", {"Sid"', '["Other", {"Sid"')]),
    (others_can_deliver_and_read, [
        ("without a key for producers", "data.yaml", '"kms:GenerateDataKey", "kms:Decrypt"], "Resource": "*", "Condition": {"StringEquals"',
         '"kms:Decrypt"], "Resource": "*", "Condition": {"StringEquals"'),
        ("without a policy of the stream", "data.yaml", "kinesis:GetRecords", "kinesis:PutRecords")]),
    (nothing_starves_or_repeats_the_sweeper, [
        ("without a reservation", "shared.yaml", "ReservedConcurrentExecutions", "Other"),
        ("whose calls are repeated", "shared.yaml", '"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300', '"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 21600')]),
    (what_reads_the_stream_needs_one, [
        ("without a rule", "tidemark.yaml", '"ApplyNeedsStream"', '"Other"'),
        ("with the function in any case", "tidemark.yaml", '"Condition": "HasApply"', '"Condition": "HasStream"')]),
    (passwords_are_in_no_environment, [
        ("with a password", "apply.yaml", '{"TIDEMARK_APPLY_TO": {"Ref": "ApplyTo"}', '{"PGPASSWORD": "{{resolve:secretsmanager:a}}"'),
        ("with every secret", "apply.yaml", '"Resource": {"Ref": "ApplySecret"}', '"Resource": "*"'),
        ("with passwords in addresses", "tidemark.yaml", "[^:@/?#]+@", "[^@/?#]+@")]),
    (the_function_for_postgres_can_be_in_a_network, [
        ("outside of the subnets", "apply.yaml", '"VpcConfig"', '"Other"'),
        ("without an interface", "apply.yaml", '"ec2:CreateNetworkInterface", ', "")]),
    (account_limits_are_parameters, [("with a fixed number", "tidemark.yaml", '{"Ref": "PartsConcurrency"}', "20")]),
    (keys_are_used_through_services, [
        ("with a function that uses it directly", "shared.yaml", "kms:ViaService", "kms:CallerAccount"),
        ("with another table's objects", "tables/orders.yaml", "athena/orders/*\"}]}}", "athena/*\"}]}}")]),
    (logs_and_alarms_have_a_key_of_their_own, [
        ("with logs under the key of the data", "shared.yaml", '"KmsKeyId": {"Ref": "LogKeyArn"}', '"KmsKeyId": {"Ref": "KeyArn"}'),
        ("with a key that cannot be used for logs", "data.yaml", "logs.${AWS::Region}.amazonaws.com", "other.amazonaws.com")]),
    (accounts_can_set_rules, [
        ("without a boundary", "shared.yaml", '"HasBoundary", ', '"Other", '),
        ("without a path", "tables/orders.yaml", '"Path": {"Ref": "RolePath"}', '"Path": "/"'),
        ("with a role by a fixed path", "shared.yaml", ":role${RolePath}${Name}", ":role/${Name}"),
        ("without a VPC", "consumer.yaml", '"VpcConfig"', '"Other"'),
        ("without access logs", "data.yaml", "HasAccessLogs", "Other")]),
    (nothing_that_is_needed_expires_by_age, [("by age", "data.yaml", '"Prefix": "athena/"', '"Prefix": "changes/"')]),
    (the_flow_calls_what_never_changes, [
        ("with functions that are replaced", "shared.yaml", '"UpdateReplacePolicy": "Retain", "Properties": {"FunctionName"', '"Properties": {"FunctionName"'),
        ("with a function instead of a version", "shared.yaml", '"Plan": {"Ref": "PlanVersion"}', '"Plan": {"Fn::GetAtt": ["PlanFunction", "Arn"]}'),
        ("without a release", "shared.yaml", '"TIDEMARK_RELEASE": {"Ref": "Release"}', '"TIDEMARK_RELEASE": "1"')]),
]
