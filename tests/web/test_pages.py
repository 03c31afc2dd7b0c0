"""The service's own pages."""

from flask.testing import FlaskClient

from tests.web.conftest import Embedder


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
