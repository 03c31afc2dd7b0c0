"""The service's own pages."""

import json
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.conftest import Embedder
from widgetsvc.errors import ServiceError
from widgetsvc.loader import SOURCES
from widgetsvc.web.error_handlers import HTTP_CODES, STATUSES

LANGUAGES = sorted(path.stem for path in (SOURCES / "words").glob("*.json"))


def test_the_root_says_what_this_is_and_how_to_go_on(http: FlaskClient) -> None:
    response = http.get("/")

    assert response.status_code == 200
    assert "widgetsvc tenant create" in response.text
    assert "http://127.0.0.1:8080/embed.js" in response.text


def test_a_problems_type_leads_to_its_explanation(acme: Embedder) -> None:
    page, _, anchor = acme.ask(key="pk_unknown").json["type"].partition("#")
    explained = acme.http.get(page.removeprefix("http://127.0.0.1:8080"))

    assert explained.status_code == 200
    assert f'id="{anchor}"' in explained.text


def test_every_code_is_explained_with_its_remedy_and_what_visitors_read(http: FlaskClient) -> None:
    page = http.get("/problems").text

    codes = {error.code for error in STATUSES} | set(HTTP_CODES.values()) | {ServiceError.code}
    for code in codes | loader_codes():
        assert f'<div id="{code}">' in page, f"{code} is not explained"
    assert "Add the page&#39;s origin to the tenant&#39;s allowed origins." in page
    assert "Visitors read: “You are offline.” The embed tries again by itself." in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_a_sentence_in_every_language(language: str) -> None:
    known, words = read_json("codes.json"), read_json(f"words/{language}.json")

    assert loader_codes() <= set(known)
    assert {entry["says"] for entry in known.values()} <= set(words)
    assert LANGUAGES == ["ar", "de", "en", "es", "fr", "ja"]
    assert set(words) == set(read_json("words/en.json"))
    assert all(text.strip() for text in words.values())
    for name, text in read_json("words/en.json").items():
        assert ("{origin}" in words[name]) == ("{origin}" in text), f"{language}: {name}"


def test_titles_are_told_once() -> None:
    service = {error.code for error in (*STATUSES, ServiceError)}

    for code, entry in read_json("codes.json").items():
        assert ("title" in entry) == (code not in service), code


def loader_codes() -> set[str]:
    """Every code that the loader can fail with, but `silence`: what that was is found out."""
    sources = [path.read_text() for path in SOURCES.rglob("*.js")]
    named = {code for source in sources for code in re.findall(r'\bfailure\(\s*"(\w+)"', source)}
    # Codes that are looked up or chosen between.
    named |= set(re.findall(r'\d+: "(\w+)"', (SOURCES / "calls.js").read_text()))
    named |= {
        "rate_limited",
        "upstream_unavailable",
        "element_failed",
        "unexpected_answer",
        "unexpected_error",
    }
    assert len(named) > 20
    return named - {"silence"}


def read_json(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((SOURCES / name).read_text())
    return read
