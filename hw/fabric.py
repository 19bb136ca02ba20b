"""The device family that a design is elaborated for.

A block that has a better form on one family than plain logic asks `family_of` in its
``elaborate``, and takes the plain form for any other: in Amaranth's simulator, in
compiled RTL and on families without a form of their own. Both forms are equal bit for
bit and cycle for cycle; the tests prove it on the cells' models and on synthesised
netlists.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fabric", "family_of"]


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """A platform that is no board: what blocks are elaborated for when built on their own.

    Parameters
    ----------
    family : str
        As Amaranth's platforms name it, in small letters: "ecp5", "ice40".
    """

    family: str


def family_of(platform: object) -> str | None:
    """Family of a platform, of Amaranth's or a `Fabric`, in small letters; None in simulation."""
    family = getattr(platform, "family", None)
    return None if family is None else family.lower()
