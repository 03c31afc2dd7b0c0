"""`/embed.js` and the bundle."""

import base64
import gzip
import hashlib
from pathlib import Path

import brotli
import pytest
from flask.testing import FlaskClient

from widgetsvc.config import Settings
from widgetsvc.elements import CDN_URL, INTEGRITY, load_bundle
from widgetsvc.errors import ConfigurationError
from widgetsvc.loader import load_loader

BUNDLE = "/elements/1.67.7/CronofyElements.js"
DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress}


@pytest.mark.parametrize("path", ["/embed.js", BUNDLE])
@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_scripts_come_compressed_as_the_browser_likes(http: FlaskClient, path: str, encoding: str) -> None:
    plain = http.get(path)
    packed = http.get(path, headers={"Accept-Encoding": encoding})

    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == encoding
    assert DECODERS[encoding](packed.data) == plain.data
    assert "Accept-Encoding" in packed.vary
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_brotli_wins_where_both_are_taken(http: FlaskClient) -> None:
    response = http.get(BUNDLE, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})

    assert response.headers["Content-Encoding"] == "br"


def test_the_bundle_is_the_published_file_for_ever(http: FlaskClient) -> None:
    response = http.get(BUNDLE)

    digest = base64.b64encode(hashlib.sha384(response.data).digest()).decode()
    assert f"sha384-{digest}" == INTEGRITY
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_another_version_is_not_found(http: FlaskClient) -> None:
    assert http.get("/elements/1.67.6/CronofyElements.js").status_code == 404


def test_the_loader_is_short_lived_and_readable_by_any_page(http: FlaskClient) -> None:
    response = http.get("/embed.js")

    assert response.mimetype == "text/javascript"
    assert "max-age=300" in response.headers["Cache-Control"]
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_the_declarations_are_served_beside_the_loader(http: FlaskClient) -> None:
    response = http.get("/embed.d.ts")

    assert response.mimetype == "application/typescript"
    assert response.headers["Cache-Control"] == http.get("/embed.js").headers["Cache-Control"]
    assert "declare const WidgetSvc" in response.text


def test_the_loader_knows_the_bundle_and_no_tenant(http: FlaskClient) -> None:
    text = http.get("/embed.js").text

    assert BUNDLE.removeprefix("/") in text
    assert INTEGRITY in text
    assert "pk_" not in text.replace('("pk_")', "")


def test_the_pinned_loader_is_the_same_file_for_ever(http: FlaskClient) -> None:
    loader = load_loader()

    for script in (loader.core, *loader.parts.values()):
        response = http.get(script.path, headers={"Origin": "https://anywhere.example.com"})
        algorithm, _, digest = script.integrity.partition("-")
        assert base64.b64decode(digest) == hashlib.new(algorithm, response.data).digest()
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Origin" not in response.headers["Vary"]
    assert http.get(loader.core.path).data == http.get("/embed.js").data


def test_earlier_loaders_are_still_served(http: FlaskClient) -> None:
    loader = load_loader()
    earlier = [path for path in loader.files if path.split("/")[2] != loader.version]

    assert earlier
    assert {http.get(path).status_code for path in earlier} == {200}


@pytest.mark.parametrize("path", ["/embed/9.9.9/aaaaaaaaaaaaaaaa.js", "/embed/0.2.0/manifest.js"])
def test_an_unknown_loader_names_the_current_one(http: FlaskClient, path: str) -> None:
    response = http.get(path)

    assert response.status_code == 404
    assert load_loader().core.path in response.json["detail"]


@pytest.mark.parametrize("path", ["/embed.js", BUNDLE])
def test_a_browser_that_has_it_is_told_so(http: FlaskClient, path: str) -> None:
    etag = http.get(path).headers["ETag"]

    response = http.get(path, headers={"If-None-Match": etag})

    assert (response.status_code, response.data) == (304, b"")


def test_without_the_bundle_pages_load_it_from_cronofys_cdn(tmp_path: Path) -> None:
    bundle = load_bundle(tmp_path, tmp_path, "https://w.example.com")

    assert bundle.as_document() == {"src": CDN_URL, "integrity": None}


def test_another_file_than_the_pinned_one_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "CronofyElements.js").write_text("alert(1)")

    with pytest.raises(ConfigurationError, match="npm ci"):
        load_bundle(tmp_path, tmp_path, "https://w.example.com")


def test_the_bundle_is_compressed_once(settings: Settings, http: FlaskClient) -> None:
    kept = sorted(file.suffix for file in (settings.data_dir / "elements").iterdir())

    assert kept == [".br", ".gz"]


def test_what_every_page_loads_first_is_small() -> None:
    loader = load_loader()

    assert len(brotli.compress(loader.files[loader.core.path].read_bytes(), quality=11)) <= 3_500
