"""The page doctor: what it says of pages that are well, and of each fault that pages have."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from tests.inspection.conftest import (
    HERE,
    KEY,
    NOW,
    PAGE,
    SECRET,
    SERVICE,
    WIDGET,
    Book,
    Examine,
    only,
    worse,
)
from widgetsvc.elements import CDN_URL, HEIGHTS, STYLE_HASHES
from widgetsvc.gateway.origins import OriginRules
from widgetsvc.gateway.tenant_models import Access
from widgetsvc.inspection.embeds import ATTRIBUTES
from widgetsvc.inspection.examination import examine
from widgetsvc.inspection.findings import Status
from widgetsvc.inspection.pages import read_page
from widgetsvc.loader import SOURCES
from widgetsvc.permissions import Element
from widgetsvc.snippets import Embedded, Form, Installation, markup

HASHES = " ".join(STYLE_HASHES)
SRC = f"{SERVICE}/embed.js"
WHAT = f'data-key="{KEY}" data-element="slot-picker" data-calendar="store-42"'
TAG = f'<script async src="{SRC}" {WHAT}></script>'
LOADER = f'<script async src="{SRC}"></script>'
CONTAINER = f"<div data-widgetsvc {WHAT}></div>"
FRAME = f'<iframe title=x src="{SERVICE}/frame/agenda?key={KEY}&amp;calendar=store-42"></iframe>'
PINNED = HERE.script_tag()
OLD_PATH = next(path for path in HERE.loader.files if path.split("/")[2] != HERE.loader.version)


def csp(policy: str) -> tuple[str, str]:
    return ("Content-Security-Policy", policy)


def tag(**attributes: str) -> str:
    """The script tag with other attributes; an empty one is left out."""
    given = {"src": SRC, "data-key": KEY, "data-element": "slot-picker", "data-calendar": "store-42"}
    given |= {name.replace("_", "-"): value for name, value in attributes.items()}
    written = (
        f'{name}="{value}"' if '"' not in value else f"{name}='{value}'"
        for name, value in given.items()
        if value
    )
    return f"<script async {' '.join(written)}></script>"


def assertion(**claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


# Pages that are well


@pytest.mark.parametrize(
    "body",
    [
        TAG,
        CONTAINER + LOADER,
        LOADER + f"<widgetsvc-embed {WHAT}></widgetsvc-embed>",
        f'<a data-widgetsvc=popup href="/" {WHAT}>Book</a>' + LOADER,
        FRAME,
        tag(data_element="", data_calendar="", data_widget=WIDGET),
        tag(data_calendar="", data_calendars="store-42 store-43"),
        tag(
            data_mode="frame",
            data_height="600",
            data_options='{"config": {}}',
            data_testid="x",
            data_v_1f="x",
        ),
        tag(data_element="availability-rules", data_assertion=assertion(exp=NOW + 60)),
        f'<div data-widgetsvc {WHAT}><script type="application/json">{{"a": 1}}</script></div>{LOADER}',
        TAG + TAG,
    ],
)
def test_a_page_that_is_well_is_told_so(findings: Examine, body: str) -> None:
    found = findings(body)

    assert worse(found) == []
    assert {"embed", "origin", "CSP"} <= {each.check for each in found}


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.REACT])
@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("element", list(Element))
def test_the_page_of_a_snippet_is_well(findings: Examine, form: Form, pinned: bool, element: Element) -> None:
    what = Embedded(
        KEY, element, ("store-42",), signed=element.needs_assertion, locale="de", tzid="Europe/Rome"
    )
    snippet = markup(HERE, what, form, pinned=pinned).replace("=…", f"={assertion(exp=NOW + 60)}")

    assert worse(findings(snippet.replace('"…"', f'"{assertion(exp=NOW + 60)}"'))) == []


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.REACT])
def test_the_policy_that_a_snippet_asks_for_suffices(findings: Examine, form: Form) -> None:
    what = Embedded(KEY, Element.SLOT_PICKER, ("store-42",))
    asked = HERE.frame_policy if form is Form.IFRAME else HERE.policy
    policy = "; ".join(f"{name} {' '.join(sources)}" for name, sources in asked.items())

    found = worse(findings(markup(HERE, what, form), csp(f"default-src 'none'; {policy}")))

    # What reserves the place is a style attribute.
    assert all(each.status is Status.WARNING and "style=" in each.detail for each in found)


# What the page has of ours


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("<p>Nothing</p>", Status.FAULT),
        ("<script src=/app.js></script>", Status.WARNING),
        (LOADER, Status.WARNING),
        (f"<!-- {TAG} -->", Status.FAULT),
        (f"<template>{CONTAINER}</template>", Status.FAULT),
    ],
)
def test_a_page_without_an_embed_is_told_so(findings: Examine, body: str, status: Status) -> None:
    finding = only(findings(body))

    assert (finding.check, finding.status) == ("embed", status)


def test_a_page_whose_script_mounts_is_examined_as_if_it_had_a_tag(findings: Examine, book: Book) -> None:
    mount = "<script>WidgetSvc.mount('#here', {key: 'pk_1'})</script>"

    assert worse(findings(LOADER + mount, expected=book.acme)) == []
    found = worse(
        findings(LOADER + mount, csp("connect-src 'self'"), url="https://x.example/", expected=book.acme)
    )
    assert {each.check for each in found} == {"connect-src", "origin"}


@pytest.mark.parametrize(
    ("scripts", "status"), [("", Status.FAULT), ("<script src=/app.js></script>", Status.WARNING)]
)
def test_a_container_without_a_loader_is_told_so(findings: Examine, scripts: str, status: Status) -> None:
    finding = only(findings(CONTAINER + scripts))

    assert (finding.check, finding.status) == ("loader", status)


EMBED_FAULTS = [
    (tag(data_key=""), "has no data-key"),
    (tag(data_key="pk_nobody"), "no tenant has the key 'pk_nobody'"),
    (tag(data_element=""), "has neither data-element nor data-widget"),
    (tag(data_element="slotpicker"), "slot-picker is meant?"),
    (tag(data_element="calendar"), "there is no element 'calendar'"),
    (tag(data_calendar=""), "has no data-calendar"),
    (tag(data_calendar="store-44"), "has no calendar store-44"),
    (tag(data_widget=WIDGET), "data-widget says it all"),
    (tag(data_element="", data_calendar="", data_widget="wgt_1"), "has no widget wgt_1"),
    (tag(data_element="agenda", data_calendar="", data_calendars="store-42 store-43"), "agenda shows one"),
    (tag(data_element="availability-rules"), "there is no assertion"),
    (tag(data_assertion="…"), "is no JWT that expires"),
    (tag(data_assertion="a.b.c"), "is no JWT that expires"),
    (tag(data_assertion=assertion(sub="x")), "is no JWT that expires"),
    (tag(data_assertion=assertion(exp=NOW - 90)), "was over 90 s ago"),
    (tag(data_mode="iframe"), "data-mode is 'iframe'"),
    (tag(data_theme="dark"), "data-theme is 'dark'"),
    (tag(data_height="400px"), "data-height is '400px'"),
    (tag(data_options="{'a': 1}"), "data-options holds no JSON object"),
    (tag(data_texts="[]"), "data-texts holds no JSON object"),
    (
        f"<div data-widgetsvc {WHAT}><script type=application/json>{{a: 1}}</script></div>{LOADER}",
        "its JSON script holds no JSON object",
    ),
    (FRAME.replace("key=", "data-key="), "has no key="),
    (FRAME.replace("calendar=", "calender="), "'calender' is no parameter of frames; calendar is meant?"),
    (FRAME.replace("agenda", "agend"), "agenda is meant?"),
    (FRAME.replace("<iframe", '<iframe sandbox="allow-scripts"'), "has no allow-same-origin"),
    (FRAME.replace("<iframe", "<iframe sandbox"), "has no allow-scripts and no allow-same-origin"),
]


@pytest.mark.parametrize(("body", "words"), EMBED_FAULTS, ids=[words for _, words in EMBED_FAULTS])
def test_an_embed_that_cannot_work_is_a_fault(findings: Examine, body: str, words: str) -> None:
    faults = [each for each in worse(findings(body)) if words in each.detail]

    assert [(each.check, each.status) for each in faults] == [("embed", Status.FAULT)]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (tag(data_calender="store-42"), "data-calender is nothing that the loader reads; data-calendar"),
        (tag(data_locales="de"), "data-locale is meant?"),
        (tag(data_availability_querry="{}"), "data-availability-query is meant?"),
        (tag(data_simulate="429"), "data-simulate='429'"),
        (FRAME.replace("title=x", ""), "has no title"),
        (TAG.replace("<script", "<script id=cal") + "<p id=cal></p>", '2 elements have the id "cal"'),
    ],
)
def test_an_embed_that_may_surprise_is_a_warning(findings: Examine, body: str, words: str) -> None:
    finding = only(findings(body))

    assert (finding.check, finding.status) == ("embed", Status.WARNING)
    assert words in finding.detail


def test_an_embed_is_named_by_its_line_and_id(findings: Examine) -> None:
    body = "<p>\n</p>" + CONTAINER.replace("<div", "<div id=cal").replace("store-42", "x") + LOADER
    finding = only(findings(body))

    assert finding.detail.startswith("line 3, container #cal: ")


def test_what_an_expected_tenants_page_has_of_another_is_a_warning(findings: Examine, book: Book) -> None:
    finding = only(findings(TAG, expected=book.other))

    assert "is of the tenant acme, and not of other" in finding.detail
    assert finding.fix == f'data-key="{book.other.publishable_key}"'


def test_the_tenants_policy_is_held_against_the_page(findings: Examine, book: Book) -> None:
    book.change(elements=frozenset({Element.AGENDA}))
    assert "policy does not include slot-picker" in only(findings(TAG)).detail

    book.change(elements=None, access=Access.SIGNED)
    assert "acme embeds signed only" in only(findings(TAG)).detail

    book.change(access=Access.PUBLIC, suspended=True)
    assert only(findings(TAG)).fix == "widgetsvc tenant resume acme"


def test_a_calendar_that_an_assertion_may_make_need_not_be_there(findings: Examine, book: Book) -> None:
    book.change(lazy_calendars=True)

    assert worse(findings(tag(data_calendar="new", data_assertion=assertion(exp=NOW + 60)))) == []
    assert "has no calendar new" in only(findings(tag(data_calendar="new"))).detail


# Secrets


@pytest.mark.parametrize(
    "body", [tag(data_key=SECRET), f"{TAG}<script>const key = '{SECRET}'</script>", f"{TAG}<!-- {SECRET} -->"]
)
def test_a_secret_key_in_a_page_is_a_fault_and_not_repeated(findings: Examine, body: str) -> None:
    finding = only(findings(body))

    assert finding.status is Status.FAULT
    assert finding.fix == "widgetsvc tenant rotate-key acme --kind secret --overlap 0"
    assert SECRET not in str(findings(body))


def test_another_services_secret_is_none_of_ours(findings: Examine) -> None:
    assert worse(findings(f"{TAG}<!-- sk_{'b' * 43} sk_live_{'c' * 38} -->")) == []


# The loader


LOADER_FAULTS = [
    (f'<script async type="module" src="{SRC}"></script>', "is loaded as a module"),
    (f'<script async nomodule src="{SRC}"></script>', "has nomodule"),
    (PINNED.replace(HERE.loader.core.path, "/embed/9.9.9/aaaa.js"), "/embed/9.9.9/aaaa.js is not there"),
    (
        PINNED.replace(HERE.loader.core.path, HERE.loader.parts["inline"].path),
        "is only a part of the loader",
    ),
    (PINNED.replace("sha384-", "sha384-AAAA"), "its integrity is not that of the file"),
    (PINNED.replace(' crossorigin="anonymous"', ""), "has integrity without crossorigin"),
    (PINNED.replace("anonymous", "use-credentials"), 'has crossorigin="use-credentials"'),
    (PINNED.replace(HERE.loader.core.path, OLD_PATH), "its integrity is not that of the file"),
]


@pytest.mark.parametrize(("script", "words"), LOADER_FAULTS, ids=[words for _, words in LOADER_FAULTS])
def test_a_loader_that_browsers_refuse_is_a_fault(findings: Examine, script: str, words: str) -> None:
    finding = only(findings(CONTAINER + script))

    assert (finding.check, finding.status) == ("loader", Status.FAULT)
    assert words in finding.detail
    assert worse(findings(CONTAINER + str(finding.fix))) == []


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (LOADER.replace("async ", ""), "has no async"),
        (PINNED.replace(f' integrity="{HERE.loader.core.integrity}"', ""), "without integrity"),
        (PINNED.replace("sha384-", "md5-"), "without integrity"),
        (PINNED.replace(HERE.loader.core.path, "/embed.js"), "/embed.js changes with the next version"),
        (f'<script async type="text/plain" src="{SRC}"></script>', "consent manager"),
    ],
)
def test_a_loader_that_works_for_now_is_a_warning(findings: Examine, script: str, words: str) -> None:
    finding = only(findings(CONTAINER + script))

    assert (finding.check, finding.status) == ("loader", Status.WARNING)
    assert words in finding.detail
    assert finding.fix is None or worse(findings(CONTAINER + finding.fix)) == []


def test_a_tag_in_the_head_puts_the_calendar_at_the_end(findings: Examine) -> None:
    assert "stands in the head" in only(findings("", head=TAG)).detail
    assert worse(findings("", head=TAG.replace("<script", "<script data-form=floating"))) == []
    assert worse(findings(CONTAINER, head=LOADER)) == []


def test_an_earlier_version_goes_on_working_and_the_current_one_is_named(findings: Examine) -> None:
    digest = hashlib.sha384(HERE.loader.files[OLD_PATH].read_bytes()).digest()
    integrity = f"sha384-{base64.b64encode(digest).decode()}"
    old = PINNED.replace(HERE.loader.core.path, OLD_PATH).replace(HERE.loader.core.integrity, integrity)
    found = findings(CONTAINER + old)

    assert worse(found) == []
    assert [each.fix for each in found if each.check == "loader"] == [PINNED]


def test_another_installations_loader_is_a_warning(findings: Examine) -> None:
    found = worse(findings(TAG.replace(SERVICE, "https://w.other.example")))

    assert "loads from https://w.other.example, but this installation is" in found[-1].detail
    # Others have a script of that name, too.
    assert [each.check for each in worse(findings("<script src=https://x.example/embed.js></script>"))] == [
        "embed"
    ]


def test_what_the_tag_has_besides_stays_in_the_correction(findings: Examine) -> None:
    script = TAG.replace("async ", "").replace("<script", '<script id=a nonce="r4nd0m" data-mode="inline"')
    finding = only(findings(script))

    assert finding.fix == (
        f'<script async src="{SRC}" id="a" nonce="…" data-mode="inline" data-key="{KEY}" '
        'data-element="slot-picker" data-calendar="store-42"></script>'
    )


# Origins


def test_an_origin_that_no_rule_allows_is_a_fault_with_the_command(findings: Examine, book: Book) -> None:
    finding = only(findings(TAG, url="https://shop.acme.example/"))

    assert finding.detail.startswith("acme: https://shop.acme.example is not allowed:")
    assert finding.fix == "widgetsvc origin add acme https://shop.acme.example"
    book.change(origins=OriginRules.of(["https://*.acme.example"]))
    assert worse(findings(TAG, url="https://shop.acme.example/")) == []


def test_the_service_itself_is_always_allowed(findings: Examine) -> None:
    assert worse(findings(TAG, url=f"{SERVICE}/x")) == []


# Content-Security-Policy

INLINE = tag(data_mode="inline")
NONCED = INLINE.replace("<script", '<script nonce="abc"')
FRAMED = tag(data_mode="frame")
GOOD = f"script-src {SERVICE}; connect-src {SERVICE}; style-src {HASHES}"

WELL = [
    (TAG, f"default-src 'none'; {GOOD}"),
    (TAG, "img-src 'self'; frame-ancestors 'none'; report-uri /csp"),
    (TAG, f"default-src {SERVICE} 'unsafe-inline'"),
    (TAG, "default-src https: 'unsafe-inline'"),
    (TAG, "default-src * 'unsafe-inline'"),
    (
        TAG,
        f"script-src *.example.com; connect-src w.example.com; style-src-elem {HASHES}; default-src 'none'",
    ),
    (NONCED, f"script-src 'nonce-abc' 'strict-dynamic' https: 'unsafe-inline'; style-src {HASHES}"),
    (NONCED, f"script-src 'nonce-abc'; connect-src {SERVICE}/; style-src 'self' {HASHES}"),
    (TAG, f"{GOOD}, default-src https: 'unsafe-inline'"),
    (FRAME, f"default-src 'none'; frame-src {SERVICE}"),
    (FRAME, f"default-src 'none'; child-src {SERVICE}/frame/"),
    (FRAMED, f"default-src 'none'; script-src {SERVICE}; frame-src https:"),
    (TAG, f"{GOOD}; require-trusted-types-for 'script'"),
    (TAG, f"{GOOD}; require-trusted-types-for 'script'; trusted-types default widgetsvc"),
    (TAG, f"{GOOD}; trusted-types default"),
    (TAG, f"{GOOD}; sandbox allow-scripts allow-same-origin"),
]


@pytest.mark.parametrize(("body", "policy"), WELL, ids=[policy for _, policy in WELL])
def test_a_policy_that_allows_what_is_needed_is_well(findings: Examine, body: str, policy: str) -> None:
    assert worse(findings(body, csp(policy))) == []


KEPT_OUT = [
    # the policy, what is wrong with it, and what it has to be
    (
        TAG,
        f"script-src 'self'; connect-src {SERVICE}; style-src {HASHES}",
        {"script-src": "script-src keeps the loader (line 2) out"},
        f"script-src 'self' {SERVICE}; connect-src {SERVICE}; style-src {HASHES}",
    ),
    (
        TAG,
        "script-src-elem 'none'; script-src https:",
        {"script-src": "script-src-elem keeps the loader (line 2) out"},
        f"script-src-elem {SERVICE}; script-src https:",
    ),
    (
        TAG,
        "default-src 'self'; img-src *",
        {
            "script-src": "default-src (there is no script-src) keeps the loader",
            "style-src": "keeps the UI Elements' styles out, and frame-src the frame",
        },
        (
            f"default-src 'self'; img-src *; script-src 'self' {SERVICE}; style-src 'self' {HASHES}; "
            f"connect-src 'self' {SERVICE}"
        ),
    ),
    (
        TAG,
        f"script-src {SERVICE}/embed.js",
        {"script-src": "lets the loader in, but keeps out what it loads"},
        f"script-src {SERVICE}/embed.js {SERVICE}",
    ),
    (
        NONCED,
        "script-src 'nonce-abcd'",
        {"script-src": "its nonce is not the policy's"},
        f"script-src 'nonce-abcd' {SERVICE}",
    ),
    (
        TAG,
        "connect-src 'self'",
        {"connect-src": "connect-src keeps the calendar from asking"},
        f"connect-src 'self' {SERVICE}",
    ),
    (
        INLINE,
        "style-src 'self'",
        {"style-src": "style-src keeps styles of the UI Elements out"},
        f"style-src 'self' {HASHES}",
    ),
    (
        TAG,
        f"style-src {STYLE_HASHES[2]}",
        {"style-src": "so the calendar is shown without them"},
        f"style-src {STYLE_HASHES[2]} {STYLE_HASHES[0]} {STYLE_HASHES[1]}",
    ),
    (
        TAG,
        "style-src 'unsafe-inline' 'nonce-abc'; frame-src 'none'",
        {"style-src": "and frame-src the frame that would do instead"},
        f"style-src 'unsafe-inline' 'nonce-abc' {HASHES}; frame-src 'none'",
    ),
    (FRAME, "frame-src 'self'", {"frame-src": "keeps the frame out"}, f"frame-src 'self' {SERVICE}"),
    (
        FRAMED,
        "child-src 'none'; connect-src 'none'; style-src 'none'",
        {"frame-src": "child-src (there is no frame-src) keeps the frame out"},
        f"child-src 'none'; connect-src 'none'; style-src 'none'; frame-src {SERVICE}",
    ),
    (
        TAG,
        "require-trusted-types-for 'script'; trusted-types 'none'",
        {"TrustedTypes": "names no policy widgetsvc"},
        "require-trusted-types-for 'script'; trusted-types widgetsvc",
    ),
    (
        TAG,
        "sandbox allow-forms allow-scripts",
        {"sandbox": "has no allow-same-origin"},
        "sandbox allow-forms allow-scripts allow-same-origin",
    ),
]


@pytest.mark.parametrize(
    ("body", "policy", "words", "corrected"), KEPT_OUT, ids=[policy for _, policy, *_ in KEPT_OUT]
)
def test_a_policy_that_keeps_something_out_is_a_fault_with_the_policy_that_does_not(
    findings: Examine, body: str, policy: str, words: dict[str, str], corrected: str
) -> None:
    found = worse(findings(body, csp(policy)))

    assert {each.check: each.status for each in found} == dict.fromkeys(words, Status.FAULT)
    assert [each for each in found if words[each.check] not in each.detail] == []
    assert {each.fix for each in found} == {f"Content-Security-Policy: {corrected}"}
    assert worse(findings(body, csp(corrected))) == []


def test_where_the_styles_are_kept_out_and_frames_are_not_a_frame_is_shown(findings: Examine) -> None:
    policy = f"default-src 'self'; script-src {SERVICE}; frame-src {SERVICE}"
    finding = only(findings(TAG, csp(policy)))

    assert (finding.check, finding.status) == ("style-src", Status.WARNING)
    assert "so the calendar is shown in a frame" in finding.detail
    assert finding.fix == (
        f"Content-Security-Policy: {policy}; style-src 'self' {HASHES}; connect-src 'self' {SERVICE}"
    )
    assert worse(findings(TAG, csp(finding.fix.partition(": ")[2]))) == []


OWN_STYLE = "<style>p { margin: 0 }</style>"
OWN_HASH = f"'sha256-{base64.b64encode(hashlib.sha256(b'p { margin: 0 }').digest()).decode()}'"
NONCED_TAG = TAG.replace("<script", '<script nonce="abc"')


@pytest.mark.parametrize(
    ("body", "policy"),
    [
        (NONCED_TAG, f"script-src 'nonce-abc' 'strict-dynamic'; style-src {HASHES}"),
        (NONCED_TAG, "script-src 'nonce-abc'; connect-src 'none'"),
        (TAG + OWN_STYLE, f"style-src {HASHES}; connect-src 'none'"),
    ],
)
def test_where_the_loader_does_not_try_styles_a_frame_is_shown(
    findings: Examine, body: str, policy: str
) -> None:
    finding = only(findings(body, csp(policy)))
    assert (finding.status, finding.fix) == (Status.WARNING, 'data-mode="inline"')

    finding = only(findings(body, csp(f"{policy}; frame-src 'none'"))[:-1])
    assert (finding.check, finding.status) == ("frame-src", Status.FAULT)


@pytest.mark.parametrize(
    "body",
    [
        TAG + OWN_STYLE,
        NONCED_TAG + OWN_STYLE,
        TAG + "<style nonce=abc>x</style><style type=text/x>x</style><style> </style>",
    ],
)
def test_a_page_whose_own_styles_work_has_the_calendar_in_it(findings: Examine, body: str) -> None:
    assert worse(findings(body, csp(f"style-src {HASHES} {OWN_HASH}"))) == []


def test_beside_strict_dynamic_the_tag_needs_the_nonce(findings: Examine) -> None:
    policy = "script-src 'nonce-abc' 'strict-dynamic' https:"
    finding = only(findings(INLINE, csp(policy)))

    assert "give the tag the nonce" in finding.detail
    assert finding.fix == f'<script async src="{SRC}" {WHAT} data-mode="inline" nonce="…"></script>'
    assert worse(findings(finding.fix.replace("…", "abc"), csp(policy))) == []


def test_beside_strict_dynamic_without_nonces_the_pinned_file_is_allowed_by_its_hash(
    findings: Examine,
) -> None:
    policy = "script-src 'sha256-AAAA' 'strict-dynamic'"
    finding = only(findings(CONTAINER + LOADER, csp(policy)))

    assert finding.fix == f"Content-Security-Policy: {policy} '{HERE.loader.core.integrity}'"
    assert worse(findings(CONTAINER + PINNED, csp(finding.fix.partition(": ")[2]))) == []


def test_each_of_several_policies_has_to_allow_it(findings: Examine) -> None:
    found = worse(findings(TAG, csp("connect-src 'self', connect-src https:"), csp("script-src 'none'")))

    assert [(each.check, each.fix) for each in found] == [
        ("connect-src", f"Content-Security-Policy: connect-src 'self' {SERVICE}"),
        ("script-src", f"Content-Security-Policy: script-src {SERVICE}"),
    ]


def test_a_policy_in_the_markup_is_corrected_there(findings: Examine) -> None:
    meta = '<meta http-equiv="Content-Security-Policy" content="connect-src {}; sandbox">'
    finding = only(findings(TAG, head=meta.format("'self'")))

    corrected = f"connect-src 'self' {SERVICE}"
    assert finding.fix == f'<meta http-equiv="Content-Security-Policy" content="{corrected}">'


def test_a_policy_that_only_reports_is_mentioned(findings: Examine) -> None:
    report_only = ("Content-Security-Policy-Report-Only", "script-src 'none'; connect-src 'self'")
    found = findings(TAG, report_only)

    assert worse(found) == []
    (mentioned,) = [each for each in found if each.check == "report-only"]
    assert "finds fault with script-src, connect-src" in mentioned.detail
    assert mentioned.fix == (
        f"Content-Security-Policy-Report-Only: script-src {SERVICE}; connect-src 'self' {SERVICE}"
    )


def test_a_script_that_brings_the_loader_may_have_the_nonce(findings: Examine) -> None:
    body = CONTAINER + "<script nonce=abc src=/app.js></script>"
    found = worse(findings(body, csp("script-src 'nonce-abc' 'self'")))
    assert [(each.check, each.status) for each in found] == [
        ("loader", Status.WARNING),
        ("script-src", Status.WARNING),
    ]

    found = worse(findings(body, csp("script-src 'self'")))
    assert [each.status for each in found] == [Status.WARNING, Status.FAULT]


def test_cronofys_api_and_cdn_are_allowed_where_they_are_used(findings: Examine) -> None:
    cloud = replace(HERE, api_url="https://api.cronofy.com", bundle_src=CDN_URL, bundle_integrity="")
    found = worse(findings(TAG, csp(GOOD), installation=cloud))

    assert {each.check for each in found} == {"script-src", "connect-src"}
    corrected = str(found[0].fix).partition(": ")[2]
    assert f"script-src {SERVICE} https://elements.cronofy.com" in corrected
    assert f"connect-src {SERVICE} https://api.cronofy.com" in corrected
    assert worse(findings(TAG, csp(corrected), installation=cloud)) == []


def test_a_style_attribute_that_is_kept_out_becomes_a_rule(findings: Examine) -> None:
    body = CONTAINER.replace("<div", '<div style="min-height: 420px;"') + LOADER
    finding = only(findings(body, csp(f"style-src {HASHES}")))

    assert finding.status is Status.WARNING
    assert finding.fix == "[data-widgetsvc] { min-height: 420px; }"
    assert worse(findings(body, csp("style-src 'unsafe-inline'"))) == []


# What else a page has


def plain(public_url: str) -> Installation:
    return replace(HERE, public_url=public_url, api_url=public_url, bundle_src=f"{public_url}/b.js")


@pytest.mark.parametrize(
    ("page", "service", "is_fault"),
    [
        (PAGE, "http://w.example.com", True),
        (PAGE, "http://127.0.0.1:8080", False),
        (PAGE, "http://localhost:8080", False),
        ("http://www.acme.example/", "http://w.example.com", False),
        (PAGE, SERVICE, False),
    ],
)
def test_mixed_content_is_a_fault(findings: Examine, page: str, service: str, is_fault: bool) -> None:
    found = findings(TAG.replace(SERVICE, service), url=page, installation=plain(service))

    assert [each.status for each in found if each.check == "https"] == [Status.FAULT] * is_fault


def test_a_loader_by_http_on_a_page_by_https_is_a_fault(findings: Examine) -> None:
    body = TAG.replace("https:", "http:")
    finding = only(findings(body))

    assert (finding.check, finding.fix) == ("https", TAG)
    assert worse(findings(body, csp("upgrade-insecure-requests"))) == []


def test_a_page_without_a_doctype_is_a_warning(book: Book) -> None:
    finding = only(list(examine(read_page(PAGE, [], f"<body>{TAG}"), HERE, book, None, NOW)))

    assert (finding.check, finding.status, finding.fix) == ("doctype", Status.WARNING, "<!doctype html>")


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("Cross-Origin-Embedder-Policy", 'require-corp; report-to="x"', "loader, bundle and frames allow it"),
        ("Cross-Origin-Embedder-Policy", "credentialless", "loader, bundle and frames allow it"),
        ("Cross-Origin-Opener-Policy", "same-origin", "nothing depends on it"),
        ("Referrer-Policy", "no-referrer", "nothing depends on it"),
        ("Referrer-Policy", "origin, same-origin", "nothing depends on it"),
    ],
)
def test_headers_that_look_as_if_they_mattered_are_told_not_to(
    findings: Examine, header: str, value: str, words: str
) -> None:
    found = findings(TAG, (header, value))

    assert worse(found) == []
    assert any(words in each.detail for each in found)


@pytest.mark.parametrize("header", [("X-Frame-Options", "DENY"), ("Permissions-Policy", "camera=()")])
def test_headers_that_do_not_matter_are_not_spoken_of(findings: Examine, header: tuple[str, str]) -> None:
    assert findings(TAG, header) == findings(TAG)


# The loader's own tables


def test_attributes_and_heights_are_the_loaders() -> None:
    wish = (SOURCES / "wish.js").read_text()
    names = wish.split("export const NAMES =")[1].split('"')[1].split()

    # What only our own frames say of themselves is no attribute of a page.
    assert set(ATTRIBUTES) | {"host"} == set(names)
    heights = re.findall(r'^  "?([\w-]+)"?: \[(\d+), ', (SOURCES / "elements.js").read_text(), re.MULTILINE)
    assert {element: int(height) for element, height in heights} == dict(HEIGHTS)
