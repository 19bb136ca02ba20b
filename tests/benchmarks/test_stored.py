"""The store of figures: entries in order, and several writers at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.stored import put, stored

ROOT = Path(__file__).resolve().parents[2]

#: Writes some entries of its own, one after the other.
WRITER = """
import sys
from pathlib import Path
from benchmarks.stored import put
for number in range(40):
    put(Path(sys.argv[1]), f"{sys.argv[2]}{number}", {"n": number}, order=sys.argv[3:])
"""


def test_entries_are_in_order_and_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figures.json"
    assert stored(path) == {}
    put(path, "b", {"n": 1}, order="abc")
    put(path, "a", {"n": 2}, order="abc")
    assert path.read_text() == '{\n"a": {"n": 2},\n"b": {"n": 1}\n}\n'
    put(path, "a", {"n": 3}, order="abc")
    assert stored(path) == {"a": {"n": 3}, "b": {"n": 1}}
    put(path, "c", {"n": 4}, order="ac")
    assert list(stored(path)) == ["a", "c"]
    assert list(path.parent.iterdir()) == [path]


def test_no_entry_is_lost_to_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    names = [f"{writer}{number}" for writer in "xyz" for number in range(40)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), writer, *names], cwd=ROOT)
        for writer in "xyz"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert list(stored(path)) == names
