"""``python -m sim.serve``: the compiled SoC of a build, answering on a serial port.

The port is a pseudo-terminal, or a TCP socket with ``--tcp``, whose name is the first
line on standard output (``port: /dev/pts/3``). The driver's ``sim:`` ports start this
command; any other program may connect as well, as it would to a board.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

from hw.flow import manifest
from hw.options import Planned, add_plan_arguments, planned
from sw.cli import console, run
from sw.errors import LinkError
from sw.model import load

from .soc import SocSimulator

__all__ = ["main", "planned_build", "serve"]

#: Cycles between two looks at the port.
_SLICE = 50_000

#: Bytes held for the SoC before the host is made to wait.
_BACKLOG = 1 << 16


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, compile, and serve until interrupted or hung up."""
    parser = argparse.ArgumentParser(prog="python -m sim.serve", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--build", type=Path, metavar="DIR", help="folder written by hw.build")
    source.add_argument(
        "--model", type=Path, metavar="MODEL", help="model.npz, planned by the options below"
    )
    add_plan_arguments(parser)
    parser.add_argument(
        "--mode",
        choices=("bits", "bytes"),
        default="bits",
        help="drive the serial lines bit by bit (default), or the SoC's byte streams, "
        "which is faster and leaves the UART out, as is always done where the link is USB",
    )
    parser.add_argument(
        "--tcp", metavar="PORT", type=int, help="listen on this local TCP port (0: any free one)"
    )
    parser.add_argument(
        "--symlink",
        metavar="PATH",
        type=Path,
        help="also make PATH a link to the pseudo-terminal: a name that stays when this is "
        "started again",
    )
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="end when standard input does, and so with the program that started this one",
    )
    options = parser.parse_args(arguments)
    if options.symlink and options.tcp is not None:
        parser.error("--symlink names a pseudo-terminal, and --tcp opens none")
    if options.until_eof:
        threading.Thread(target=_end_at_eof, daemon=True).start()
    made = planned(options, load(options.model)) if options.model else planned_build(options.build)
    mode = options.mode if made.link == "uart" else "bytes"
    soc = SocSimulator(made.plan, made.model, clock_hz=made.clock_hz, baud=made.baud, mode=mode)
    with _port(options.tcp, options.symlink) as connections:
        for descriptor in connections:
            serve(soc, descriptor)


def _end_at_eof() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    # At once, whatever the other thread does; the port goes with the process.
    os._exit(0)


def planned_build(folder: Path) -> Planned:
    """The plan that a build was made of, made again.

    Raises
    ------
    LinkError
        The folder is no build, or this version of Binarray would build it otherwise.
    """
    found = manifest.load(folder)
    options = argparse.Namespace(
        board=found.board,
        size=found.size,
        clock=found.options["clock_mhz"],
        fps=found.options["fps"],
        share=found.options["share"],
        # Builds made before there were such options lack them.
        objectness=found.options.get("objectness"),
        link=found.options.get("link", "uart"),
        ip=found.options.get("ip"),
    )
    made = planned(options, load(folder / "model.npz"))
    if made.plan.summary() != found.plan:
        raise LinkError(
            f"'{folder}' was built by another version of Binarray, which planned it otherwise",
            "Build it again",
        )
    return made


@contextlib.contextmanager
def _port(tcp: int | None, link: Path | None) -> Iterator[Iterator[int]]:
    """Open the port, print its name, and yield descriptors to serve, one at a time."""
    if tcp is None:
        master, slave = os.openpty()
        tty.setraw(slave)
        # The slave stays open here, so that the port outlives its clients.
        with os.fdopen(master, "r+b", 0), os.fdopen(slave, "r+b", 0):
            if link is not None:
                _link(link, os.ttyname(slave))
            print(f"port: {os.ttyname(slave)}", flush=True)
            yield iter([master])
        return
    with socket.create_server(("127.0.0.1", tcp)) as server:
        print(f"port: socket://127.0.0.1:{server.getsockname()[1]}", flush=True)
        yield _accepted(server)


def _link(path: Path, name: str) -> None:
    """Make ``path`` a link to ``name``, in place of the link that it may be.

    Raises
    ------
    LinkError
        It is something else, or cannot be made.
    """
    if path.exists() and not path.is_symlink():
        raise LinkError(
            f"cannot make '{path}' a link: there is something else", "Give another path"
        )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.symlink_to(name)
        temporary.replace(path)
    except OSError as error:
        raise LinkError(f"cannot make '{path}' a link: {error.strerror}", "Give another") from None


def _accepted(server: socket.socket) -> Iterator[int]:
    while True:
        connection, peer = server.accept()
        console.print(f"{peer[0]}:{peer[1]} connected")
        with connection:
            yield connection.fileno()


def serve(soc: SocSimulator, descriptor: int) -> None:
    """Carry bytes between ``descriptor`` and the SoC until the other end hangs up.

    Time passes in the SoC only while a byte is waiting or something moves in it, so
    that an idle accelerator costs no processor time.
    """
    os.set_blocking(descriptor, False)
    # Read into one place: fresh buffers of this size, cut down to what came, split the heap up.
    room = bytearray(_BACKLOG)
    incoming, outgoing, busy = b"", b"", False
    while True:
        wants_read = [descriptor] if len(incoming) < _BACKLOG else []
        wants_write = [descriptor] if outgoing else []
        idle = not (busy or incoming)
        readable, writable, _ = select.select(
            wants_read, wants_write, [], None if idle else 0 if not outgoing else 0.001
        )
        if readable:
            try:
                count = os.readv(descriptor, [room])
            except (ConnectionError, OSError):
                return
            if not count:
                return
            incoming += room[:count]
        if writable:
            try:
                outgoing = outgoing[os.write(descriptor, outgoing) :]
            except BlockingIOError:
                pass
            except OSError:
                return
        if (incoming or busy) and len(outgoing) < _BACKLOG:
            taken, answer, silent = soc.exchange(incoming, cycles=_SLICE)
            incoming, outgoing, busy = incoming[taken:], outgoing + answer, not silent


if __name__ == "__main__":
    run(main)
