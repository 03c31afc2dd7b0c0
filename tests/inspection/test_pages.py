"""What is read from a page's headers and HTML, as browsers read it."""

import pytest

from widgetsvc.inspection.csp import Disposition, Where
from widgetsvc.inspection.pages import Page, read_page

URL = "https://www.acme.example/a/page"


def page(html: str, *headers: tuple[str, str]) -> Page:
    return read_page(URL, headers, html)


def test_policies_come_from_headers_and_from_the_head() -> None:
    read = page(
        '<meta http-equiv=" content-security-policy" content="script-src \'self\'; sandbox; img-src *">',
        ("Content-Security-Policy", "default-src 'self', img-src *"),
        ("content-security-policy", "style-src *"),
        ("Content-Security-Policy-Report-Only", "script-src 'none'"),
    )

    assert [(str(each), each.where, each.disposition) for each in read.policies] == [
        ("default-src 'self'", Where.HEADER, Disposition.ENFORCE),
        ("img-src *", Where.HEADER, Disposition.ENFORCE),
        ("style-src *", Where.HEADER, Disposition.ENFORCE),
        ("script-src 'none'", Where.HEADER, Disposition.REPORT),
        # A meta element can do no more (section 3.3).
        ("script-src 'self'; img-src *", Where.META, Disposition.ENFORCE),
    ]
    assert len(read.enforced) == 4


@pytest.mark.parametrize(
    "html",
    [
        '<body><meta http-equiv="Content-Security-Policy" content="script-src \'none\'">',
        '<p>text<meta http-equiv="Content-Security-Policy" content="script-src \'none\'">',
        '<meta http-equiv="Content-Security-Policy-Report-Only" content="script-src \'none\'">',
        '<!-- <meta http-equiv="Content-Security-Policy" content="script-src \'none\'"> -->',
        '<template><meta http-equiv="Content-Security-Policy" content="script-src \'none\'"></template>',
    ],
)
def test_what_is_no_policy_is_none(html: str) -> None:
    assert page(html).policies == ()


@pytest.mark.parametrize(
    ("html", "in_head"),
    [
        ("<script src=a></script>", True),
        ("<!doctype html><html><head><title>T</title><script src=a></script>", True),
        ("<head></head><script src=a></script>", True),
        ("<head><meta charset=utf-8><link rel=x><noscript><p>x</p></noscript><script src=a></script>", True),
        ("<body><script src=a></script>", False),
        ("<div></div><script src=a></script>", False),
        ("text<script src=a></script>", False),
        ("<title>T</title><h1>x</h1><script src=a></script>", False),
    ],
)
def test_where_the_head_ends_is_known_without_tags(html: str, in_head: bool) -> None:
    assert page(html).scripts[-1].tag.in_head is in_head


@pytest.mark.parametrize("name", ["template", "noscript", "textarea", "title", "xmp"])
def test_what_browsers_with_scripts_do_not_show_is_not_there(name: str) -> None:
    read = page(f"<body><{name}><div data-widgetsvc></div></{name}><p data-widgetsvc></p>")

    assert [tag.name for tag in read.tags if "data-widgetsvc" in tag.attributes] == ["p"]


def test_a_script_in_a_container_belongs_to_it() -> None:
    read = page(
        """<body><div data-widgetsvc id=a><div>x</div><script type="application/json">{"a": 1}</script></div>
        <script>one</script><widgetsvc-embed id=b><div data-widgetsvc id=c></div><script>two</script>
        </widgetsvc-embed><a data-widgetsvc=popup><script>three</script></a>"""
    )

    inside = [script.tag.inside.attributes["id"] if script.tag.inside else None for script in read.scripts]
    assert inside == ["a", None, "b", None]
    assert read.scripts[0].text == '{"a": 1}'


def test_attributes_are_read_as_browsers_do() -> None:
    (tag,) = page('<p DATA-Key="a&amp;b" data-key=2 data-empty>').tags

    assert tag.data == {"key": "a&b", "empty": ""}


def test_lines_are_counted() -> None:
    assert [tag.line for tag in page("<p>\n\n<b\nclass=x>").tags] == [1, 3]


@pytest.mark.parametrize(
    ("base", "address", "url"),
    [
        ("", "embed.js", "https://www.acme.example/a/embed.js"),
        ("", "//w.example.com/embed.js", "https://w.example.com/embed.js"),
        ("<base href='https://cdn.example/x/'>", "embed.js", "https://cdn.example/x/embed.js"),
        ("<base href='/x/'><base href='/y/'>", "embed.js", "https://www.acme.example/x/embed.js"),
        ("<base href='http://[::1'>", "embed.js", "https://www.acme.example/a/embed.js"),
        ("", "http://[::1", None),
    ],
)
def test_addresses_are_relative_to_the_base(base: str, address: str, url: str | None) -> None:
    assert page(base).resolve(address) == url


@pytest.mark.parametrize(
    ("html", "has_doctype"),
    [
        ("<!doctype html><p>", True),
        ("\n<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'><p>", True),
        ("<html><p>", False),
        ("<p><!doctype html>", False),
        ("<!-- doctype html --><p>", False),
    ],
)
def test_a_doctype_is_at_the_beginning(html: str, has_doctype: bool) -> None:
    assert page(html).has_doctype is has_doctype


@pytest.mark.parametrize("section", ["<![endif]>", "<![if !IE]>", "<![ foo[>", "<![-->", "<![CDATA[ x ]]>"])
def test_marked_sections_are_comments(section: str) -> None:
    assert [tag.name for tag in page(f"{section}<p>").tags] == ["p"]


@pytest.mark.parametrize(
    "html", ["<", "<script", "<!doctype", "<p a='", "</", "<!--", "<![CDATA[", "&#x110000;"]
)
def test_what_breaks_off_is_no_error(html: str) -> None:
    assert page(html).policies == ()
