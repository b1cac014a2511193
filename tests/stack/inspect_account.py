"""Prints what happened in the emulator, to debug a failing test.

    inspect_account.py ADDRESS                   executions that did not succeed, with their steps; dead letters; errors
                                                 in logs
    inspect_account.py ADDRESS executions        every execution, with its steps
    inspect_account.py ADDRESS logs [WORD]       every line of every log group, or those that contain WORD
    inspect_account.py ADDRESS idle [SECONDS]    wait until no execution runs and every queue with a dead-letter queue
                                                 is empty; after 60 s, or SECONDS, print what is busy and exit with 1
"""

import sys
import time
from collections.abc import Iterator

import aws

# The longest input or output that is printed, in characters.
SHOWN = 300
PAUSE = 0.1


class Emulator:
    """The contents of the emulator."""

    def __init__(self, address: str) -> None:
        self.states, self.sqs, self.logs = (aws.client(name, address) for name in ("stepfunctions", "sqs", "logs"))

    def executions(self, status: str | None = None) -> Iterator[dict]:
        """Executions of every state machine, oldest first, each followed by those of its maps."""
        wanted = {"statusFilter": status} if status else {}
        for machine in self.states.list_state_machines()["stateMachines"]:
            pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=machine["stateMachineArn"], **wanted)
            for one in sorted((one for page in pages for one in page["executions"]), key=lambda one: one["startDate"]):
                yield one
                for run in self.states.list_map_runs(executionArn=one["executionArn"])["mapRuns"]:
                    yield from self.states.list_executions(mapRunArn=run["mapRunArn"], **wanted)["executions"]

    def queues(self) -> Iterator[tuple[str, dict]]:
        for url in self.sqs.list_queues().get("QueueUrls", []):
            yield url, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]

    def steps(self, execution: dict) -> Iterator[str]:
        """The history of an execution: the states it entered, their inputs, outputs and errors."""
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
        for event in (event for page in pages for event in page["events"]):
            details = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
            shown = ["name"] if event["type"].endswith("StateEntered") else ["input", "output", "error", "cause"]
            parts = [str(details[name])[:SHOWN] for name in shown if details.get(name)]
            if parts and not event["type"].endswith("StateExited"):
                yield f"    {event['timestamp']:%H:%M:%S.%f}"[:-3] + f" {event['type']:<20} {'  '.join(parts)}"

    def lines(self, word: str) -> Iterator[str]:
        for group in self.logs.describe_log_groups()["logGroups"]:
            pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            for event in (event for page in pages for event in page["events"]):
                if word in event["message"]:
                    yield f"  {group['logGroupName']}  {event['message'].rstrip()[:SHOWN * 3]}"

    def dead_letters(self) -> Iterator[str]:
        """Messages in queues that have no dead-letter queue themselves; they stay in the queue."""
        for url, attributes in self.queues():
            if "RedrivePolicy" in attributes or attributes["ApproximateNumberOfMessages"] == "0":
                continue
            messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
            for message in messages:
                yield f"  {url.rsplit('/', 1)[1]}  {message['Body'][:SHOWN * 3]}"

    def busy(self) -> list[str]:
        running = [f"execution {one['name']} runs" for one in self.executions("RUNNING")]
        waiting = [f"queue {url.rsplit('/', 1)[1]} holds messages" for url, attributes in self.queues()
                   if "RedrivePolicy" in attributes and any(
                       attributes.get(f"ApproximateNumberOfMessages{which}", "0") != "0" for which in ("", "NotVisible", "Delayed"))]
        return running + waiting


def executions(emulator: Emulator, only_failures: bool) -> Iterator[str]:
    for one in emulator.executions():
        if one["status"] != "SUCCEEDED" or not only_failures:
            yield f"  {one['name']}  {one['status']}"
            yield from emulator.steps(one)


def everything(emulator: Emulator) -> Iterator[str]:
    for title, lines in (("executions that did not succeed", executions(emulator, only_failures=True)),
                         ("dead letters", emulator.dead_letters()), ("errors in logs", emulator.lines("ERROR"))):
        found = list(lines)
        yield f"{title}: {'none' if not found else ''}"
        yield from found


def idle(emulator: Emulator, seconds: float) -> list[str]:
    """Waits until the emulator is idle; returns what is still busy after so many seconds. Idle means idle twice in a
    row: between a received message and the execution that it starts, nothing looks busy."""
    end = time.monotonic() + seconds
    free = 0
    while free < 2:
        busy = emulator.busy()
        free = 0 if busy else free + 1
        if busy and time.monotonic() > end:
            return busy
        time.sleep(PAUSE)
    return []


def main(address: str, what: str = "", *more: str) -> int:
    emulator = Emulator(address)
    if what == "idle":
        busy = idle(emulator, float(more[0]) if more else 60)
        print("\n".join(busy), end="\n" if busy else "")
        return 1 if busy else 0
    ways = {"": lambda: everything(emulator), "executions": lambda: executions(emulator, only_failures=False),
            "logs": lambda: emulator.lines(*more or [""])}
    if what not in ways:
        print(__doc__, file=sys.stderr)
        return 2
    for line in ways[what]():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
