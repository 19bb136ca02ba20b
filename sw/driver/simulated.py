"""The link to a simulated board: the simulator runs as a process of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

from sw import cli
from sw.driver.links import Link, SerialLink, SocketLink
from sw.errors import LinkError

__all__ = ["SimulatedLink", "parse"]

#: Seconds to wait for the simulator to be compiled; the tools' own first use included.
START_LIMIT = 900.0

#: Seconds between asking the simulator to end and ending it.
END_LIMIT = 5.0

MODES = ("bits", "bytes")


def parse(name: str) -> tuple[Path, str]:
    """Folder or model file, and mode, of ``sim:PATH[?mode=bits|bytes]``.

    Raises
    ------
    LinkError
        There is no such folder or file, or no such mode.
    """
    path_text, _, query = name.removeprefix("sim:").partition("?")
    key, _, mode = (query or f"mode={MODES[0]}").partition("=")
    if key != "mode" or mode not in MODES:
        raise LinkError(
            f"'{name}' asks the simulator for '{query}'; allowed are mode=bits and mode=bytes",
            "Give sim:PATH, sim:PATH?mode=bits or sim:PATH?mode=bytes",
        )
    path = Path(path_text)
    if not path_text or not path.exists():
        raise LinkError(
            f"there is nothing to simulate at '{path_text}'",
            "Give sim: and the folder that hw.build wrote, or a model file",
        )
    return path, mode


def model_of(name: str) -> Path | None:
    """The model file of a ``sim:`` port: in the build, or the file itself."""
    path, _ = parse(name)
    if path.is_dir():
        path = path / "model.npz"
    return path if path.is_file() else None


class SimulatedLink(Link):
    """The SoC of a build, or of a model for the default board, simulated by ``sim.serve``.

    Raises
    ------
    LinkError
        There is no such build, or the simulator ends before it serves; its last words
        are part of the message.
    """

    #: A frame of a large network takes minutes, bit by bit; a simulator that dies shows at once.
    timeout = 600.0

    def __init__(self, name: str, *, timeout: float | None = None) -> None:
        self.name = name
        self.timeout = timeout or type(self).timeout
        path, mode = parse(name)
        option = "--build" if path.is_dir() else "--model"
        root = str(Path(__file__).resolve().parents[2])
        paths = [root, os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sim.serve", option, str(path.absolute())),
                *("--mode", mode, "--until-eof"),
            ],
            # Never written to: it ends when this process does, however that comes about.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            text=True,
            errors="replace",
        )
        try:
            port = self._await_port()
            if port.startswith("socket://"):
                self._link: Link = SocketLink(port, timeout=self.timeout)
            else:
                self._link = SerialLink(port, timeout=self.timeout)
        except BaseException:
            self._end()
            raise

    def _await_port(self) -> str:
        """The port that the simulator prints first; its messages are passed on meanwhile."""
        lines: queue.Queue[str] = queue.Queue()
        words: deque[str] = deque(maxlen=20)
        assert self._process.stdout and self._process.stderr
        relay = threading.Thread(target=_relay, args=(self._process.stderr, words), daemon=True)
        reader = threading.Thread(target=_lines, args=(self._process.stdout, lines), daemon=True)
        relay.start()
        reader.start()
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            try:
                line = lines.get(timeout=0.2)
            except queue.Empty:
                continue
            if line.startswith("port:"):
                return line.removeprefix("port:").strip()
            if line == "":
                relay.join(END_LIMIT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_LIMIT)
                last = words[-1].strip().rstrip(".") if words else "it said nothing"
                raise LinkError(
                    f"the simulator of '{self.name}' ended with status "
                    f"{self._process.returncode} before it served: {last}",
                    "Correct that, or run python -m sim.serve by hand to see more",
                )
        raise LinkError(
            f"the simulator of '{self.name}' was not ready after {START_LIMIT:g} s",
            "Run python -m sim.serve by hand to see what it does",
        )

    def read(self) -> bytes:
        try:
            return self._link.read()
        except LinkError:
            raise self._ended() from None

    def write(self, data: bytes) -> None:
        try:
            self._link.write(data)
        except LinkError as error:
            raise error if self._process.poll() is None else self._ended() from None

    def _ended(self) -> LinkError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT)
        return LinkError(
            f"the simulator of '{self.name}' ended with status {self._process.returncode}",
            "Run python -m sim.serve by hand to see why",
        )

    def close(self) -> None:
        self._link.close()
        self._end()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()


def _lines(pipe: IO[str], lines: queue.Queue[str]) -> None:
    """Read ``pipe`` to its end, marked by an empty line, so that its writer never blocks."""
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put("")


def _relay(pipe: IO[str], words: deque[str]) -> None:
    """Show the simulator's messages, and remember the last of them."""
    with pipe:
        for line in pipe:
            if line.strip():
                words.append(line)
                cli.console.print(line.rstrip("\n"), markup=False)
