"""Enforces which package may import which: the data goes one way, and so do imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: The project's packages and what each may import of the others.
ALLOWED = {
    "sw": set(),
    "hw": {"sw", "boards"},
    "sim": {"sw", "hw", "boards"},
    "boards": set(),
}

#: What any part of `sw` may lean on.
SW_BASE = {"errors", "protocol", "cli", "model"}

#: Parts of `sw` and what else each may import. A command (`__main__`, `convert`, `run`)
#: puts parts together and is free to.
SW_PARTS = {
    "importers": set(),
    "train": {"lower", "golden", "detect"},
    "detect": set(),
    "lower": {"golden"},
    "golden": set(),
    "driver": set(),
    "model": set(),
}

#: Where no Amaranth may be imported, directly or through the project's own modules.
WITHOUT_AMARANTH = ("sw", "hw/plan")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Dotted names of the modules that ``path`` imports, with the line of each."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            for alias in node.names:
                # `from sw import golden` imports a module too.
                yield f"{module}.{alias.name}", node.lineno


def offences(paths: list[Path], forbidden) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line}: imports {name}"
        for path in paths
        for name, line in imports(path)
        if forbidden(name.split("."), path)
    ]


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_import_upstream_only(package: str) -> None:
    others = set(ALLOWED) - ALLOWED[package] - {package}

    def forbidden(name: list[str], _: Path) -> bool:
        # The family of errors is everybody's, and what a link is.
        return name[0] in others and name[:2] not in (["sw", "errors"], ["sw", "protocol"])

    assert not offences(modules(package), forbidden)


@pytest.mark.parametrize("part", sorted(SW_PARTS))
def test_parts_of_sw_do_not_lean_on_one_another(part: str) -> None:
    others = set(SW_PARTS) - SW_PARTS[part] - SW_BASE - {part}

    def forbidden(name: list[str], path: Path) -> bool:
        command = path.name == "__main__.py"
        return not command and name[0] == "sw" and len(name) > 1 and name[1] in others

    assert not offences(modules(f"sw/{part}"), forbidden)


def test_model_leans_on_the_base_only() -> None:
    def forbidden(name: list[str], _: Path) -> bool:
        return name[0] == "sw" and len(name) > 1 and name[1] not in {"model", "errors", "cli"}

    assert not offences(modules("sw/model"), forbidden)


def test_commands_of_sw_do_not_reach_hardware() -> None:
    """Not even inside a function, nor by name to importlib."""
    for path in modules("sw"):
        text = path.read_text()
        for package in ("hw", "sim", "boards"):
            assert f'import_module("{package}' not in text, path


@pytest.mark.parametrize("folder", WITHOUT_AMARANTH)
def test_no_amaranth(folder: str) -> None:
    assert not offences(modules(folder), lambda name, _: name[0].startswith("amaranth"))


def test_plans_know_no_block_and_no_board() -> None:
    def forbidden(name: list[str], path: Path) -> bool:
        # The command looks the board up and hands its budget on.
        command = path.name == "__main__.py"
        if name[0] == "boards" or name[:2] == ["hw", "options"]:
            return not command
        return name[0] == "hw" and len(name) > 1 and name[1] != "plan"

    assert not offences(modules("hw/plan"), forbidden)


def top_level_imports(path: Path) -> set[str]:
    """Top packages that are imported as soon as ``path`` is, and not inside a function."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


#: Folders of modules that their command imports inside, once it knows that PyTorch is there.
NEED_TORCH = (ROOT / "sw/train/layers", ROOT / "sw/train/engine")


#: Packages that are imported once their user knows that Pillow is there.
NEED_PILLOW = (ROOT / "sw/train/plates", ROOT / "sw/detect/drawing.py")

EXTRAS = ("torch", "onnx", "qonnx", "onnxruntime", "h5py", "PIL", "scipy", "matplotlib")


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_are_imported_inside(extra: str) -> None:
    for package in ALLOWED:
        for path in modules(package):
            if extra == "torch" and path.parent in NEED_TORCH:
                continue
            if extra != "torch" and path.parent == ROOT / "sw/importers":
                continue
            if extra == "PIL" and any(path.is_relative_to(part) for part in NEED_PILLOW):
                continue
            assert extra not in top_level_imports(path), path


def test_training_command_starts_without_torch() -> None:
    for path in modules("sw/train"):
        if path.parent not in NEED_TORCH:
            needed = tuple(".".join(folder.relative_to(ROOT).parts) for folder in NEED_TORCH)
            tops = ast.parse(path.read_text()).body
            names = [node.module or "" for node in tops if isinstance(node, ast.ImportFrom)]
            assert not [name for name in names if name.startswith(needed)], path
