"""Sessions over a link in memory: nothing that the line does gives a wrong score."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sw.driver.session import Session
from sw.errors import LinkError
from sw.protocol import VERSION, Command, Counters, Packet, pack_codes, pack_scores

from .fake import Fake, MemoryLink, Noise, identity, nothing, sums


def frames(rng, count: int, who=None) -> tuple[list[bytes], np.ndarray]:
    """Bodies of random frames, and their scores."""
    who = who or identity()
    codes = rng.integers(0, 2**who.code_bits, (count, who.elements))
    bodies = [body.tobytes() for body in pack_codes(codes, who.code_bits)]
    return bodies, np.array([sums(who, frame) for frame in codes])


def test_identity_and_counters(rng):
    session = Session(MemoryLink(Fake(identity())))
    assert session.identity == identity()
    bodies, _ = frames(rng, 5)
    list(session.run(bodies))
    assert session.counters() == Counters(frames_in=5, frames_out=5)


@pytest.mark.parametrize("slots", [1, 2, 16])
def test_frames_in_flight_are_the_credits(rng, slots):
    fake = Fake(identity(slots=slots))
    session = Session(MemoryLink(fake))
    bodies, expected = frames(rng, 50)
    assert np.array_equal(list(session.run(bodies)), expected)
    assert fake.most_frames == slots
    assert fake.counters["overruns"] == 0 and session.resent == 0


def test_no_frames(rng):
    assert list(Session(MemoryLink(Fake(identity()))).run([])) == []


@pytest.mark.parametrize("kind", Noise.KINDS)
@pytest.mark.parametrize("way", ["to", "back", "both"])
def test_noise_gives_no_wrong_score(rng, kind, way):
    def noise():
        return Noise(kind, rng, 0.004)

    link = MemoryLink(
        Fake(identity()),
        to=nothing if way == "back" else noise(),
        back=nothing if way == "to" else noise(),
    )
    session = Session(link, timeout=0.02, tries=30)
    bodies, expected = frames(rng, 300)
    assert np.array_equal(list(session.run(bodies)), expected)


def test_a_lost_frame_is_sent_again_when_a_later_one_is_answered(rng):
    bodies, expected = frames(rng, 40)
    sent = itertools.count()
    lost = {10, 11, 25}

    def lose(data: bytes) -> bytes:
        # HELLO and RESET come before the frames.
        return b"" if next(sent) - 2 in lost else data

    # No time passes: a timeout would not be met.
    session = Session(MemoryLink(Fake(identity()), to=lose), timeout=60)
    assert np.array_equal(list(session.run(bodies)), expected)
    assert session.resent == 3


def test_left_over_results_of_another_session_do_not_count(rng):
    link = MemoryLink(Fake(identity()))
    bodies, expected = frames(rng, 30)
    wrong = b"".join(
        Packet(
            command=Command.RESULT, number=number, body=pack_scores(np.array([7, 7, 7]), 2)
        ).encode()
        for number in range(1 << 16)
    )
    link.left_over = wrong
    session = Session(link, timeout=5)
    link.left_over = wrong
    assert np.array_equal(list(session.run(bodies)), expected)


def test_a_run_cut_off_leaves_nothing_to_the_next(rng):
    session = Session(MemoryLink(Fake(identity())))
    bodies, expected = frames(rng, 30)
    cut = session.run(bodies)
    assert np.array_equal(next(cut), expected[0])
    cut.close()
    assert np.array_equal(list(session.run(bodies[7:])), expected[7:])


def test_two_runs_at_once_are_refused(rng):
    session = Session(MemoryLink(Fake(identity())))
    bodies, _ = frames(rng, 30)
    first = session.run(bodies)
    next(first)
    with pytest.raises(LinkError, match="is carrying another stream of frames"):
        next(session.run(bodies))


def test_scores_of_a_frame_sent_twice_are_taken_once(rng):
    fake = Fake(identity())
    session = Session(MemoryLink(fake, to=lambda data: data + data))
    bodies, expected = frames(rng, 40)
    assert np.array_equal(list(session.run(bodies)), expected)


class Foreign(Fake):
    """Something else on the line, which answers with `reply`."""

    def __init__(self, reply: bytes, endless: bool = False) -> None:
        super().__init__(identity())
        self._reply, self._endless = reply, endless

    def feed(self, data: bytes) -> None:
        self.answers.append(self._reply if self._reply != b"echo" else data)

    def step(self) -> bytes:
        return self._reply if self._endless else super().step()


def refusal(fake: Fake, **options) -> str:
    with pytest.raises(LinkError) as caught:
        Session(MemoryLink(fake, **options), timeout=0.02, tries=2)
    return str(caught.value)


def test_silence():
    text = refusal(Fake(identity()), back=lambda _: b"")
    assert text == (
        "the accelerator at 'memory' was asked HELLO 2 times in 0.04 s and said nothing. Check "
        "that the bitstream is loaded, the baud is right and the cable is whole; for a slow "
        "accelerator give a longer timeout."
    )


@pytest.mark.parametrize("endless", [False, True])
def test_another_protocol(endless):
    text = refusal(Foreign(b"login: \r\n", endless))
    assert "port 'memory' speaks another protocol: " in text
    assert "bytes came, but no answer to HELLO, asked 2 times in 0.04 s" in text


def test_endless_noise(rng):
    text = refusal(Fake(identity()), back=lambda _: rng.bytes(50))
    assert "speaks another protocol" in text


def test_endless_noise_without_delimiters_takes_no_memory(rng):
    link = MemoryLink(Fake(identity()), back=lambda _: b"x" * 60_000)
    with pytest.raises(LinkError, match="speaks another protocol"):
        Session(link, timeout=0.02, tries=2)


def test_echo():
    assert "speaks another protocol: it returns what it is sent" in refusal(Foreign(b"echo"))


def test_another_version():
    text = refusal(Fake(identity(), version=VERSION + 1))
    assert text == (
        f"the accelerator at 'memory' speaks protocol version {VERSION + 1}; allowed is {VERSION}. "
        "Build its bitstream again with this release, or use the release it came from."
    )


def test_an_identity_that_contradicts_itself():
    answer = bytearray(identity().pack())
    answer[42] = 3

    class Liar(Fake):
        def _packet(self, command, number, body=b""):
            lie = bytes(answer) + body[46:] if command == Command.IDENTITY else body
            return super()._packet(command, number, lie)

    assert "its identity of 54 bytes makes no sense" in refusal(Liar(identity()))


def test_silence_in_the_middle(rng):
    silent = itertools.count()

    def fall_silent(data: bytes) -> bytes:
        return data if next(silent) < 30 else b""

    session = Session(MemoryLink(Fake(identity()), back=fall_silent), timeout=0.02, tries=2)
    bodies, _ = frames(rng, 60)
    with pytest.raises(LinkError, match=r"sent no result for 0.06 s with 4 frames in flight"):
        list(session.run(bodies))


def test_results_that_never_come(rng):
    class Stuck(Fake):
        def step(self):
            return super().step() if self.answers else b""

    session = Session(MemoryLink(Stuck(identity())), timeout=0.02, tries=2)
    bodies, _ = frames(rng, 60)
    with pytest.raises(LinkError, match=r"sent no result for 0.06 s with 4 frames in flight"):
        list(session.run(bodies))


def test_a_frame_that_is_always_lost(rng):
    bodies, _ = frames(rng, 300)
    doomed = bodies[3]

    def lose(data: bytes) -> bytes:
        return b"" if doomed[5:15] in data else data

    session = Session(MemoryLink(Fake(identity()), to=lose), timeout=0.02, tries=2)
    with pytest.raises(LinkError, match=r"lost frame 3 50 times: the line is too noisy"):
        list(session.run(bodies))


def test_results_of_another_length(rng):
    fake = Fake(identity(), scores=lambda who, codes: np.zeros(who.scores + 1, np.int32))
    session = Session(MemoryLink(fake))
    bodies, _ = frames(rng, 3)
    with pytest.raises(LinkError, match=r"sent 8 bytes of scores, not 6"):
        list(session.run(bodies))


def test_frames_that_are_refused(rng):
    session = Session(MemoryLink(Fake(identity())))
    with pytest.raises(LinkError, match=r"refused a frame with error 03"):
        list(session.run([b"short"]))
