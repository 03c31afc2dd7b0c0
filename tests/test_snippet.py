"""`widgetsvc snippet`: the markup that partners paste."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.receivers import Receiver, Reply
from tests.shell import Shell
from widgetsvc.elements import HEIGHTS, STYLE_HASHES
from widgetsvc.loader import load_loader
from widgetsvc.permissions import Element

SERVICE = "https://w.example.com"
ROOT = Path(__file__).parents[1]
PICKER = ("--element", "slot-picker", "--calendar", "store-42")
MARKUP_FORMS = ["script", "element", "iframe", "popup", "floating"]


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIDGETSVC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    shutil.copyfile(migrated, tmp_path / "widgetsvc.sqlite3")
    shell = Shell(tmp_path)
    shell.environment["WIDGETSVC_PUBLIC_URL"] = SERVICE
    return shell


@pytest.fixture
def key(shell: Shell) -> str:
    key: str = shell.create_tenant("acme", "Acme", "--origin", "http://127.0.0.1:*")["publishable_key"]
    shell("calendar", "add", "acme", "store-42")
    return key


class Markup(HTMLParser):
    """The start tags of some markup; it fails where they are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data.split("\n")

    def one(self, tag: str) -> dict[str, str | None]:
        (attributes,) = [attributes for name, attributes in self.tags if name == tag]
        return attributes


def snippet(shell: Shell, *options: str) -> Markup:
    return Markup(shell("snippet", "acme", *options))


def test_a_container_holds_a_link_and_the_loader_stands_beside_it(shell: Shell, key: str) -> None:
    markup = snippet(shell, *PICKER)

    assert [tag for tag, _ in markup.tags] == ["div", "a", "script"]
    assert markup.one("div") == {
        "data-widgetsvc": None,
        "data-key": key,
        "data-element": "slot-picker",
        "data-calendar": "store-42",
        "style": "min-height: 420px",
    }
    assert markup.one("a") == {"href": f"{SERVICE}/frame/slot-picker?key={key}&calendar=store-42"}
    assert "Pick a time" in "".join(markup.text)


def test_the_loader_is_pinned_with_its_integrity(shell: Shell, key: str) -> None:
    script = snippet(shell, *PICKER).one("script")
    loader = load_loader()
    content = loader.files[str(script["src"]).removeprefix(SERVICE)].read_bytes()

    assert script["integrity"] == f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
    assert script["src"] == f"{SERVICE}{loader.core.path}"
    assert (script["crossorigin"], script["async"]) == ("anonymous", None)


def test_the_loader_may_be_whichever_is_current(shell: Shell, key: str) -> None:
    assert snippet(shell, *PICKER, "--latest").one("script") == {"async": None, "src": f"{SERVICE}/embed.js"}


def test_the_custom_element_takes_its_place_before_it_is_known(shell: Shell, key: str) -> None:
    markup = snippet(shell, *PICKER, "--form", "element")

    assert [tag for tag, _ in markup.tags] == ["widgetsvc-embed", "a", "script"]
    assert markup.one("widgetsvc-embed")["style"] == "display: block; min-height: 420px"


def test_a_popup_is_a_link_that_works_by_itself(shell: Shell, key: str) -> None:
    markup = snippet(shell, *PICKER, "--form", "popup")

    assert [tag for tag, _ in markup.tags] == ["a", "script"]
    assert markup.one("a") == {
        "data-widgetsvc": "popup",
        "href": f"{SERVICE}/frame/slot-picker?key={key}&calendar=store-42",
        "data-key": key,
        "data-element": "slot-picker",
        "data-calendar": "store-42",
    }


def test_a_floating_button_is_a_tag_and_without_scripts_a_link(shell: Shell, key: str) -> None:
    markup = snippet(shell, *PICKER, "--form", "floating", "--label", "Book now")

    assert [tag for tag, _ in markup.tags] == ["script", "noscript", "a"]
    script = markup.one("script")
    assert (script["data-form"], script["data-label"], script["data-key"]) == ("floating", "Book now", key)


def test_a_frame_needs_no_script(shell: Shell, key: str) -> None:
    markup = snippet(shell, *PICKER, "--form", "iframe")

    assert [tag for tag, _ in markup.tags] == ["iframe", "p", "a"]
    frame = markup.one("iframe")
    assert frame["src"] == markup.one("a")["href"]
    assert (frame["title"], frame["width"], frame["height"], frame["loading"]) == (
        *("Pick a time", "100%", "420", "lazy"),
    )


@pytest.mark.parametrize("form", MARKUP_FORMS)
def test_zone_language_and_label_are_handed_on(shell: Shell, key: str, form: str) -> None:
    options = ("--locale", "de-AT", "--tzid", "Europe/Vienna", "--label", "Termin <wählen>")
    markup = snippet(shell, *PICKER, *options, "--form", form)
    links = [attributes["href"] for tag, attributes in markup.tags if tag == "a"]

    query = dict(parse_qsl(urlsplit(str(links[0])).query))
    assert (query["locale"], query["tzid"]) == ("de-AT", "Europe/Vienna")
    if form != "iframe":
        tagged = [attributes for _, attributes in markup.tags if "data-key" in attributes]
        assert [(each["data-locale"], each["data-tzid"]) for each in tagged] == [("de-AT", "Europe/Vienna")]
    assert "Termin <wählen>" in "".join(markup.text)


@pytest.mark.parametrize("form", MARKUP_FORMS)
def test_ids_with_any_characters_arrive_as_they_are(shell: Shell, key: str, form: str) -> None:
    name = """a"b'c<d>&amp;é#?%/+"""
    shell("calendar", "add", "acme", name)
    markup = snippet(shell, "--element", "slot-picker", "--calendar", name, "--form", form)

    (address,) = {
        attributes.get("href") or attributes.get("src")
        for tag, attributes in markup.tags
        if tag in {"a", "iframe"}
    }
    assert dict(parse_qsl(urlsplit(str(address)).query))["calendar"] == name
    assert [each["data-calendar"] for _, each in markup.tags if "data-calendar" in each] == [name] * (
        form != "iframe"
    )


def test_several_calendars_are_named_together(shell: Shell, key: str) -> None:
    shell("calendar", "add", "acme", "store-43")
    markup = snippet(shell, *PICKER, "--calendar", "store-43")

    assert markup.one("div")["data-calendars"] == "store-42 store-43"
    assert str(markup.one("a")["href"]).endswith("&calendar=store-42&calendar=store-43")


def test_a_widget_says_it_all(shell: Shell, key: str) -> None:
    made = shell.json("widget", "create", "acme", "--element", "agenda", "--calendar", "store-42")
    markup = snippet(shell, "--widget", made["widget_id"])

    assert markup.one("div")["data-widget"] == made["widget_id"]
    assert "data-element" not in markup.one("div")
    assert markup.one("a")["href"] == f"{SERVICE}/frame/widget/{made['widget_id']}?key={key}"
    assert markup.one("div")["style"] == "min-height: 500px"


@pytest.mark.parametrize("element", list(Element))
def test_each_element_has_its_place_reserved(shell: Shell, element: Element) -> None:
    every = ("availability", "agenda", "managed_availability", "account_management")
    options = [part for name in every for part in ("--permission", name)]
    shell.create_tenant("acme", "Acme", "--origin", "https://www.acme.example", *options)
    shell("calendar", "add", "acme", "store-42")
    markup = snippet(shell, "--element", element.value, "--calendar", "store-42")

    assert markup.one("div")["style"] == f"min-height: {HEIGHTS[element]}px"
    assert ("data-assertion" in markup.one("div")) is element.needs_assertion


def test_where_access_is_signed_there_is_a_place_for_the_assertion_and_words_on_it(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme", "--origin", "https://www.acme.example", "--access", "signed")
    shell("calendar", "add", "acme", "store-42")
    text = shell("snippet", "acme", *PICKER)

    assert 'data-assertion="…"' in text
    assert "#assertion=…" in str(Markup(text).one("a")["href"])
    assert "your server puts an assertion" in text


def test_the_policy_stands_in_a_comment(shell: Shell, key: str) -> None:
    comment = re.search(r"<!--(.*?)-->", shell("snippet", "acme", *PICKER), re.DOTALL)[1]
    assert f"script-src {SERVICE};\n" in comment
    assert f"connect-src {SERVICE};\n" in comment
    assert f"style-src {' '.join(STYLE_HASHES)};\n" in comment

    comment = re.search(r"<!--(.*?)-->", shell("snippet", "acme", *PICKER, "--form", "iframe"), re.DOTALL)[1]
    assert f"frame-src {SERVICE};\n" in comment
    assert "script-src" not in comment


def test_programs_get_json(shell: Shell, key: str) -> None:
    document = shell.json("snippet", "acme", *PICKER)

    assert Markup(document["markup"]).one("div")["data-key"] == key
    assert "<!--" not in document["markup"]
    assert document["hosted_page"] == f"{SERVICE}/frame/slot-picker?key={key}&calendar=store-42"
    assert document["content_security_policy"]["style-src"] == list(STYLE_HASHES)
    assert (document["needs_assertion"], document["warnings"]) == (False, [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--element", "slot-picker", "--calendar", "store-43"), "has no calendar 'store-43'"),
        (("--widget", "wgt_1"), "has no widget 'wgt_1'"),
        (("--element", "calendar-sync", "--calendar", "store-42"), "policy does not include calendar-sync"),
    ],
)
def test_what_is_not_there_is_refused(shell: Shell, key: str, options: tuple[str, ...], words: str) -> None:
    assert words in shell.refused("snippet", "acme", *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Say what to embed"),
        (("--element", "agenda"), "Say what to embed"),
        ((*PICKER, "--widget", "wgt_1"), "--widget says it all"),
        (("--element", "agenda", "--calendar", "a", "--calendar", "b"), "agenda shows one calendar"),
        ((*PICKER, "--tzid", "Mars/Olympus"), "is no IANA time zone"),
        ((*PICKER, "--locale", "de_AT"), "is no language tag"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    shell: Shell, key: str, options: tuple[str, ...], words: str
) -> None:
    result = shell.try_("snippet", "acme", *options)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_calendar_that_is_made_lazily_need_not_be_there(shell: Shell) -> None:
    options = ("--origin", "https://www.acme.example", "--access", "signed", "--lazy-calendars")
    shell.create_tenant("acme", "Acme", *options)

    assert snippet(shell, *PICKER).one("div")["data-calendar"] == "store-42"


def test_a_tenant_that_can_embed_nowhere_is_warned_of(shell: Shell, key: str) -> None:
    shell("origin", "remove", "acme", "http://127.0.0.1:*")
    shell("tenant", "suspend", "acme")
    result = shell.try_("snippet", "acme", *PICKER)

    assert result.exit_code == 0
    assert "widgetsvc origin add acme" in result.stderr
    assert "widgetsvc tenant resume acme" in result.stderr


def test_the_component_is_tsx(shell: Shell, key: str) -> None:
    name = "a\"b{c}'&"
    shell("calendar", "add", "acme", name)
    text = shell(
        "snippet", "acme", "--element", "agenda", "--calendar", name, "--form", "react", "--label", "{<x>}"
    )
    program = """
      const source = require("fs").readFileSync(0, "utf8");
      const { code } = require("esbuild").transformSync(source, { loader: "tsx", format: "cjs" });
      const React = { createElement: (type, props, ...children) => ({ type, props, children }) };
      const module = {};
      new Function("module", "require", "React", code)(module, () => ({ useEffect() {} }), React);
      console.log(JSON.stringify(module.exports.Calendar()));
    """
    run = subprocess.run(
        ["node", "-e", program], input=text, capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert run.stderr == ""
    made = json.loads(run.stdout)
    assert (made["type"], made["props"]["data-key"], made["props"]["data-calendar"]) == (
        *("widgetsvc-embed", key, name),
    )
    (link,) = made["children"]
    assert dict(parse_qsl(urlsplit(link["props"]["href"]).query)) == {"key": key, "calendar": name}
    assert link["children"] == ["{<x>}"]


@pytest.mark.parametrize("form", MARKUP_FORMS)
def test_the_page_doctor_finds_nothing_wrong_with_it(shell: Shell, key: str, form: str) -> None:
    html = f"<!doctype html><body>{shell('snippet', 'acme', *PICKER, '--form', form)}".encode()
    with Receiver(Reply(200, {"Content-Type": "text/html"}, html)) as site:
        result = shell.try_("doctor", site.url, "--allow-private")

    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"ok"}
