"""The example of docs/blocks.md runs, and its table is the baseline's."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "blocks.md").read_text()


def test_the_example_runs(capsys):
    (example,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)
    assert capsys.readouterr().out.startswith("serial 14112 ")
    assert "module \\line_buffer" in str(names["text"])


def test_the_table_is_the_baselines():
    baseline = json.loads((ROOT / "tests" / "baselines" / "size.json").read_text())
    known = {
        tuple(round(entry["result"][key]) for key in ("comb", "ff", "dp16kd", "fmax_mhz"))
        for entry in baseline
    }
    # Five columns: those of six are of synthesis alone.
    number = r" ([\d,]+) \|"
    rows = re.findall(rf"^\| [^|]+ \|{4 * number}$", TEXT, re.MULTILINE)
    assert len(rows) >= 10
    for row in rows:
        assert tuple(int(cell.replace(",", "")) for cell in row) in known, row
