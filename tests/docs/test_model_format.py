"""The example in docs/model-format.md runs and prints what it says; its tables are whole."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sw.model import Model
from sw.model.header import describe, parse
from sw.model.ir import Conv
from sw.model.op_fields import OPS, VERSION
from sw.model.rules import SOURCES
from tests.detectors import detector
from tests.sw.model.small import residual_model, small_model

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
    header, _ = describe(residual_model())
    for field in (*header, "detection"):
        assert f"| `{field}` |" in PAGE
    described = {op["op"]: op for op in header["graph"]}
    assert header["version"] == VERSION
    assert described.keys() == OPS.keys()
    for kind, op in described.items():
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{kind}` | "))
        for field in (op.keys() | op.get("padding", {}).keys()) - {"op", "name", "padding"}:
            assert f"`{field}`" in row, (kind, field)


def test_sources() -> None:
    """The table of sources says what the verifier applies."""
    rows = {
        kind: row
        for row in PAGE.partition("| op | its sources |")[2].partition("\n\n")[0].splitlines()[2:]
        for kind in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert set(rows) == {kind.__name__ for kind in SOURCES}
    for kind, sources in SOURCES.items():
        text = rows[kind.__name__].split("|")[2]
        named = set(re.findall(r"`(\w+)`(?!'s)", text))
        if "a `Conv`'s" in text:
            named = {source.__name__ for source in SOURCES[Conv]}
        if "anything but" in text:
            named = set(OPS) - named
        assert named == {source.__name__ for source in sources}, kind


@pytest.mark.parametrize(
    "model", [small_model(), residual_model(), detector()], ids=lambda model: model.name
)
def test_arrays(model: Model) -> None:
    header, arrays = describe(model)
    assert arrays.keys() == parse(header).arrays.keys()
    kinds = {op.name: type(op).__name__ for op in model.graph.ops}
    for name, array in arrays.items():
        described = re.sub(r"^graph\.\w+\.", "graph.*.", name)
        rows = [line for line in PAGE.splitlines() if f"`{described}`" in line.split(" | ")[0]]
        if described == "graph.*.offset":
            kind = kinds[name.split(".")[1]]
            rows = [line for line in rows if f"of a `{kind}`" in line]
        bits = described.endswith(("inverted", "minimum")) or (
            described.endswith("weights") and array.dtype == np.uint8
        )
        stored = "packed bits" if bits else f"`{array.dtype}`"
        assert any(stored in row for row in rows), name
