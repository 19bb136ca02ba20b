"""What the terminal shows while a tool runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hw.flow.toolchain import Tool
from sw import cli

__all__ = ["progress_note", "tool_step"]


@contextmanager
def tool_step(description: str, tool: Tool) -> Iterator[Callable[[str], None]]:
    """A progress line that says when a tool has first to be compiled."""
    remark = f" ({tool.first_use})" if tool.first_use else ""
    with cli.step(f"{description}, {tool.name} {tool.version}{remark}") as note:
        yield note


def progress_note(line: str) -> str | None:
    """What a line of nextpnr's log says of the progress, or None."""
    if found := re.search(r"Max frequency for clock\s+'[^']*':\s*([\d.]+) MHz", line):
        return f"about {float(found[1]):.0f} MHz"
    if found := re.search(r"at iteration #(\d+).*?(?:wirelen = (\d+))", line):
        return f"placing, wire length {int(found[2]):,}"
    if found := re.search(r"iter=(\d+).*overused=(\d+)", line):
        return f"routing, pass {found[1]}, {int(found[2]):,} conflicts"
    if found := re.search(r"^Info:\s+(\d+) \|\s+\d+\s+\d+ \|\s+\d+\s+\d+ \|\s+(\d+)", line):
        return f"routing, {int(found[2]):,} arcs to go"
    return None
