"""The compiled SoC: bytes in, bytes out, over a serial line or at its byte streams."""

from __future__ import annotations

import ctypes
from typing import Literal

from hw.plan.plan import Plan
from hw.soc import SoC
from sw.cli import step
from sw.model import Model

from .cxxrtl import Serial, Streams, compile_rtl
from .flash import FlashedSoC

__all__ = ["SocSimulator"]


class SocSimulator:
    """The whole SoC of a plan, compiled and running from reset.

    Parameters
    ----------
    plan : Plan
    model : Model
        The model that ``plan`` was made for.
    clock_hz : int
    baud : int or None
        As on the board; needed bit by bit.
    mode : "bits" or "bytes"
        "bits" drives the two serial lines bit by bit; "bytes" leaves the UART out
        and moves a byte a cycle at most, for data sets.
    contents : bytes, optional
        What the flash memory holds where the weights of a plan with SPRAM begin, in place of
        these weights. They are read from it before anything else happens, and after `reset`.

    Attributes
    ----------
    loaded : bool
        There is nothing to load, or it was found right.
    host_clock : float
        Bit clock of the far end of the line over what it should be: 1.03 is 3 % too fast.
    """

    def __init__(
        self,
        plan: Plan,
        model: Model,
        *,
        clock_hz: int,
        baud: int | None,
        mode: Literal["bits", "bytes"] = "bits",
        contents: bytes | None = None,
    ) -> None:
        soc = SoC(plan, model, clock_hz=clock_hz, baud=baud, phy="uart" if mode == "bits" else mode)
        design = soc if soc.load is None else FlashedSoC(soc, contents)
        loaded = None if soc.load is None else "loaded"
        interface = (
            Serial(loaded=loaded)
            if mode == "bits"
            else Streams(
                i_name="i_bytes",
                o_name="o_bytes",
                i_width=8,
                o_width=8,
                bytes_only=True,
                loaded=loaded,
            )
        )
        ports = [value for _, _, value in design.signature.flatten(design)]
        self._library = compile_rtl(
            design, ports=ports, interface=interface, name=f"the SoC of {model.name}"
        )
        self._library.bench_new.restype = ctypes.c_void_p
        self._exchange = self._library.bench_uart if mode == "bits" else self._library.bench_bytes
        self._exchange.restype = ctypes.c_bool
        # Silence after which nothing can be under way: a frame needs no longer in the
        # core than each layer needs for a frame, one after the other.
        silence = sum(layer.cycles for layer in plan.layers) + 10_000
        self._is_serial = mode == "bits"
        # The bench's own side of the line runs at the exact rate, not the divisor's.
        self._bit_cycles = clock_hz / baud if baud else 1.0
        # An answer is handed on when no byte has followed for the time of two.
        pause = round(20 * self._bit_cycles) if self._is_serial else 64
        self._limits = (ctypes.c_uint64(silence), ctypes.c_uint64(pause))
        self.host_clock = 1.0
        self._answer = ctypes.create_string_buffer(0)
        self._library.bench_cycles.restype = ctypes.c_uint64
        self._bench = ctypes.c_void_p(self._library.bench_new())
        self._load = soc.load
        if self._load is None:
            self.loaded = True
            return
        with step(f"Loading {self._load.length:,} bytes of weights from the flash memory"):
            self.loaded = self._fill()

    def _fill(self) -> bool:
        """Let the weights come; whether they have, and were right."""
        if self._load is None:
            return True
        self._library.bench_load.restype = ctypes.c_bool
        # So long that, if they were not, they have begun to come again.
        limit = ctypes.c_uint64(self._load.cycles + 2**self._load.wake_bits)
        return self._library.bench_load(self._bench, limit)

    @property
    def cycles(self) -> int:
        """Clock cycles since the reset at the start."""
        return self._library.bench_cycles(self._bench)

    @property
    def bit_cycles(self) -> float:
        """Clock cycles of a bit on the line."""
        return self._bit_cycles

    def reset(self) -> None:
        """Reset the chip, wherever it is; what is on the line at the time stays there."""
        self._library.bench_reset(self._bench)
        self.loaded = self._fill()

    def break_line(self, *, to: int = 0, back: int = 0) -> None:
        """Hold the line to the chip, and the line from it, low for so many bits."""
        assert self._is_serial, "there is a line in the mode bits only"
        cycles = (ctypes.c_uint64(round(bits * self._bit_cycles)) for bits in (to, back))
        self._library.bench_break(self._bench, *cycles)

    def exchange(
        self, data: bytes, *, cycles: int = 1_000_000, room: int = 65536
    ) -> tuple[int, bytes, bool]:
        """Run for at most ``cycles``, until an answer is complete, or all is silent.

        Parameters
        ----------
        data : bytes
            Offered to the SoC.
        cycles, room : int
            Limits on the time and on the bytes taken from the SoC.

        Returns
        -------
        taken : int
            How many bytes of ``data`` the SoC has had.
        answer : bytes
        silent : bool
            Nothing is under way any more: only new bytes will have an effect.
        """
        taken, given = ctypes.c_uint64(), ctypes.c_uint64()
        if len(self._answer) < room:
            self._answer = ctypes.create_string_buffer(room)
        answer = self._answer
        silent = self._exchange(
            self._bench,
            data,
            ctypes.c_uint64(len(data)),
            ctypes.byref(taken),
            answer,
            ctypes.c_uint64(room),
            ctypes.byref(given),
            ctypes.c_uint64(cycles),
            *self._limits,
            *((ctypes.c_double(self._bit_cycles / self.host_clock),) if self._is_serial else ()),
        )
        return taken.value, ctypes.string_at(answer, given.value), silent
