"""The README's recipes for signing: each is run as it stands there, and what it signs gets a token."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.clocks import FakeClock
from tests.web.conftest import PUBLIC_URL, embedder
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.services import Services

README = Path(__file__).parents[2] / "README.md"
SECTION = README.read_text().split("### Signed access")[1].split("\n## ")[0]
RECIPES = dict(re.findall(r"```(python|js|ruby|php)\n(.*?)```", SECTION, re.DOTALL))

# How each language runs a program that is handed over, and calls its recipe with the program's arguments.
LANGUAGES = {
    "python": (
        [sys.executable, "-c"],
        "import sys; print(sign_assertion(*sys.argv[1:], calendars=['store-42']))",
    ),
    "js": (
        ["node", "--input-type=module", "-e"],
        "console.log(signAssertion(...process.argv.slice(1), { calendars: ['store-42'] }));",
    ),
    "ruby": (["ruby", "-e"], "puts sign_assertion(*ARGV, calendars: ['store-42'])"),
    "php": (
        ["php", "-r"],
        "echo sign_assertion($argv[1], $argv[2], $argv[3], $argv[4], ['calendars' => ['store-42']]);",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_recipe_signs_gets_a_token(
    services: Services, http: FlaskClient, clock: FakeClock, language: str
) -> None:
    command, call = LANGUAGES[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    clock.now = time.time()
    acme = embedder(services, http, policy=Policy(access=Access.SIGNED))
    key = acme.created.signing_key
    # A secret may begin with a hyphen, and would be taken for an option.
    arguments = ["--", "acme", PUBLIC_URL, key.kid, key.secret.decode()]
    if language == "python":
        arguments.remove("--")

    done = subprocess.run(
        [*command, f"{RECIPES[language]}\n{call}", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )

    answer = acme.ask(element="slot-picker", calendar="store-42", assertion=done.stdout.strip())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recipe_has_about_ten_lines(language: str) -> None:
    assert len([line for line in RECIPES[language].splitlines() if line.strip()]) <= 11
