"""What the README says holds: settings, hashes, versions and files it names."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from widgetsvc.cli import main
from widgetsvc.config import Settings
from widgetsvc.elements import STYLE_HASHES, VERSION
from widgetsvc.permissions import Element

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_every_setting_has_its_row_and_every_row_its_setting() -> None:
    table = README.split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name.lower() for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert named == set(Settings.model_fields)


@pytest.mark.parametrize("style_hash", STYLE_HASHES)
def test_the_policy_to_copy_has_the_bundles_hashes(style_hash: str) -> None:
    assert style_hash in README


@pytest.mark.parametrize("element", Element)
def test_every_element_is_named(element: Element) -> None:
    assert f"`{element}`" in README


def test_the_bundle_that_npm_brings_is_the_one_that_is_served() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]["cronofy-elements"]

    assert wanted == VERSION
    assert f"cronofy-elements@{VERSION}" in README


@pytest.mark.parametrize("target", re.findall(r"`make (\w+)", README))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!https?:)[^)]+)\)", README))
def test_every_file_that_is_linked_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("line", re.findall(r"(?:^|`)widgetsvc ([^`\n#]+)", README, re.MULTILINE))
def test_every_command_exists_with_its_options(line: str) -> None:
    command: click.Command = main
    words = shlex.split(line)
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]

    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
