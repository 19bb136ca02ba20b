"""The example in docs/driver.md runs; its tables are those of the stored figures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from benchmarks import faults, link_efficiency
from sw.model import load
from tests.sw.driver.fake import Terminal
from tests.sw.driver.test_accelerator import fake_of

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "driver.md").read_text()


def test_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples").mkdir()
    for name in ("larq_mnist.npz", "mnist_frames.npz"):
        shutil.copy(ROOT / "examples" / name, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    simulated = "sim:examples/larq_mnist.npz?mode=bytes"
    assert simulated in block
    # tests/system runs the chip; compiling another takes long.
    with Terminal.of(fake_of(load("examples/larq_mnist.npz"))) as port:
        exec(compile(block.replace(simulated, port.name), "driver.md", "exec"), {})
    assert "40 evaluated" in capsys.readouterr().out


@pytest.mark.parametrize("benchmark", [faults, link_efficiency])
def test_tables(benchmark, capsys: pytest.CaptureFixture[str]) -> None:
    name = benchmark.__name__.split(".")[1]
    benchmark.main(["--markdown"])
    table = capsys.readouterr().out
    between = PAGE.split(f"benchmarks.{name} --markdown -->\n")[1].split("<!-- end")[0]
    assert between.strip() == table.strip()
