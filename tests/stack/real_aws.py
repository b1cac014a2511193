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
]
