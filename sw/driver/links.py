"""Byte links to an accelerator: serial ports, TCP sockets and simulated boards.

A port is named by text: the path or name of a serial port (``/dev/ttyUSB0``, ``COM3``,
a pseudo-terminal), ``udp://host`` (`sw.driver.udp`), ``socket://host:port``, or
``sim:PATH`` with the folder of a build or a model file, which starts the simulator of the
whole SoC and talks to that; ``sim:PATH?mode=bytes`` leaves the bit-level UART out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from abc import ABC, abstractmethod

import serial
from serial.tools import list_ports

from sw.errors import LinkError, PortLostError

__all__ = ["DEFAULT_BAUD", "Link", "SerialLink", "SocketLink", "describe_ports", "ports_here"]

#: Of the boards that have a UART of that speed; what does not have one says so in its manifest.
DEFAULT_BAUD = 3_000_000

#: Longest that one `Link.read` waits; who waits longer asks again.
QUANTUM = 0.05

#: Seconds for which a port may take no bytes, at least: however soon one asks again, a busy
#: machine may be slower.
WRITE_TIMEOUT = 2.0

#: Most bytes of one `Link.read`.
CHUNK = 1 << 16


class Link(ABC):
    """A pipe for bytes, both ways, that never blocks for long.

    Attributes
    ----------
    name : str
        As given; for messages.
    timeout : float
        Seconds of silence after which something is amiss on such a link.
    baud : int or None
        Bits per second on the wire, ten a byte, where that is what bounds it.
    """

    name: str
    timeout = 2.0
    baud: int | None = None

    @property
    def write_timeout(self) -> float:
        """Seconds for which the port may take no bytes."""
        return max(self.timeout, WRITE_TIMEOUT)

    @abstractmethod
    def read(self) -> bytes:
        """What has come, or b"" after `QUANTUM` seconds in which nothing did.

        Raises
        ------
        PortLostError
            The port is gone.
        """

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises
        ------
        PortLostError
            The port is gone, or takes nothing for `write_timeout` seconds.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the port back; does nothing the second time."""

    def _gone(self, error: Exception) -> PortLostError:
        return PortLostError(
            f"port '{self.name}' was lost: {_reason(error)}",
            "Check the cable and the board's power, then open the port again",
        )

    def _blocked(self) -> PortLostError:
        return PortLostError(
            f"port '{self.name}' took no bytes for {self.write_timeout:g} s",
            "Check that the accelerator runs, and that flow control is off",
        )


class SerialLink(Link):
    """A serial port or a pseudo-terminal, for this process alone.

    Raises
    ------
    LinkError
        The port does not exist, is in use, or cannot be opened.
    """

    def __init__(self, name: str, *, baud: int = DEFAULT_BAUD, timeout: float | None = None):
        self.name = name
        self.timeout = timeout or type(self).timeout
        self.baud = baud
        try:
            self._port = serial.Serial(
                name, baud, timeout=QUANTUM, write_timeout=self.write_timeout, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise _cannot_open(name, baud, error) from None
        # FTDI chips keep what they receive for 16 ms unless told otherwise. A
        # pseudo-terminal, and some systems, know no such thing.
        with contextlib.suppress(OSError, ValueError, NotImplementedError, AttributeError):
            self._port.set_low_latency_mode(True)

    def read(self) -> bytes:
        try:
            first = self._port.read(1)
            return first + self._port.read(min(CHUNK, self._port.in_waiting)) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise self._blocked() from None
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None

    def close(self) -> None:
        # A port that was pulled out cannot be closed in an orderly way either.
        with contextlib.suppress(serial.SerialException, OSError):
            self._port.close()


class SocketLink(Link):
    """A TCP connection to a device server: ``socket://host:port``.

    Raises
    ------
    LinkError
        The name is not of that form, or nothing answers there.
    """

    def __init__(self, name: str, *, timeout: float | None = None) -> None:
        self.name = name
        self.timeout = timeout or type(self).timeout
        host, colon, port = name.removeprefix("socket://").rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
            raise LinkError(
                f"'{name}' is no TCP port; allowed is socket://host:port",
                "Give the host and a port of 0 to 65535, as in socket://192.168.1.5:4000",
            )
        try:
            self._socket = socket.create_connection((host.strip("[]"), int(port)), self.timeout)
        except OSError as error:
            raise LinkError(
                f"cannot connect to '{name}': {_reason(error)}",
                "Check the address, and that the server runs",
            ) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> bytes:
        self._socket.settimeout(QUANTUM)
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._gone(error) from None
        if not data:
            raise self._gone(ConnectionError("the far end closed the connection"))
        return data

    def write(self, data: bytes) -> None:
        self._socket.settimeout(self.write_timeout)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise self._blocked() from None
        except OSError as error:
            raise self._gone(error) from None

    def close(self) -> None:
        self._socket.close()


def ports_here() -> list[str]:
    """Names of this machine's serial ports."""
    return sorted(port.device for port in list_ports.comports())


def describe_ports() -> str:
    """The same, as a sentence for messages."""
    found = [
        f"{port.device} ({port.description})"
        if port.description not in (None, "n/a", port.device)
        else port.device
        for port in sorted(list_ports.comports())
    ]
    return "ports here: " + (", ".join(found) if found else "none")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error)
    return str(error) or type(error).__name__


def _cannot_open(name: str, baud: int, error: Exception) -> LinkError:
    number = getattr(error, "errno", None)
    if number in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK):
        return LinkError(
            f"port '{name}' is in use by another program", "Close that program, then try again"
        )
    if number in (errno.EACCES, errno.EPERM):
        return LinkError(
            f"you may not open port '{name}': {os.strerror(number)}",
            "Close the program that uses it, or add yourself to the port's group, which is "
            "'dialout' on Debian, and log in again",
        )
    if number == errno.ENOENT or "FileNotFound" in str(error):
        return LinkError(
            f"there is no port '{name}'; {describe_ports()}",
            "Plug the board in, or give one of these, 'auto', 'socket://host:port' or "
            "'sim:' and the folder of a build",
        )
    if isinstance(error, ValueError):
        return LinkError(
            f"port '{name}' cannot run at {baud} baud", "Give a baud that the port supports"
        )
    return LinkError(
        f"cannot open port '{name}': {_reason(error)}",
        f"Give the name of a serial port; {describe_ports()}",
    )
