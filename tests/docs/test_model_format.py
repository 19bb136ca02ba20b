"""The example in docs/model-format.md runs and prints what it says; its tables are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sw.model.header import OPS, VERSION, describe, parse
from tests.sw.model.small import small_model

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "model-format.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "model-format.md", "exec"), names)
    assert [capsys.readouterr().out] == blocks("text")


def test_fields() -> None:
    """Every field that is written is described, in the row of its op."""
    assert f"Version {VERSION}." in PAGE
    header, _ = describe(small_model())
    for field in header:
        assert f"| `{field}` |" in PAGE
    described = {op["op"]: op for op in header["graph"]}
    assert described.keys() == OPS.keys()
    for kind, op in described.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` | "))
        for field in (op.keys() | op.get("padding", {}).keys()) - {"op", "name", "padding"}:
            assert f"`{field}`" in row, (kind, field)


def test_arrays() -> None:
    header, arrays = describe(small_model())
    assert arrays.keys() == parse(header).arrays.keys()
    for name, array in arrays.items():
        described = re.sub(r"^graph\.\w+\.", "graph.*.", name)
        row = next(
            line
            for line in PAGE.splitlines()
            if f"| `{described}`" in line
            or (f", `{described}`" in line and line.startswith("| `graph"))
        )
        stored = "packed bits" if described.endswith(("weights", "inverted", "minimum")) else None
        assert (stored or f"`{array.dtype}`") in row
