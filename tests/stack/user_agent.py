"""Who made a call."""

import re


def application(*agents: str | None) -> str:
    """The application in an SDK's user agent, `app/NAME`; `-` if it has none."""
    found = re.search(r"\bapp/([\w-]+)", " ".join(agent or "" for agent in agents))
    return found.group(1) if found else "-"
