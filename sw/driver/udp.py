"""Datagrams to an accelerator on Ethernet: ``udp://host[:port]``.

The link is a pipe for bytes that loses, repeats and reorders pieces of up to `DATAGRAM`
bytes; the protocol is made for that. What this module does is to lose few of them:

1. Each write begins a datagram, and its first byte is a zero: so a packet whose last
   datagram is lost does not take the next one with it.
2. The accelerator takes a byte each cycle of a clock of 25 to 50 MHz and keeps what comes
   faster in 4 KiB; a datagram that finds no room there is lost. So no more than `BURST`
   bytes leave at once, and `RATE` bytes a second from then on.
3. The accelerator answers one peer at a time, until nothing has come from it for a second. A peer
   is an address and a port, so datagrams to one accelerator leave from one port (`own_port`):
   the next program on this machine is the same peer and has not to wait, and two at once
   cannot be, as with the port of a UART.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import time

from sw.driver.links import QUANTUM, Link
from sw.errors import LinkError

__all__ = ["BURST", "DATAGRAM", "PORT", "RATE", "UdpLink", "own_port"]

#: UDP port of an accelerator.
PORT = 8738

#: Most bytes of a datagram: with 42 bytes of headers within the 1,500 that every Ethernet takes.
DATAGRAM = 1400

#: Bytes that may leave at once.
BURST = 2 * DATAGRAM

#: Bytes a second: fewer than any accelerator takes whose clock has 25 MHz or more.
RATE = 24e6

#: Room for datagrams that wait for `UdpLink.read`, in bytes; the system may give less.
_RECEIVE_BUFFER = 1 << 20


#: Ports that datagrams leave from: a power of two, below those that systems give away.
_OWN_PORTS = range(16_384, 32_768)


def own_port(host: str, port: int) -> int:
    """The UDP port that datagrams to that IP address and port leave from.

    Accelerators have one each, as long as their addresses differ in the last 14 bits.
    """
    number = int(ipaddress.ip_address(host.partition("%")[0]))
    return _OWN_PORTS[(number + port - PORT) % len(_OWN_PORTS)]


class UdpLink(Link):
    """Datagrams to an accelerator, and those that come from there: ``udp://host[:port]``.

    Nothing is sent when it is opened: whether somebody is there shows by the answers.

    Raises
    ------
    LinkError
        The name is not of that form, the host is not known, or another program on this machine
        talks to it.
    """

    def __init__(self, name: str, *, timeout: float | None = None) -> None:
        self.name = name
        self.timeout = timeout or type(self).timeout
        family, address = _address(name)
        self._allowance, self._since = float(BURST), time.monotonic()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        try:
            self._socket.bind(("", own_port(*address[:2])))
            # Connected, it takes no datagrams of others, and hears of unreachable ports.
            self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise self._unreachable(error) from None

    def read(self) -> bytes:
        self._socket.settimeout(QUANTUM)
        try:
            return self._socket.recv(1 << 16)
        except TimeoutError:
            return b""
        except OSError as error:
            raise self._unreachable(error) from None

    def write(self, data: bytes) -> None:
        self._socket.settimeout(self.timeout)
        line = b"\0" + data
        for first in range(0, len(line), DATAGRAM):
            datagram = line[first : first + DATAGRAM]
            self._pace(len(datagram))
            try:
                self._socket.send(datagram)
            except TimeoutError:
                raise self._blocked() from None
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    continue  # lost on the way out, which may happen anywhere on the way
                raise self._unreachable(error) from None

    def close(self) -> None:
        self._socket.close()

    def _pace(self, length: int) -> None:
        """Wait until ``length`` bytes may leave: a bucket of `BURST`, filled at `RATE`."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._since) * RATE)
        self._since = now
        if self._allowance < length:
            time.sleep((length - self._allowance) / RATE)
        self._allowance -= length

    def _unreachable(self, error: OSError) -> LinkError:
        if error.errno == errno.EADDRINUSE:
            return LinkError(
                f"'{self.name}' is in use by another program on this machine",
                "Close that program, then try again",
            )
        if error.errno == errno.ECONNREFUSED:
            return LinkError(
                f"nothing listens at '{self.name}': the host is there, and refuses the port",
                f"Check the address and the UDP port, which is {PORT} unless it was built with "
                "another",
            )
        if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN):
            return LinkError(
                f"'{self.name}' cannot be reached: {os.strerror(error.errno)}",
                "Check the cable and the board's power, and give this machine an address in the "
                "accelerator's network, such as 192.168.1.1/24 for 192.168.1.50",
            )
        return self._gone(error)


def _address(name: str) -> tuple[int, tuple]:
    """Family of addresses and address of ``udp://host[:port]``."""
    rest = name.removeprefix("udp://")
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, str(PORT)
    legal = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not (host and legal and name.startswith("udp://")):
        raise LinkError(
            f"'{name}' is no UDP port; allowed is udp://host or udp://host:port",
            f"Give the host, and a port of 1 to 65535 if it is not {PORT}, as in "
            "udp://192.168.1.50",
        )
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except OSError as error:
        raise LinkError(
            f"the host of '{name}' is not known: {error.strerror}",
            "Check its name, or give its address, as in udp://192.168.1.50",
        ) from None
    family, _, _, _, address = found[0]
    return family, address
