"""A build whose weights are in SPRAM: bitstream and weights in one file, for the flash memory."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hw import flash
from hw.build import main, sources_of
from hw.core import Core
from hw.flow import manifest
from hw.spram.image import HEADER_BYTES, WEIGHTS_OFFSET, LoadConfig
from sim.serve import planned_build
from sw import cli
from sw.model import save

from .build_case import Command, dense_model, names
from .test_flash import build as built

#: What the stand-in packs.
BITS = b"bits"


@pytest.fixture
def model(tmp_path: Path, rng: np.random.Generator) -> Path:
    """131,072 weights in one layer, more than all block RAMs of a UP5K hold."""
    path = tmp_path / "model.npz"
    save(dense_model((512, 256, 4), rng), path)
    return path


@pytest.fixture
def ice40(tools: Callable[[str, str], Path]) -> None:
    """Stand-ins for Yosys, nextpnr-ice40 and icepack, which find everything right."""
    empty = json.dumps({"modules": {"top": {"cells": {}, "ports": {}}}})
    used = {"ICESTORM_LC": 3000, "ICESTORM_RAM": 9, "ICESTORM_DSP": 0, "ICESTORM_SPRAM": 1}
    routed = json.dumps(
        {
            "utilization": {name: {"used": n, "available": 0} for name, n in used.items()},
            "fmax": {"clk": {"achieved": 40.0, "constraint": 24.0}},
        }
    )

    def script(version: str, *writes: str) -> str:
        return "\n".join([f'case "$1" in -V|--version) echo "{version}"; exit 0;; esac', *writes])

    tools("yosys", script("Yosys 0.60", f"printf '%s' '{empty}' | tee top.json > cells.json"))
    tools(
        "nextpnr-ice40",
        script("Version nextpnr-0.8", f"printf '%s' '{routed}' > routed.json"),
    )
    tools("icepack", script("Version 1.0", f"printf {BITS.decode()} > top.bit"))


def asked(model: Path, out: Path) -> list[object]:
    return [model, "--board", "icebreaker", "--clock", 24, "--fps", 100, "--out", out]


def test_bitstream_and_weights_in_one_file(
    model: Path, tmp_path: Path, command: Command, ice40: None
) -> None:
    out = tmp_path / "out"
    status, printed, error = command(*asked(model, out))
    assert status == 0, error
    assert {"top.bin", "top.il", "manifest.json"} <= names(out)
    assert "top.bit" not in names(out), "which would never start"
    made = planned_build(out)
    image = Core(made.plan, made.model).image
    assert image is not None and made.plan.predicted.spram == image.sprams > 0
    whole = (out / "top.bin").read_bytes()
    assert whole == BITS.ljust(WEIGHTS_OFFSET, b"\xff") + image.pack()
    payload = whole[WEIGHTS_OFFSET + HEADER_BYTES :]
    expected = {
        "offset": WEIGHTS_OFFSET,
        "bytes": len(payload),
        "crc32": f"{zlib.crc32(payload):08x}",
        "sprams": image.sprams,
    }
    stated = manifest.load(out)
    assert stated.flash == expected
    assert set(stated.files) == {"model.npz", "top.il", "plan.json", "top.bin"}
    report = json.loads((out / "report.json").read_text())
    seconds = LoadConfig.of(image, clock_hz=24_000_000).seconds
    assert report["flash"] == expected | {"load_seconds": round(seconds, 4)}
    assert report["routed"]["spram"] == 1
    line = (
        f"weights           {len(payload):,} bytes in the flash memory at 131,072, "
        f"loaded in {round(seconds, 4):g} s"
    )
    assert line in (out / "report.txt").read_text() == printed

    sources = sources_of(made)
    assert sources.rtlil == (out / "top.il").read_bytes()
    assert sources.image == image and sources.constraints is not None
    pins = {"cs": 16, "clk": 15, "copi": 14, "cipo": 17, "wp": 12, "hold": 13}
    for name, pin in pins.items():
        assert f"set_io spi_flash_1x_0__{name}__io {pin}\n" in sources.constraints.decode()


def test_loading(
    tmp_path: Path,
    tools: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loader = tools("iceprog", f'echo "$@" >> {tmp_path}/asked')
    out = built(tmp_path / "out", "icebreaker", "UP5K", "top.bin")
    for options in ("", "-d i:0x0403:0x6010 "):
        monkeypatch.setenv("ICEPROG", f"{loader} {options}")
        with pytest.raises(SystemExit) as caught:
            cli.run(lambda: flash.main([str(out)]))
        assert caught.value.code == 0
        assert "in its flash memory, to stay" in capsys.readouterr().err
    assert (tmp_path / "asked").read_text() == "top.bin\n-d i:0x0403:0x6010 top.bin\n"


def test_builds_of_before(tmp_path: Path) -> None:
    """Their manifest says nothing of weights in the flash memory."""
    out = built(tmp_path / "out")
    path = out / manifest.NAME
    data = json.loads(path.read_text())
    del data["flash"]
    path.write_text(json.dumps(data))
    assert manifest.load(out).flash is None


@pytest.mark.parametrize("run", ["build", "flash", "dry"])
def test_no_weights_for_the_memory_of_the_device(
    run: str,
    model: Path,
    tmp_path: Path,
    tools: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loader = tools("iceprog", f"touch {tmp_path}/asked")
    out = tmp_path / "out"
    if run != "build":
        built(out, "icebreaker", "UP5K", "top.bin")
    monkeypatch.setenv("ICEPROG", f"{loader} -S")
    arguments = {
        "build": [*asked(model, out), "--flash"],
        "flash": [out],
        "dry": [out, "--dry-run"],
    }[run]
    with pytest.raises(SystemExit) as caught:
        cli.run(lambda: (main if run == "build" else flash.main)([str(a) for a in arguments]))
    assert caught.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: iceprog -S writes the FPGA's own memory, but the iCEBreaker reads weights of this "
        "build from its flash memory. Leave the option out of ICEPROG."
    )
    assert not (tmp_path / "asked").exists()
