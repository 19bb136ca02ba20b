"""Where the frames of a run come from: an iterable, or a buffer that something live fills."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from sw.errors import ModelError

__all__ = ["DROPS", "Drop", "Feed", "Inline", "Item", "Source"]

#: What becomes of a frame that finds the buffer full: see `Feed`.
Drop = Literal["oldest", "newest"]
DROPS = ("oldest", "newest")

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """A frame to send: its index in what the user gave, and the body of its packet."""

    index: int
    body: bytes


class Source(ABC):
    """Frames of one run.

    Attributes
    ----------
    ended : bool
        No further frame will come.
    stop : threading.Event
        Set, from whatever thread, to end the run before its frames do.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self.ended = False
        self.stop = stop or threading.Event()

    @abstractmethod
    def take(self, seconds: float) -> Item | None:
        """The next frame; None where none came in ``seconds``, or none will come."""


class Inline(Source):
    """The frames of an iterable, taken in the thread of the run as there is room for them.

    Parameters
    ----------
    bodies : iterable of bytes
    stop : threading.Event, optional
    """

    def __init__(self, bodies: Iterable[bytes], stop: threading.Event | None = None) -> None:
        super().__init__(stop)
        self._items = (Item(index, body) for index, body in enumerate(bodies))

    def take(self, seconds: float) -> Item | None:
        item = next(self._items, None)
        self.ended = item is None
        return item


class Feed(Source, Generic[T]):
    """A buffer of frames between a thread that fills it and the run.

    A frame that finds the buffer full makes the one that has waited longest go
    (``drop="oldest"``: what is given is as new as can be), goes itself ("newest": what
    waits stays), or waits until there is room (None).

    Parameters
    ----------
    pack : callable
        Makes the body of a packet of a frame, once it is its turn.
    room : int
        Frames that may wait.
    drop : "oldest", "newest" or None
    stop : threading.Event, optional

    Attributes
    ----------
    dropped : int
        Frames that went so.

    Raises
    ------
    ModelError
        There is no such policy, or no room.
    """

    def __init__(
        self,
        pack: Callable[[T], bytes],
        *,
        room: int,
        drop: Drop | None,
        stop: threading.Event | None = None,
    ) -> None:
        if drop is not None and drop not in DROPS:
            raise ModelError(
                f"drop={drop!r} is no policy; allowed are 'oldest', 'newest' and None",
                "Name one of these",
            )
        if room < 1:
            raise ModelError(
                f"a buffer of {room} frames holds none; allowed are 1 or more", "Give a larger one"
            )
        super().__init__(stop)
        self._pack, self._room, self._drop = pack, room, drop
        self._waiting: deque[tuple[int, T]] = deque()
        self._changed = threading.Condition()
        self._given = 0
        self._over = False
        self._error: BaseException | None = None
        self.dropped = 0

    def put(self, frame: T, *, seconds: float = 0.0) -> bool:
        """Give a frame; False where it has to wait, without a policy, for more than ``seconds``."""
        with self._changed:
            if len(self._waiting) == self._room:
                if self._drop is None and not self._changed.wait_for(
                    lambda: len(self._waiting) < self._room, seconds
                ):
                    return False
                if self._drop is not None:
                    self.dropped += 1
                if self._drop == "oldest":
                    self._waiting.popleft()
                elif self._drop == "newest":
                    self._given += 1
                    return True
            self._waiting.append((self._given, frame))
            self._given += 1
            self._changed.notify_all()
        return True

    def wait_for_room(self, seconds: float) -> bool:
        """True as soon as a frame can be given; False where none can in ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._waiting) < self._room, seconds)

    def end(self, error: BaseException | None = None) -> None:
        """No further frame comes; ``error`` is raised in the run when the frames are out."""
        with self._changed:
            self._over, self._error = True, error
            self._changed.notify_all()

    def take(self, seconds: float) -> Item | None:
        with self._changed:
            if not self._waiting and not self._over and seconds:
                self._changed.wait(seconds)
            if not self._waiting:
                if self._over:
                    self.ended = True
                    if self._error is not None:
                        raise self._error
                return None
            index, frame = self._waiting.popleft()
            self._changed.notify_all()
        return Item(index, self._pack(frame))

    def fill(self, frames: Iterable[T]) -> None:
        """Give all of ``frames``, from a thread of their own, until the run is over."""
        thread = threading.Thread(target=self._fill, args=(iter(frames),), daemon=True)
        thread.start()

    def _fill(self, frames: Iterator[T]) -> None:
        try:
            for frame in frames:
                while not self.put(frame, seconds=0.1):
                    if self.stop.is_set():
                        break
                if self.stop.is_set():
                    break
        except BaseException as error:
            # Whatever the source raises belongs to whoever asked for its scores.
            self.end(error)
        else:
            self.end()
