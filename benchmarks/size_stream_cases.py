"""The stream blocks that `benchmarks.size` measures: (name, block, config)."""

from __future__ import annotations

from typing import Any

from hw.plan.stream import HeadConfig, LineBufferConfig, PoolConfig, WidthConfig

__all__ = ["STREAM_CASES"]


def _lines(name: str, side: int, channels: int, **options: Any) -> tuple[str, str, Any]:
    """A square map; ``pad`` on all four sides."""
    pad = options.pop("pad", 0)
    given = {"lane_bits": 1, "top": pad, "left": pad, "bottom": pad, "right": pad, **options}
    config = LineBufferConfig(height=side, width=side, channels=channels, **given)
    return f"lines {name}", "LineBuffer", config


def _pool(name: str, side: int, channels: int, lanes: int, bits: int = 1) -> tuple[str, str, Any]:
    config = PoolConfig(
        height=side, width=side, channels=channels, lane_bits=bits, lanes=lanes,
        size=(2, 2), stride=(2, 2),
    )  # fmt: skip
    return f"pool {name}", "Pool", config


def _width(i_lanes: int, o_lanes: int, bits: int = 1) -> tuple[str, str, Any]:
    config = WidthConfig(i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=bits)
    return f"width {i_lanes} to {o_lanes} x {bits}", "WidthConverter", config


def _head(name: str, kind: str, elements: int = 10, lanes: int = 2) -> tuple[str, str, Any]:
    config = HeadConfig(
        elements=elements, lanes=lanes, match_bits=9, step=2,
        kind=kind, score_bits=12,  # type: ignore[arg-type]
    )  # fmt: skip
    return f"head {name}", "Head", config


_3X3: dict[str, Any] = {"kernel": (3, 3), "repeats": 4}

STREAM_CASES: tuple[tuple[str, str, Any], ...] = (
    _lines("28x28x16 3x3 pad", 28, 16, simd=16, pad=1, **_3X3),
    _lines("28x28x16 3x3 pad, simd 4", 28, 16, simd=4, pad=1, **_3X3),
    _lines("28x28x16 3x3", 28, 16, simd=16, **_3X3),
    _lines("14x14x64 3x3 pad, simd 32", 14, 64, simd=32, pad=1, **_3X3),
    _lines("30x30x64 3x3, simd 64", 30, 64, simd=64, **_3X3),
    _lines("14x14x16 3x3 stride 2, 2 bits", 14, 16, simd=16, stride=(2, 2), lane_bits=2, **_3X3),
    _lines("1024, simd 64", 1, 1024, simd=64, repeats=16),
    _lines("784, simd 16", 1, 784, simd=16, repeats=16),
    _lines("28x28x1 3x3 pad, simd 9, 8 bits", 28, 1, simd=9, pad=1, lane_bits=8, **_3X3),
    _lines("28x28x1 3x3 pad, simd 3, 8 bits", 28, 1, simd=3, pad=1, lane_bits=8, **_3X3),
    _lines("32x32x3 3x3, simd 9, 8 bits", 32, 3, simd=9, lane_bits=8, **_3X3),
    _pool("28x28x16, 16 lanes", 28, 16, 16),
    _pool("28x28x64, 8 lanes", 28, 64, 8),
    _pool("28x28x16, 4 lanes of 8 bits", 28, 16, 4, 8),
    _width(8, 64),
    _width(64, 8),
    _width(6, 16),
    _width(2, 3, 8),
    _head("10 raw", "raw"),
    _head("10 argmax", "argmax"),
    _head("100 raw", "raw", 100, 4),
)
