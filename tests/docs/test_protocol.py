"""The example in docs/protocol.md prints what it says; its tables are those of sw.protocol."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from sw.protocol import (
    COUNTERS_BYTES,
    IDENTITY_BYTES,
    VERSION,
    Command,
    ErrorCode,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "protocol.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(blocks("python")[0], "protocol.md", "exec"), {})
    assert capsys.readouterr().out == blocks("text")[-1]


def test_crc_of_the_example() -> None:
    assert zlib.crc32(bytes.fromhex("11 02 01 00 09 08")) == 0x642D77E3


def test_tables() -> None:
    assert f"Version {VERSION}." in PAGE
    for command in Command:
        assert f"| {command.name} | {command.value} |" in PAGE
    for code in ErrorCode:
        assert f"| {code.value} | " in PAGE.split("**ERROR**")[1]
    identity = PAGE.split("**Identity.**")[1].split("**Counters**")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", identity, re.MULTILINE)
    end = 0
    for start, length in rows:
        assert int(start) == end
        end += int(length)
    assert end == IDENTITY_BYTES
    assert f"in IDENTITY at byte {IDENTITY_BYTES}" in PAGE
    assert "| 6 | 2 | results sent |" in PAGE and COUNTERS_BYTES == 8
