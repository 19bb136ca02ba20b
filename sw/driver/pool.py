"""`AcceleratorPool`: frames over several boards, scores in order."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sw.driver.accelerator import RECONNECT, Accelerator, digest_of, discover
from sw.driver.calls import Calls
from sw.driver.links import QUANTUM
from sw.driver.source import Feed, Item, Source
from sw.errors import LinkError
from sw.model import Model, load
from sw.protocol import Counters, Identity

__all__ = ["AcceleratorPool"]

#: Frames that a board may have, in flight and waiting, for each of its slots: the next is there
#: as soon as a slot is free.
DEPTH = 2

#: What a board's thread tells: the place of a frame and its scores, or why it ended.
_Event = tuple["_Board", int, NDArray[np.int32] | BaseException | None]


@dataclass(eq=False)
class _Board:
    """A board in one run."""

    accelerator: Accelerator
    feed: Feed[Item]
    held: dict[int, Item] = field(default_factory=dict)  # by place: given, and not yet answered
    places: deque[int] = field(default_factory=deque)  # of what its thread will answer next
    thread: threading.Thread | None = None

    @property
    def has_room(self) -> bool:
        return len(self.held) < DEPTH * self.accelerator.info.slots


class AcceleratorPool(Calls):
    """Several accelerators of one model, used as one; a context manager.

    Each frame goes to the board that has the fewest outstanding: sent or waiting, and not
    yet answered. Results come in the order of the frames. When a board fails for good,
    what it had goes to the others; the call fails only when there is none left.

    Parameters
    ----------
    ports : "auto" or sequence of str
        As `Accelerator` takes them; "auto" is every serial port with an accelerator of
        the model.
    model : Model or path, optional
    baud, timeout, tries, reconnect
        As `Accelerator` takes them.

    Raises
    ------
    LinkError
        A port cannot be used, or two are of different models.
    ModelError
        The model file cannot be used.
    """

    def __init__(
        self,
        ports: str | Sequence[str] = "auto",
        model: Model | str | os.PathLike[str] | None = None,
        *,
        baud: int | None = None,
        timeout: float | None = None,
        tries: int = 4,
        reconnect: float = RECONNECT,
    ) -> None:
        super().__init__()
        if isinstance(model, str | os.PathLike):
            model = load(model)
        if ports == "auto":
            places = discover(None if model is None else digest_of(model), baud)
        else:
            names = [ports] if isinstance(ports, str) else list(ports)
            places = [(name, baud) for name in names]
        if not places:
            raise LinkError("a pool of no ports was asked for", "Name one port or more")
        self._lost: list[tuple[Accelerator, LinkError]] = []
        with contextlib.ExitStack() as stack:
            self._all = [
                stack.enter_context(
                    Accelerator(
                        name, model, baud=rate, timeout=timeout, tries=tries, reconnect=reconnect
                    )
                )
                for name, rate in places
            ]
            first = self._all[0]
            for other in self._all[1:]:
                if other.info.model_sha256 != first.info.model_sha256:
                    raise LinkError(
                        f"the accelerators at '{first.port}' and '{other.port}' were built from "
                        f"the models with SHA-256 {first.info.model_sha256} and "
                        f"{other.info.model_sha256}",
                        "Give ports of one model",
                    )
            stack.pop_all()
        self._in_use = False

    def __enter__(self) -> AcceleratorPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for accelerator in self._all:
            accelerator.close()

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """Those that have not failed."""
        lost = {id(one) for one, _ in self._lost}
        return tuple(one for one in self._all if id(one) not in lost)

    @property
    def lost(self) -> dict[str, LinkError]:
        """Ports of boards that failed, and why."""
        return {one.port: error for one, error in self._lost}

    @property
    def port(self) -> str:
        return ", ".join(one.port for one in self._all)

    @property
    def model(self) -> Model:
        return self._all[0].model

    @property
    def info(self) -> Identity:
        return self._all[0].info

    @property
    def resent(self) -> int:
        return sum(one.resent for one in self._all)

    @property
    def bauds(self) -> float | None:
        bauds = [one.bauds for one in self.accelerators]
        return None if None in bauds else sum(filter(None, bauds))

    def counters(self) -> dict[str, Counters]:
        """Each accelerator's counters, by port."""
        return {one.port: one.counters() for one in self.accelerators}

    def verify(self) -> int:
        """Run the model's embedded test vectors through each board; their number in all."""
        return sum(one.verify() for one in self.accelerators)

    def results(self, source: Source) -> Generator[tuple[int, NDArray[np.int32]], None, None]:
        if self._in_use:
            raise LinkError(
                "the pool is carrying another stream of frames", "Finish or close that one first"
            )
        self._in_use = True
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        boards = [_start(one, events) for one in self.accelerators]
        try:
            yield from self._schedule(source, boards, events)
        finally:
            for board in boards:
                # What is still under way is nobody's any more.
                if board.held:
                    board.feed.stop.set()
                board.feed.end()
            for board in boards:
                # Each wait of a session has a limit, and so has this.
                if board.thread is not None:
                    board.thread.join()
            self._in_use = False

    def _schedule(
        self, source: Source, boards: list[_Board], events: queue.SimpleQueue[_Event]
    ) -> Generator[tuple[int, NDArray[np.int32]], None, None]:
        """Hand frames out, take results in, put them in order."""
        again: deque[tuple[int, Item]] = deque()  # of boards that failed
        done: dict[int, tuple[int, NDArray[np.int32]]] = {}
        living = list(boards)
        begun = given = 0
        most = 2 * DEPTH * sum(board.accelerator.info.slots for board in boards)
        while not source.stop.is_set():
            if not living:
                raise self._lost[-1][1]
            while begun - given < most or again:
                free = [board for board in living if board.has_room]
                if not free or (not again and source.ended):
                    break
                if again:
                    place, item = again.popleft()
                else:
                    item = source.take(0.0 if any(board.held for board in living) else QUANTUM)
                    if item is None:
                        break
                    place, begun = begun, begun + 1
                board = min(free, key=lambda board: len(board.held))
                board.held[place] = item
                board.places.append(place)
                board.feed.put(item)
            if source.ended and given == begun:
                return
            if not any(board.held for board in living):
                continue
            try:
                board, place, scores = events.get(timeout=QUANTUM)
            except queue.Empty:
                continue
            if isinstance(scores, LinkError):
                living.remove(board)
                self._lost.append((board.accelerator, scores))
                again.extend(sorted(board.held.items()))
                board.held.clear()
            elif isinstance(scores, BaseException):
                raise scores
            elif scores is not None and (item := board.held.pop(place, None)) is not None:
                done[place] = (item.index, scores)
            while given in done:
                yield done.pop(given)
                given += 1


def _start(accelerator: Accelerator, events: queue.SimpleQueue[_Event]) -> _Board:
    """A thread that runs what a board is given."""
    room = DEPTH * accelerator.info.slots
    board = _Board(accelerator, Feed(lambda item: item.body, room=room, drop=None))

    def work() -> None:
        try:
            for _, scores in accelerator.results(board.feed):
                events.put((board, board.places.popleft(), scores))
        except BaseException as error:
            # It belongs to whoever waits for the scores.
            events.put((board, -1, error))

    board.thread = threading.Thread(target=work, daemon=True)
    board.thread.start()
    return board
