"""``hw.build --target verilog`` and ``rtlil``: the core alone, for a system of the user's own."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from numpy.typing import NDArray

import boards
from boards import DeviceBudget
from hw.axi import AxiConfig, AxiCore
from hw.flow import manifest, report
from hw.flow.output import default_folder, output_folder
from hw.flow.readme import readme
from hw.flow.toolchain import find_yosys
from hw.options import candidates
from hw.plan.plan import Clock, Plan, make_plan
from sw import cli
from sw.errors import ModelError, PlanError
from sw.model import Model, load

__all__ = ["GENERIC", "TARGETS", "TOP", "PlannedCore", "export", "parse_budget", "planned_core"]

#: Targets that are no bitstream, and the file of each.
TARGETS = {"verilog": "core.v", "rtlil": "core.il"}

#: Name of the top module.
TOP = "binarray_core"

#: What is planned for where neither a board nor a budget is given; block RAMs are of 18 Kbit.
GENERIC = DeviceBudget(lut=40_000, ff=40_000, bram=100, bram_bits=18 * 1024, dsp=60)

#: MHz; nothing that one writes for a clock is beyond.
_FASTEST_CLOCK = 1000.0

#: From RTLIL to Verilog that other tools synthesise well:
#: 1. a memory goes into the module that uses it, for else what is registered there would be read
#:    without a clock; all other modules stay;
#: 2. such a register becomes the read port's own where the memory is to be block RAM;
#: 3. attributes stay where they mean something outside: "ram_style" is "block" or "distributed".
_VERILOG = f"""read_rtlil core.il
hierarchy -top {TOP}
setattr -mod -set keep_hierarchy 1 *
select -set memories */m:* %m
setattr -mod -unset keep_hierarchy @memories
flatten
setattr -mod -unset keep_hierarchy -unset generator *
proc
opt_expr
opt_clean
opt_dff
opt_clean
memory_collect
memory_dff t:$mem_v2 a:ram_style=block %i
opt_clean
setattr -unset no_rw_check -unset hdlname */*
setattr -unset ram_style */a:ram_style=logic
write_verilog core.v
"""


@dataclass(frozen=True, kw_only=True)
class PlannedCore:
    """A model's plan for a budget, without a board around it."""

    model: Model
    plan: Plan
    budget: DeviceBudget

    @property
    def axi(self) -> AxiConfig:
        return AxiConfig.of(self.plan)


def parse_budget(text: str) -> DeviceBudget:
    """``LUTS,BRAMS`` or ``LUTS,BRAMS,DSPS``; as many flip-flops as LUTs.

    Raises
    ------
    argparse.ArgumentTypeError
        It is neither.
    """
    words = text.split(",")
    if len(words) not in (2, 3) or not all(word.strip().isdecimal() for word in words):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not LUTS,BRAMS or LUTS,BRAMS,DSPS, for instance 40000,100"
        )
    lut, bram, *dsp = (int(word) for word in words)
    return DeviceBudget(
        lut=lut, ff=lut, bram=bram, bram_bits=GENERIC.bram_bits, dsp=dsp[0] if dsp else 0
    )


def planned_core(options: argparse.Namespace, model: Model) -> PlannedCore:
    """The plan that a parsed command line asks for.

    Any clock will do: it is the user's to make. Without one, whole MHz are taken.

    Raises
    ------
    PlanError
        As of `hw.options.planned`.
    """
    name, size, budget = "generic", None, options.budget or GENERIC
    if options.board is not None:
        board = boards.find(options.board, options.size)
        # A core on its own has nothing to load SPRAM with.
        name, size, budget = board.name, board.size, replace(board.budget, spram=0)
    elif options.size is not None:
        raise PlanError(
            f"--size {options.size} is of no board",
            "Give --board as well, or --budget instead of both",
        )
    clock: Clock = _whole_mhz
    if options.clock is not None:
        clock = options.clock
        if not 0 < options.clock <= _FASTEST_CLOCK:  # false for NaN too
            raise PlanError(
                f"A clock of {options.clock:g} MHz cannot be planned for: allowed are more than 0 "
                f"and up to {_FASTEST_CLOCK:g} MHz",
                "Give --clock the frequency of aclk",
            )
    plan = make_plan(
        model,
        board=name,
        size=size,
        budget=budget,
        clock=clock,
        fps=options.fps,
        share=options.share,
        objectness=options.objectness,
        candidates=candidates(spram=False),
    )
    return PlannedCore(model=model, plan=plan, budget=budget)


def _whole_mhz(limit: float) -> float:
    return float(max(1, math.floor(limit)))


def export(options: argparse.Namespace) -> dict[str, Any]:
    """Carry out a parsed command line; returns what ``report.json`` holds.

    Raises
    ------
    UserError
        Of every kind: see the classes of `sw.errors`.
    """
    planned = planned_core(options, load(options.model))
    name, plan = TARGETS[options.target], planned.plan
    target = options.out or default_folder(plan.board, plan.size or options.target, plan.model)
    yosys = find_yosys() if options.target == "verilog" else None
    with output_folder(target) as folder:
        start = time.monotonic()
        with cli.step(f"elaborate {plan.model} as {name} for {plan.clock_mhz:g} MHz"):
            text = rtlil.convert(AxiCore(plan, planned.model), name=TOP, emit_src=False)
        (folder / "core.il").write_text(text, encoding="utf-8")
        seconds = {"elaborate": round(time.monotonic() - start, 2)}
        tools = {}
        if yosys is not None:
            start = time.monotonic()
            (folder / "logs").mkdir()
            (folder / "verilog.ys").write_text(_VERILOG, encoding="utf-8")
            with cli.step(f"write {name}, {yosys.name} {yosys.version}"):
                yosys.run(["-s", "verilog.ys"], cwd=folder, log=folder / "logs" / "yosys.log")
            for done in ("core.il", "verilog.ys"):
                (folder / done).unlink()
            seconds["verilog"] = round(time.monotonic() - start, 2)
            tools = {yosys.name: f"{yosys.version} ({yosys.kind})"}
        made = _report(planned, seconds, tools)
        _fill(folder, options, planned, tools)
        report.write(made, folder)
    cli.console.print(f"written: {target}", markup=False)
    return made


def _report(
    planned: PlannedCore, seconds: dict[str, float], tools: dict[str, str]
) -> dict[str, Any]:
    plan, axi = planned.plan, planned.axi
    return plan.summary() | {
        "routed": None,
        "frames_per_second": {"core": round(plan.frames_per_second, 3), "link": None},
        "seconds": seconds,
        "model": planned.model.name,
        "model_sha256": planned.model.sha256,
        "tools": tools,
        "cached": False,
        "ports": {
            "s_axis_tdata": axi.i_width,
            "m_axis_tdata": axi.o_width,
            "m_axis_tuser": axi.user_width,
            "beats_per_frame": axi.i_beats,
            "scores_per_frame": axi.o_beats,
        },
    }


def _fill(
    folder: Path, options: argparse.Namespace, planned: PlannedCore, tools: dict[str, str]
) -> None:
    """Write all but core and reports into ``folder``."""
    plan, model, axi = planned.plan, planned.model, planned.axi
    shutil.copyfile(options.model, folder / "model.npz")
    text = json.dumps(plan.summary(), indent=2) + "\n"
    (folder / "plan.json").write_text(text, encoding="utf-8")
    vectors = model.vectors
    codes = model.graph.input.type.range.encode(model.preprocessing.apply(vectors.frames))
    (folder / "frames.hex").write_text(_hex(axi.frame_beats(codes)), encoding="utf-8")
    (folder / "scores.hex").write_text(_hex(axi.score_beats(vectors.scores)), encoding="utf-8")
    name = TARGETS[options.target]
    text = readme(model, plan, axi, name=name, top=TOP, frames=len(vectors.frames))
    (folder / "README.md").write_text(text, encoding="utf-8")
    files = ["model.npz", "plan.json", "frames.hex", "scores.hex", "README.md", name]
    digests = {file: manifest.sha256_file(folder / file) for file in files}
    if digests["model.npz"] != model.sha256:
        raise ModelError(f"'{options.model}' changed while it was built", "Build it again")
    manifest.Manifest(
        model=model.name,
        model_sha256=digests["model.npz"],
        board=plan.board,
        size=plan.size or "",
        clock_hz=round(plan.clock_mhz * 1e6),
        baud=None,
        options={
            "target": options.target,
            "clock_mhz": options.clock,
            "fps": options.fps,
            "share": options.share,
            "objectness": options.objectness,
        },
        plan=plan.summary(),
        files=digests,
        tools=tools,
    ).write(folder)


def _hex(beats: NDArray[np.uint8]) -> str:
    """A line a beat, for Verilog's ``$readmemh``."""
    return "".join(row[::-1].tobytes().hex() + "\n" for row in np.ascontiguousarray(beats))
