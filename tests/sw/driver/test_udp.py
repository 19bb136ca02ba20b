"""`UdpLink` to servers in Python: datagrams that get lost, repeated and out of order."""

from __future__ import annotations

import errno
import socket
import threading
import time

import numpy as np
import pytest

from sw import golden
from sw.driver import Accelerator
from sw.driver.session import Session
from sw.driver.udp import BURST, DATAGRAM, PORT, RATE, UdpLink, own_port
from sw.errors import LinkError
from sw.model.npz import load, save
from tests.graphs import random_frames
from tests.sw.model.small import small_model

from .fake import Fake, identity
from .test_accelerator import fake_of
from .test_session import frames


class Network:
    """What happens to datagrams on one way: a part ``rate`` of them is struck.

    Kinds: lose, repeat, reorder (it comes after the next one).
    """

    def __init__(self, kind: str, rng: np.random.Generator, rate: float) -> None:
        self._kind, self._rng, self._rate = kind, rng, rate
        self._late: list[bytes] = []

    def __call__(self, datagram: bytes) -> list[bytes]:
        late, self._late = self._late, []
        if self._rng.random() >= self._rate:
            return [datagram, *late]
        match self._kind:
            case "lose":
                return late
            case "repeat":
                return [datagram, datagram, *late]
        self._late = [datagram]
        return late


def perfect(datagram: bytes) -> list[bytes]:
    return [datagram]


class Server:
    """A `Fake` on a UDP port; it answers the sender of the last datagram, as gateware does."""

    def __init__(self, fake: Fake, *, to=perfect, back=perfect) -> None:
        self._fake, self._to, self._back = fake, to, back
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.name = f"udp://127.0.0.1:{self._socket.getsockname()[1]}"
        self.longest = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            datagram, sender = self._socket.recvfrom(1 << 16)
            if not datagram:
                return
            self.longest = max(self.longest, len(datagram))
            for arrived in self._to(datagram):
                self._fake.feed(arrived)
            while answer := self._fake.step():
                for first in range(0, len(answer), DATAGRAM):
                    for sent in self._back(answer[first : first + DATAGRAM]):
                        self._socket.sendto(sent, sender)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()


@pytest.mark.parametrize("way", ["to", "back", "both"])
@pytest.mark.parametrize("kind", ["lose", "repeat", "reorder"])
def test_a_bad_network_gives_no_wrong_score(rng, kind, way):
    # Frames of three datagrams, so that pieces of several are mixed up.
    who = identity(elements=3000, slots=3)
    bodies, expected = frames(rng, 60, who)
    ways = {"to", "back"} if way == "both" else {way}
    faults = {name: Network(kind, rng, 0.05) for name in sorted(ways)}
    with Server(Fake(who), **faults) as server:
        link = UdpLink(server.name)
        session = Session(link, timeout=0.03, tries=30)
        assert np.array_equal(list(session.run(bodies)), expected)
        link.close()
    assert server.longest == DATAGRAM


def test_an_accelerator(rng, tmp_path):
    save(small_model(), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    data = random_frames(rng, model.graph, 50)
    with Server(fake_of(model)) as server, Accelerator(server.name, model) as accelerator:
        assert np.array_equal(accelerator.predict(data), golden.scores(model, data))
        assert accelerator.resent == 0 and accelerator.port == server.name
        assert accelerator.throughput(5).link_frames_per_second is None


@pytest.fixture
def far():
    """The far end of a link, and the link."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(5)
        link = UdpLink(f"udp://127.0.0.1:{far.getsockname()[1]}")
        yield far, link
        link.close()


@pytest.mark.parametrize("length", [0, 1, DATAGRAM - 1, DATAGRAM, 5000])
def test_datagrams(rng, far, length):
    """A zero begins a write, and none is too long."""
    there, link = far
    data = rng.bytes(length)
    link.write(data)
    got = [there.recv(1 << 16) for _ in range(-(-(length + 1) // DATAGRAM))]
    assert b"".join(got) == b"\0" + data
    assert all(0 < len(datagram) <= DATAGRAM for datagram in got)


def test_nothing_comes(far):
    _, link = far
    assert link.read() == b""


def test_only_the_accelerator_is_heard(far):
    there, link = far
    link.write(b"who")
    _, sender = there.recvfrom(100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"stranger", sender)
    there.sendto(b"", sender)
    there.sendto(b"friend", sender)
    assert link.read() == b"" and link.read() == b"friend"


def test_the_pace(monkeypatch, far):
    """In no stretch of time does more leave than `BURST` and what `RATE` gives."""
    _, link = far
    now = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += 1.7 * seconds  # later than asked for

    monkeypatch.setattr(time, "sleep", sleep)
    start, sent = now[0], 0
    for _ in range(20):
        link.write(bytes(3000))
        sent += 3001
        assert sent <= BURST + (now[0] - start) * RATE + 1
    assert now[0] - start < 2 * sent / RATE
    now[0] += 10
    link.write(bytes(3000))
    assert now[0] - start < 10 + 2 * (sent + 3001) / RATE


def test_a_refused_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        name = f"udp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LinkError) as caught:
        Accelerator(name, timeout=0.5, tries=2)
    assert str(caught.value) == (
        f"nothing listens at '{name}': the host is there, and refuses the port. Check the address "
        "and the UDP port, which is 8738 unless it was built with another."
    )


class Unreachable(socket.socket):
    """To a host that nobody has heard of."""

    def send(self, *_: object) -> int:
        raise OSError(errno.EHOSTUNREACH, "")

    def recv(self, *_: object) -> bytes:
        raise OSError(errno.EHOSTUNREACH, "")


def test_an_unreachable_host(monkeypatch):
    monkeypatch.setattr(socket, "socket", Unreachable)
    link = UdpLink("udp://127.0.0.1")
    for call in (link.read, lambda: link.write(b"x")):
        with pytest.raises(LinkError) as caught:
            call()
        assert str(caught.value) == (
            f"'{link.name}' cannot be reached: No route to host. Check the cable and the board's "
            "power, and give this machine an address in the accelerator's network, such as "
            "192.168.1.1/24 for 192.168.1.50."
        )
    link.close()


def test_silence(far):
    _, link = far
    with pytest.raises(LinkError, match=r"was asked HELLO 2 times in 0\.04 s and said nothing"):
        Session(link, timeout=0.02, tries=2)


@pytest.mark.parametrize(
    "name", ["udp://", "udp://host:0", "udp://h:99999", "udp://:5", "udp://h:x", "udp:/h"]
)
def test_a_name_that_is_none(name):
    with pytest.raises(LinkError) as caught:
        UdpLink(name)
    assert str(caught.value) == (
        f"'{name}' is no UDP port; allowed is udp://host or udp://host:port. Give the host, and a "
        "port of 1 to 65535 if it is not 8738, as in udp://192.168.1.50."
    )


def test_a_host_that_is_not_known():
    with pytest.raises(LinkError, match=r"the host of 'udp://no\.such\.invalid' is not known: "):
        UdpLink("udp://no.such.invalid")


def test_the_port_may_be_left_out(monkeypatch):
    asked = []

    def getaddrinfo(host, port, **_):
        asked.append((host, port))
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 9))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("udp://board", "udp://board:5000", "udp://[::1]", "udp://[::1]:77"):
        UdpLink(name).close()
    assert asked == [("board", PORT), ("board", 5000), ("::1", PORT), ("::1", 77)]


def test_one_program_at_a_time() -> None:
    """The accelerator tells peers by their ports, so a second program has none."""
    first = UdpLink("udp://127.0.0.1:9")
    with pytest.raises(LinkError) as caught:
        UdpLink("udp://127.0.0.1:9")
    assert str(caught.value) == (
        "'udp://127.0.0.1:9' is in use by another program on this machine. "
        "Close that program, then try again."
    )
    other = UdpLink("udp://127.0.0.1:10")
    first.close()
    UdpLink("udp://127.0.0.1:9").close()
    other.close()


def test_own_port() -> None:
    ports = {own_port(f"192.168.{i >> 8}.{i & 255}", PORT) for i in range(1 << 14)}
    assert ports == set(range(1 << 14, 1 << 15)), "one for each accelerator of a network"
    assert own_port("fe80::1%eth0", PORT) == own_port("fe80::1", PORT)
