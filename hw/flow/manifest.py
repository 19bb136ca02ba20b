"""``manifest.json``: what a build folder holds and what it was made of.

It has no paths outside the folder and no times: the same build gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sw import protocol
from sw.errors import LinkError

__all__ = ["NAME", "Manifest", "load", "sha256_file"]

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contents of a build.

    Parameters
    ----------
    model : str
        The model's name.
    model_sha256 : str
        Hex digest of ``model.npz``, which the accelerator states in its HELLO.
    board, size : str
        As the command line takes them.
    clock_hz : int
        Clock of the accelerator.
    baud : int or None
        Rate of its UART; None with USB.
    options : dict
        "clock_mhz", "fps", "share" and "objectness" as they were asked for, None where they
        were not: the same options and model give the same plan. "seed" of the placer.
    plan : dict
        What ``hw.plan --json`` prints.
    files : dict
        Hex digest of each file of the build, by its name in the folder.
    tools : dict
        Version of each tool, by name; empty after a dry run.
    flash : dict or None
        Of a design that reads weights from the board's flash memory: "offset" of their image,
        "bytes" and "crc32" of its payload, as `hw.spram.image` has them, and "sprams".
    protocol_version : int
        Of the packets: `sw.protocol.VERSION`.
    format : int
        Of this file.
    """

    model: str
    model_sha256: str
    board: str
    size: str
    clock_hz: int
    baud: int | None
    options: dict[str, Any]
    plan: dict[str, Any]
    files: dict[str, str]
    tools: dict[str, str]
    flash: dict[str, Any] | None = None
    protocol_version: int = protocol.VERSION
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write it into ``folder``."""
        text = json.dumps(asdict(self), indent=2) + "\n"
        (folder / NAME).write_text(text, encoding="utf-8")


def load(folder: str | Path) -> Manifest:
    """The manifest of a build folder, after checking it and the model beside it.

    Raises
    ------
    LinkError
        There is none, it is damaged or newer, or ``model.npz`` is not the model that
        the bitstream was built from.
    """
    folder = Path(folder)
    remedy = "Give a folder that hw.build has written, or build it again"
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LinkError(f"There is no {NAME} in '{folder}'", remedy) from None
    except (OSError, ValueError) as error:
        raise LinkError(f"'{folder / NAME}' cannot be read: {error}", remedy) from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise LinkError(f"'{folder / NAME}' is not a build's manifest", remedy)
    if data["format"] > FORMAT:
        raise LinkError(
            f"'{folder / NAME}' has format {data['format']}; this version reads up to {FORMAT}",
            "Update Binarray, or build it again",
        )
    # Builds made before there were such weights lack them.
    data.setdefault("flash", None)
    missing = [f.name for f in fields(Manifest) if f.name not in data]
    if missing:
        raise LinkError(f"'{folder / NAME}' lacks {', '.join(missing)}", remedy)
    manifest = Manifest(**{f.name: data[f.name] for f in fields(Manifest)})
    model = folder / "model.npz"
    if not model.is_file():
        raise LinkError(f"There is no model.npz in '{folder}'", remedy)
    digest = sha256_file(model)
    if digest != manifest.model_sha256:
        raise LinkError(
            f"'{model}' has SHA-256 {digest[:16]}..., but the build in '{folder}' is of "
            f"{manifest.model_sha256[:16]}...",
            "Build the folder again from the model wanted",
        )
    return manifest


def sha256_file(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
