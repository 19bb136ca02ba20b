"""Finding and running the external tools: Yosys, nextpnr and the bitstream packers.

A tool is looked for in this order:

1. the environment variable that names it (`YOSYS`, `NEXTPNR_ECP5`, `ECPPACK`), a
   command line; it must exist and be new enough;
2. a native program on PATH, when new enough (an older one is passed over, and
   `Tool.note` says so);
3. for Yosys, the package pyosys: the same program as a native Python extension;
4. the YoWASP packages: the tools as WebAssembly, which pip installs anywhere. Their
   first use compiles them, which takes up to two minutes (`Tool.first_use`).

YoWASP programs see the working folder and give /tmp a private one: call `Tool.run`
with ``cwd=`` and file names relative to it.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hw.flow.programs import ANY_VERSION, FAMILIES, PROGRAMS, Program, yowasp_cache
from sw.errors import MissingToolError, ToolError

__all__ = ["Tool", "find_nextpnr", "find_packer", "find_yosys"]

_TAIL_LINES = 6


@dataclass(frozen=True, kw_only=True)
class Tool:
    """An external program, ready to run.

    Parameters
    ----------
    name : str
        What it is, as messages call it: "yosys", "nextpnr-ecp5", "ecppack".
    argv : tuple of str
        The command line to which arguments are appended.
    version : str
        As the program or its package states it; part of every cache key.
    kind : str
        "override", "native", "pyosys" or "yowasp".
    note : str or None
        Why a program that comes earlier in the order was passed over.
    """

    name: str
    argv: tuple[str, ...]
    version: str
    kind: Literal["override", "native", "pyosys", "yowasp"]
    note: str | None = None

    @property
    def identity(self) -> str:
        """Name, version and kind in one line, for reports and cache keys."""
        return f"{self.name} {self.version} ({self.kind})"

    @property
    def first_use(self) -> str | None:
        """A remark for the progress line when the next run has to compile WebAssembly."""
        if self.kind != "yowasp":
            return None
        program = next((p for p in PROGRAMS.values() if p.name == self.name), None)
        if program is None or program.wasm is None:
            return None
        package, module = program.yowasp[0], program.wasm
        if any((yowasp_cache() / package / module).glob("*")):
            return None
        return "first use: compiling WebAssembly, up to two minutes"

    def run(
        self,
        args: Sequence[str],
        *,
        cwd: str | os.PathLike[str],
        log: str | os.PathLike[str],
        env: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Run the program to its end; everything it prints goes to ``log``.

        The program is killed, with the processes it started, when it exceeds
        ``timeout`` and on any exception here, Ctrl-C included.

        Parameters
        ----------
        args : sequence of str
            File names in it are relative to ``cwd``.
        cwd : path
            Working folder.
        log : path
            Log file, overwritten.
        env : mapping, optional
            Variables to set beside those inherited.
        on_line : callable, optional
            Called with each line as it is printed, without its end.
        timeout : float, optional
            Seconds.

        Raises
        ------
        ToolError
            The program cannot be started, exceeds ``timeout``, or ends with a status
            other than 0; with its last lines and the log's path.
        """
        log = Path(log).absolute()
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        process, timer, timed_out = None, None, threading.Event()
        try:
            with _signals_deferred():
                process = self._start(args, cwd=cwd, env=env)
            if timeout is not None:
                timer = threading.Timer(timeout, _expire, (process, timed_out))
                timer.daemon = True
                timer.start()
            _copy_lines(process, log, tail, on_line)
            status = process.wait()
        finally:
            if timer is not None:
                timer.cancel()
            if process is not None:
                _kill(process)
        if timed_out.is_set():
            raise ToolError(
                f"{self.name} was stopped: it ran for more than {timeout:g} s (log: {log})",
                "Allow it more time, or make the design smaller",
            )
        if status != 0:
            raise self._failed(status, tail, log)

    def _failed(self, status: int, tail: Sequence[str], log: Path) -> ToolError:
        said = " | ".join(_errors(tail)).rstrip(".") or "it printed nothing"
        ended = f"status {status}" if status > 0 else f"signal {-status}"
        return ToolError(
            f"{self.name} {self.version} failed with {ended}: {said}",
            f"Read its whole log in {log}",
        )

    def _start(
        self, args: Sequence[str], *, cwd: str | os.PathLike[str], env: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                [*self.argv, *args],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(
                f"{self.name} cannot be started as {shlex.join(self.argv)!r}: {error.strerror}",
                f"Install it, or set {_variable(self.name)} to a program that runs",
            ) from error


def _copy_lines(
    process: subprocess.Popen[str],
    log: Path,
    tail: deque[str],
    on_line: Callable[[str], None] | None,
) -> None:
    """Copy what a process prints to ``log`` until it closes its output."""
    assert process.stdout is not None
    with log.open("w", encoding="utf-8", buffering=1) as file:
        for line in process.stdout:
            file.write(line)
            if line.strip():
                tail.append(line.strip())
            if on_line is not None:
                on_line(line.rstrip("\n"))


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Keep Ctrl-C and termination until the end of the block.

    Between the start of a process and the moment we hold its handle, an exception
    would leave it running for good.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread alone
        return
    pending: list[int] = []
    kept = {
        number: signal.signal(number, lambda number, _: pending.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        for number in pending:
            signal.raise_signal(number)


def _errors(tail: Sequence[str]) -> list[str]:
    """The lines that name an error where there are any, else the last few."""
    return [line for line in tail if "ERROR" in line or "Error" in line] or list(tail)


def _expire(process: subprocess.Popen[str], timed_out: threading.Event) -> None:
    timed_out.set()
    _kill_group(process)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process with all that it started, if it still runs."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its group, if it still runs, and reap it."""
    _kill_group(process)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def find_yosys() -> Tool:
    """Yosys, of any kind; `Tool.run` takes ``-q``, ``-p COMMANDS``, ``-s SCRIPT``.

    Raises
    ------
    MissingToolError
        None is installed, or `YOSYS` names one that cannot be used.
    """
    return _find(PROGRAMS["yosys"])


def find_nextpnr(family: str) -> Tool:
    """Place and route for a family of devices ("ecp5", "ice40", "gowin").

    Raises
    ------
    MissingToolError
        None is installed, or the variable names one that cannot be used.
    """
    return _find(PROGRAMS[FAMILIES[family][0]])


def find_packer(family: str) -> Tool:
    """The program that turns a routed design of a family into a bitstream.

    Raises
    ------
    MissingToolError
        None is installed, or the variable names one that cannot be used.
    """
    return _find(PROGRAMS[FAMILIES[family][1]])


def _find(program: Program) -> Tool:
    override = os.environ.get(program.variable, "").strip()
    if override:
        return _overridden(program, override)
    note = None
    native = shutil.which(program.name)
    if native is not None:
        version = _ask_version((native,), program)
        if _new_enough(version, program):
            return Tool(name=program.name, argv=(native,), version=version, kind="native")
        note = f"passed over {native}, version {version}: {_least(program)} or later is needed"
    if program.name == "yosys" and _installed("pyosys"):
        runner = str(Path(__file__).with_name("pyosys_runner.py"))
        return Tool(
            name=program.name,
            argv=(sys.executable, "-P", runner),
            version=importlib.metadata.version("pyosys"),
            kind="pyosys",
            note=note,
        )
    if _installed(program.yowasp[0]):
        return _yowasp(program, note)
    passed = f" ({note})" if note else ""
    raise MissingToolError(
        f"{program.name} is not installed{passed}",
        f"Install the Python package {program.yowasp[2]}, put {program.name} "
        f"{_least(program)} or later on PATH, or set {program.variable} to its path",
    )


def _overridden(program: Program, override: str) -> Tool:
    """The tool that an environment variable names."""
    argv = tuple(shlex.split(override))
    resolved = shutil.which(argv[0])
    if resolved is None:
        raise MissingToolError(
            f"{program.variable} is {override!r}, which is not a program that can be run",
            f"Set {program.variable} to the path of {program.name}, or unset it to have "
            "an installed one found",
        )
    # Asking a YoWASP program for its version would compile it: the package knows.
    if Path(argv[0]).name == f"yowasp-{program.name}" and _installed(program.yowasp[0]):
        return _yowasp(program, None)
    argv = (str(Path(resolved).absolute()), *argv[1:])
    version = _ask_version(argv, program)
    if not _new_enough(version, program):
        raise ToolError(
            f"{program.variable} is {override!r}, whose version is {version}: "
            f"{_least(program)} or later is needed",
            f"Install a newer {program.name}, or unset {program.variable} to have another found",
        )
    return Tool(name=program.name, argv=argv, version=version, kind="override")


def _yowasp(program: Program, note: str | None) -> Tool:
    package, function, distribution = program.yowasp
    given = "sys.argv[1:]" if program.passes_arguments else ""
    code = f"import sys, {package}; sys.exit({package}.{function}({given}))"
    return Tool(
        name=program.name,
        argv=(sys.executable, "-P", "-c", code),
        version=importlib.metadata.version(distribution),
        kind="yowasp",
        note=note,
    )


def _ask_version(argv: tuple[str, ...], program: Program) -> str:
    """The version a program states, or "unknown"."""
    if program.minimum == ANY_VERSION:
        return "unknown"
    try:
        result = subprocess.run(
            [*argv, program.version_flag],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(r"\d+\.\d+[\w.+-]*", result.stdout + result.stderr)
    return found.group() if found else "unknown"


def _new_enough(version: str, program: Program) -> bool:
    if program.minimum == ANY_VERSION:
        return True
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return bool(numbers) and (int(numbers[1]), int(numbers[2])) >= program.minimum


def _least(program: Program) -> str:
    return ".".join(map(str, program.minimum))


def _variable(name: str) -> str:
    program = PROGRAMS.get(name)
    return program.variable if program else name.upper()


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
