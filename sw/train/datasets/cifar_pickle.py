"""A batch of CIFAR-10's python version: a pickle, read without Python's unpickler.

A pickle is a program. The few opcodes that a dict of arrays, lists, texts and numbers needs
are carried out here; any other is refused, and of the calls only those are known that make
an array, a dtype or bytes. Nothing is imported or run; each opcode takes time and memory
in proportion to its own bytes, so that a small file cannot become a large one; and NumPy
sees nothing but the bytes of an array whose dtype has been checked.
"""

from __future__ import annotations

import pickletools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sw.errors import UserError

__all__ = ["unpickle"]

REMEDY = "Download cifar-10-python.tar.gz again, from where its SHA-256 is published"

#: What a damaged pickle raises, besides `Refusal`.
DAMAGE = (IndexError, KeyError, TypeError, ValueError, OverflowError, MemoryError)

#: dtypes of arrays in a batch, as pickles spell them.
DTYPES = {"u1": np.dtype("u1"), "i4": np.dtype("<i4"), "i8": np.dtype("<i8")}

#: What a pickle may name, by module and name: Python 2's NumPy, today's, and how protocol 2
#: spells bytes.
NAMES = {("_codecs", "encode"): "encode", ("__builtin__", "bytes"): "bytes"}
for _module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray"):
    NAMES |= {(_module, name): name for name in ("ndarray", "dtype", "_reconstruct")}
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    NAMES[_module, "_frombuffer"] = "_frombuffer"


class Refusal(Exception):
    """Why a pickle is no batch."""


class _Name:
    """One of `NAMES`, on the stack."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Array:
    """An array, or a dtype, that is being made."""

    def __init__(self, dtype: np.dtype | None = None) -> None:
        self.dtype = dtype
        self.value: NDArray | None = None

    def fill(self, content: Any, dtype: Any, shape: Any, fortran: bool) -> None:
        if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Array):
            raise Refusal("it holds an array of objects")
        if dtype.dtype is None or not all(type(length) is int for length in shape):
            raise Refusal("it holds an array without a dtype and a shape")
        flat = np.frombuffer(content, dtype.dtype)
        self.value = flat.reshape(tuple(shape), order="F" if fortran else "C")

    def set_state(self, state: Any) -> None:
        if self.dtype is None:
            _, shape, dtype, fortran, content = state
            self.fill(content, dtype, shape, bool(fortran))
        elif _text(state[1]) not in ("<", "|", "="):
            raise Refusal("it holds an array of another byte order")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise Refusal(f"it holds a {type(value).__name__} where a text belongs")
    return value


class _Machine:
    """Carries out opcodes; those that are not methods or in the tables below are refused."""

    PUSHED = ("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE")
    PUSHED += ("SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8")
    PUSHED += ("BYTEARRAY8",)
    CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
    TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        #: Texts that are encoded lie in the file, each once.
        self.left = size

    def do(self, name: str, argument: Any) -> None:
        """Carry out one opcode."""
        if name in self.PUSHED:
            self.stack.append(argument)
        elif name in ("BINSTRING", "SHORT_BINSTRING"):
            self.stack.append(argument.encode("latin-1"))
        elif name in self.CONSTANTS:
            self.stack.append(self.CONSTANTS[name])
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            self.stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("PROTO", "FRAME", "STOP"):
            pass
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name in self.TUPLES or name == "TUPLE":
            self.stack.append(tuple(self.pop(self.TUPLES.get(name))))
        elif name in ("APPEND", "APPENDS"):
            self.append(self.pop(1 if name == "APPEND" else None))
        elif name in ("SETITEM", "SETITEMS"):
            self.set_items(self.pop(2 if name == "SETITEM" else None))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self.name(argument.split(" ", 1) if name == "GLOBAL" else self.pop(2))
        elif name == "REDUCE":
            self.stack.append(self.call(*self.pop(2)))
        elif name == "BUILD":
            (state,) = self.pop(1)
            if not isinstance(self.stack[-1], _Array):
                raise Refusal("it holds an object with a state")
            self.stack[-1].set_state(state)
        else:
            raise Refusal(f"it holds the opcode {name}")

    def pop(self, count: int | None) -> list[Any]:
        """The last values, or with None those since the last mark."""
        start = self.marks.pop() if count is None else len(self.stack) - count
        if start < 0:
            raise Refusal("it ends before its values are complete")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def append(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise Refusal("it appends to what is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise Refusal("it sets an item of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            self.stack[-1][_text(key)] = value

    def name(self, words: list[Any]) -> None:
        module, name = map(_text, words)
        if (module, name) not in NAMES:
            raise Refusal(
                f"it names {module[:40]}.{name[:40]}, and only arrays, texts, numbers, lists "
                "and dicts are allowed"
            )
        self.stack.append(_Name(NAMES[module, name]))

    def call(self, function: Any, arguments: Any) -> Any:
        name = function.name if isinstance(function, _Name) else ""
        if name == "_reconstruct":
            return _Array()
        if name == "_frombuffer":
            content, dtype, shape, order = arguments
            array = _Array()
            array.fill(content, dtype, shape, order == "F")
            return array
        if name == "dtype":
            kind = _text(arguments[0])
            if kind not in DTYPES:
                raise Refusal(f"it holds an array of dtype '{kind[:20]}'")
            return _Array(DTYPES[kind])
        if name == "encode" and arguments[1] == "latin1":
            self.left -= len(arguments[0])
            if self.left >= 0:
                return arguments[0].encode("latin-1")
        if name == "bytes" and arguments == ():
            return b""
        raise Refusal(f"it calls {f'numpy.{name}' if name == 'ndarray' else name or 'an object'}")


def unpickle(data: bytes, where: str) -> dict[str, Any]:
    """The dict in a pickled batch: values are arrays, lists, texts, bytes and numbers.

    Parameters
    ----------
    data : bytes
        Of protocols 2 to 5; strings of Python 2 are bytes, and keys are texts in any case.
    where : str
        What the error calls the file.

    Raises
    ------
    UserError
        The pickle is damaged, or names or does anything else.
    """
    machine = _Machine(len(data))
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.do(opcode.name, argument)
        (value,) = machine.stack
    except (Refusal, *DAMAGE) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UserError(f"{where} is no batch of CIFAR-10: {reason}", REMEDY) from None
    if not isinstance(value, dict):
        raise UserError(f"{where} holds a {type(value).__name__}, not a dict", REMEDY)
    return {key: item.value if isinstance(item, _Array) else item for key, item in value.items()}
