"""Resolves templates as CloudFormation does, for tools that do not understand conditions and functions: parameters,
conditions, Fn::If, Ref, Fn::Sub and the like. What only AWS knows, such as the ARN of a key, is made up."""

import re
from pathlib import Path

from cfnlint.decode.cfn_yaml import load

ACCOUNT, REGION = "123456789012", "us-east-1"
PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::StackName": "tidemark"}
NOTHING = object()
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
# The property with the name of a resource, and its ARN.
NAMED = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{}}"),
    "AWS::Kinesis::Stream": ("Name", f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{{}}"),
    "AWS::Lambda::Function": ("FunctionName", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}"),
    "AWS::Lambda::Version": ("FunctionName", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}:1"),
    "AWS::Lambda::Alias": ("FunctionName", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{}}:live"),
    "AWS::IAM::Role": ("RoleName", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{REGION}:{ACCOUNT}:{{}}"),
    "AWS::Events::Rule": ("Name", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{{}}"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{}}:*"),
    "AWS::KMS::Key": ("KeyId", KEY),
}
# Types of which a reference is the ARN.
REFERRED_BY_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine", "AWS::Lambda::Version", "AWS::Lambda::Alias"}


def render_all(root: Path, given: dict[str, str]) -> dict[str, dict]:
    """The templates of a deployment with these parameters, nested ones included, by their path below the root's
    folder. Stacks whose condition is false are left out."""
    rendered: dict[str, dict] = {}
    waiting = [(root, given)]
    while waiting:
        path, parameters = waiting.pop()
        template = render(load(path), parameters)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::CloudFormation::Stack":
                nested = resource["Properties"]
                waiting.append((path.parent / nested["TemplateURL"], nested.get("Parameters", {})))
                nested["TemplateURL"] = f"https://s3.{REGION}.amazonaws.com/artifacts/{nested['TemplateURL']}"
        rendered[str(path.relative_to(root.parent))] = template
    return rendered


def render(template: dict, given: dict[str, str]) -> dict:
    """A template with these parameters and the defaults of the others. It has no functions any more."""
    one = Rendering(template, given)
    resources = {}
    for name, resource in template["Resources"].items():
        if one.is_true(resource.get("Condition")):
            kept = {key: value for key, value in resource.items() if key != "Condition"}
            resources[name] = one.resolve(kept)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


class Rendering:
    def __init__(self, template: dict, given: dict[str, str]) -> None:
        self.resources, self.conditions = template["Resources"], template.get("Conditions", {})
        declared = template.get("Parameters", {})
        if unknown := set(given) - set(declared):
            raise ValueError(f"unknown parameters {sorted(unknown)}")
        self.values = {name: given.get(name, declared[name].get("Default", "")) for name in declared} | PSEUDO

    def is_true(self, condition: str | None) -> bool:
        return condition is None or self.resolve(self.conditions[condition])

    def resolve(self, value: object) -> object:
        if isinstance(value, dict):
            if len(value) == 1 and (found := self.function(*next(iter(value.items())))) is not None:
                return found
            resolved = {key: self.resolve(one) for key, one in value.items()}
            return {key: one for key, one in resolved.items() if one is not NOTHING}
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NOTHING]
        return value

    def function(self, name: str, given: object) -> object:
        """The value of a function, or None if there is no function with this name."""
        if name == "Ref":
            return self.reference(given)
        if name == "Condition" and isinstance(given, str):
            return self.is_true(given)
        if name == "Fn::GetAtt":
            return self.attribute(*(given if isinstance(given, list) else given.split(".", 1)))
        if name == "Fn::Sub":
            return self.substitute(given)
        if name == "Fn::If":
            return self.resolve(given[1] if self.is_true(given[0]) else given[2])
        if not name.startswith("Fn::"):
            return None
        found = self.resolve(given)
        return {"Fn::Join": lambda: found[0].join(found[1]), "Fn::Split": lambda: found[1].split(found[0]),
                "Fn::Equals": lambda: str(found[0]) == str(found[1]), "Fn::Not": lambda: not found[0],
                "Fn::And": lambda: all(found), "Fn::Or": lambda: any(found),
                "Fn::Select": lambda: found[1][int(found[0])]}[name]()

    def reference(self, name: str) -> object:
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.values:
            return self.values[name]
        kind = self.resources[name]["Type"]
        return self.arn(name) if kind in REFERRED_BY_ARN else self.name(name)

    def attribute(self, resource: str, attribute: str) -> str:
        if attribute in ("Arn", "FunctionArn"):
            return self.arn(resource)
        # An output of a nested stack, such as the ARN of a key.
        return KEY if attribute.endswith("KeyArn") else f"{resource}.{attribute}"

    def name(self, resource: str) -> str:
        definition = self.resources[resource]
        chosen = definition.get("Properties", {}).get(NAMED.get(definition["Type"], ("", ""))[0])
        return self.resolve(chosen) if chosen else resource.lower()

    def arn(self, resource: str) -> str:
        return NAMED[self.resources[resource]["Type"]][1].format(self.name(resource))

    def substitute(self, given: object) -> str:
        text, own = (given, {}) if isinstance(given, str) else given
        own = {name: self.resolve(value) for name, value in own.items()}

        def value(match: re.Match) -> str:
            name = match.group(1)
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in own:
                return str(own[name])
            return str(self.attribute(*name.split(".", 1)) if "." in name else self.reference(name))
        return re.sub(r"\$\{([^}]+)\}", value, text)
