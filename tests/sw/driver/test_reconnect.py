"""Ports that vanish and come back, and boards that are another's when they do."""

from __future__ import annotations

import numpy as np
import pytest

from sw.driver import session as session_module
from sw.driver.session import Session
from sw.errors import IdentityError, LinkError, PortLostError

from .fake import Fake, MemoryLink, identity, nothing
from .test_session import frames


class Fragile(MemoryLink):
    """A link that is lost after so many bytes written."""

    def __init__(self, fake: Fake, life: int) -> None:
        super().__init__(fake)
        self._life = life

    def _age(self, count: int) -> None:
        self._life -= count
        if self._life < 0:
            raise PortLostError("port 'memory' was lost: gone", "Plug it in")

    def read(self) -> bytes:
        self._age(1)
        return super().read()

    def write(self, data: bytes) -> None:
        # Part of it arrives.
        super().write(data[: max(0, self._life)])
        self._age(len(data))


def opener(links):
    """Opens one after the other; an error is raised."""
    rest = iter(links)

    def reopen():
        link = next(rest)
        if isinstance(link, Exception):
            raise link
        return link

    return reopen


ABSENT = LinkError("there is no port 'memory'", "Plug it in")


@pytest.mark.parametrize("life", [60, 120, 333, 700])
@pytest.mark.parametrize("is_reset", [False, True])
def test_frames_go_on_where_they_were(rng, life, is_reset):
    bodies, expected = frames(rng, 80)
    board = Fake(identity())
    boards = [board, *(Fake(identity()) if is_reset else board for _ in range(2))]
    links: list[MemoryLink] = [Fragile(one, life * 3**k) for k, one in enumerate(boards[:2])]
    links.append(MemoryLink(boards[2]))
    session = Session(
        links[0], timeout=5, reopen=opener([ABSENT, links[1], ABSENT, links[2]]), reconnect=60
    )
    assert np.array_equal(list(session.run(bodies)), expected)
    counts = session.counts
    assert counts.reconnects >= 1 and links[0].closed
    assert counts.results == 80 and counts.frames_sent == 80 + counts.resent
    assert counts.resent <= 4 * counts.reconnects


def test_counters_after_a_loss(rng):
    fake = Fake(identity())
    session = Session(Fragile(fake, 12), timeout=5, reopen=lambda: MemoryLink(fake), reconnect=60)
    assert session.counters().frames_in == 0
    assert session.counts.reconnects == 1


def test_a_port_that_does_not_come_back(rng):
    def reopen():
        raise ABSENT

    bodies, _ = frames(rng, 40)
    session = Session(Fragile(Fake(identity()), 200), timeout=5, reopen=reopen, reconnect=0.05)
    with pytest.raises(PortLostError) as caught:
        list(session.run(bodies))
    assert str(caught.value) == (
        "port 'memory' was lost: gone, and was not back after 0.05 s: there is no port 'memory'. "
        "Plug it in."
    )


def test_without_patience_the_loss_is_an_error(rng):
    bodies, _ = frames(rng, 40)
    session = Session(Fragile(Fake(identity()), 200), timeout=5)
    with pytest.raises(PortLostError, match="port 'memory' was lost: gone"):
        list(session.run(bodies))


def test_a_port_that_is_lost_again_and_again(rng):
    bodies, _ = frames(rng, 40)
    fake = Fake(identity())
    opened = []

    def reopen():
        # Enough for HELLO and RESET, and never for a result.
        opened.append(Fragile(fake, 45))
        return opened[-1]

    session = Session(Fragile(fake, 60), timeout=5, tries=3, reopen=reopen, reconnect=60)
    with pytest.raises(PortLostError, match="port 'memory' was lost: gone"):
        list(session.run(bodies))
    assert len(opened) == 3


def test_another_board_at_the_port(rng):
    bodies, expected = frames(rng, 40)
    other = Fake(identity(sha256="ab" * 32), scores=lambda who, codes: np.full(who.scores, 9))
    session = Session(
        Fragile(Fake(identity()), 400), timeout=5, reopen=lambda: MemoryLink(other), reconnect=0.05
    )
    found = []
    with pytest.raises(IdentityError) as caught:
        found.extend(session.run(bodies))
    assert np.array_equal(found, expected[: len(found)]) and found
    assert f"was built from the model with SHA-256 {'ab' * 32} now, and from " in str(caught.value)


def test_another_board_has_the_name_for_a_while(rng):
    bodies, expected = frames(rng, 40)
    right, other = Fake(identity()), Fake(identity(sha256="ab" * 32))
    other.counters["frames_in"] = 7
    reopen = opener([MemoryLink(other), MemoryLink(right)])
    session = Session(Fragile(right, 400), timeout=5, reopen=reopen, reconnect=60)
    assert np.array_equal(list(session.run(bodies)), expected)
    assert other.counters["frames_in"] == 7, "it was not reset"


def swap(link: MemoryLink) -> None:
    """Load another bitstream: what was in flight is gone."""
    link.fake = Fake(identity(sha256="cd" * 32), scores=lambda who, codes: np.full(who.scores, 9))


def test_a_board_loaded_anew_in_mid_stream(rng, monkeypatch):
    """While the program that reads the stream was busy with something else."""
    monkeypatch.setattr(session_module, "IDLE", 0.0)
    bodies, expected = frames(rng, 40)
    link = MemoryLink(Fake(identity()))
    session = Session(link, timeout=5)
    run = session.run(bodies)
    for place in range(10):
        assert np.array_equal(next(run), expected[place])
    assert session.resent == 0, "asking who is there loses no result"
    swap(link)
    with pytest.raises(IdentityError):
        list(run)


def test_a_board_loaded_anew_shows_by_silence_too(rng):
    bodies, expected = frames(rng, 4)
    link = MemoryLink(Fake(identity()))
    run = Session(link, timeout=0.02).run(bodies)
    assert np.array_equal(next(run), expected[0])
    swap(link)
    with pytest.raises(IdentityError):
        list(run)


def test_a_board_loaded_anew_between_two_frames_of_a_slow_source(rng, monkeypatch):
    monkeypatch.setattr(session_module, "IDLE", 0.0)
    bodies, expected = frames(rng, 40)
    link = MemoryLink(Fake(identity(slots=1)))

    def slow():
        yield from bodies[:5]
        swap(link)
        yield from bodies[5:]

    run = Session(link, timeout=5).run(slow())
    for place in range(5):
        assert np.array_equal(next(run), expected[place])
    with pytest.raises(IdentityError):
        next(run)


def test_a_board_loaded_anew_between_two_runs(rng, monkeypatch):
    bodies, _ = frames(rng, 4)
    link = MemoryLink(Fake(identity()), to=nothing)
    session = Session(link, timeout=5)
    list(session.run(bodies))
    swap(link)
    monkeypatch.setattr(session_module, "IDLE", 0.0)
    with pytest.raises(IdentityError):
        list(session.run(bodies))
