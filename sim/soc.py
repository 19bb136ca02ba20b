"""The compiled SoC: bytes in, bytes out, over a serial line or at its byte streams."""

from __future__ import annotations

import ctypes
from typing import Literal

from hw.plan.plan import Plan
from hw.soc import SoC
from sw.model import Model

from .cxxrtl import Serial, Streams, compile_rtl

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
    """

    def __init__(
        self,
        plan: Plan,
        model: Model,
        *,
        clock_hz: int,
        baud: int | None,
        mode: Literal["bits", "bytes"] = "bits",
    ) -> None:
        soc = SoC(plan, model, clock_hz=clock_hz, baud=baud, phy="uart" if mode == "bits" else mode)
        interface = (
            Serial()
            if mode == "bits"
            else Streams(i_name="i_bytes", o_name="o_bytes", i_width=8, o_width=8, bytes_only=True)
        )
        ports = [value for _, _, value in soc.signature.flatten(soc)]
        self._library = compile_rtl(
            soc, ports=ports, interface=interface, name=f"the SoC of {model.name}"
        )
        self._library.bench_new.restype = ctypes.c_void_p
        self._exchange = self._library.bench_uart if mode == "bits" else self._library.bench_bytes
        self._exchange.restype = ctypes.c_bool
        # Silence after which nothing can be under way: a frame needs no longer in the
        # core than each layer needs for a frame, one after the other.
        silence = sum(layer.cycles for layer in plan.layers) + 10_000
        if mode == "bytes":
            self._limits = (ctypes.c_uint64(silence), ctypes.c_uint64(64))
        else:
            assert baud is not None, "the SoC has asked for it"
            # The bench's own side of the line runs at the exact rate, not the divisor's.
            bit_cycles = clock_hz / baud
            # An answer is handed on when no byte has followed for the time of two.
            pause = ctypes.c_uint64(round(20 * bit_cycles))
            self._limits = (ctypes.c_uint64(silence), pause, ctypes.c_double(bit_cycles))
        self._bench = ctypes.c_void_p(self._library.bench_new())

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
        answer = ctypes.create_string_buffer(room)
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
        )
        return taken.value, answer.raw[: given.value], silent
