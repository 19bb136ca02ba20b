"""docs/training.md names every recipe and every network there is, with its family."""

from __future__ import annotations

import re
from pathlib import Path

from sw.train.recipe import PRESETS, RECIPES
from sw.train.zoo import NETWORKS

TEXT = (Path(__file__).resolve().parents[2] / "docs/training.md").read_text()


def table(after: str) -> list[list[str]]:
    """Rows of the first table behind a heading, without its own heading."""
    lines = TEXT.split(f"\n{after}\n", 1)[1].splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    end = next((i for i, line in enumerate(lines) if line.startswith("## ")), len(lines))
    count = sum(line.startswith("|") for line in lines[:end])
    return [[cell.strip(" `") for cell in row] for row in rows[2:count]]


def test_recipes() -> None:
    assert {row[0] for row in table("## Recipes")} == {*RECIPES, *PRESETS}


def test_networks() -> None:
    rows = {row[0]: row for row in table("## Networks")}
    assert rows.keys() == NETWORKS.keys()
    for name, net in NETWORKS.items():
        assert rows[name][1] == net.family
        assert str(net.frame[0]) in rows[name][2]


def test_commands_name_what_there_is() -> None:
    for recipe, net in re.findall(r"sw\.train ([a-z-]+) --net ([a-z0-9-]+)", TEXT):
        assert NETWORKS[net].family in RECIPES[recipe].families
