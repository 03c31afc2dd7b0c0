"""Content-Security-Policies as browsers read them: the cases of CSP Level 3."""

import pytest

from widgetsvc.elements import STYLE_HASHES
from widgetsvc.inspection.csp import (
    Disposition,
    Policy,
    ScriptRequest,
    SourceList,
    Where,
    parse_hash,
    parse_integrity,
    parse_policies,
)

PAGE = "https://www.acme.example/page"
URL = "https://w.example.com/embed.js"
DIGEST = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
OTHER = "mcZznuqvpVbIjzIrosYhWLG2AFBsxF7AUUwcfUxPtyA="


def sources(text: str) -> SourceList:
    return SourceList(tuple(text.split()))


MATCHES = [
    # section 6.7.2.8
    ("*", URL),
    ("*", "http://w.example.com/"),
    ("https:", URL),
    ("HTTPS:", URL),
    ("http:", URL),
    ("w.example.com", URL),
    ("W.EXAMPLE.com", URL),
    ("https://w.example.com", URL),
    ("http://w.example.com", URL),
    ("https://w.example.com:443", URL),
    ("https://w.example.com:*", "https://w.example.com:8443/"),
    ("w.example.com:8443", "https://w.example.com:8443/"),
    ("*.example.com", URL),
    ("https://*.example.com", "https://a.b.example.com/"),
    ("https://*", URL),
    ("*:8443", "https://w.example.com:8443/"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080/embed.js"),
    ("http://localhost:8080", "http://localhost:8080/embed.js"),
    # section 6.7.2.12
    ("https://w.example.com/", URL),
    ("https://w.example.com/embed.js", URL),
    ("https://w.example.com/embed/", "https://w.example.com/embed/0.2.0/a.js"),
    ("https://w.example.com/embed%2ejs", URL),
    # 'self'
    ("'self'", "https://www.acme.example/a.js"),
    ("'SELF'", "https://www.acme.example:443/a.js"),
    # several
    ("'self' https://cdn.example https://w.example.com", URL),
]


@pytest.mark.parametrize(("allowed", "url"), MATCHES)
def test_a_source_matches(allowed: str, url: str) -> None:
    assert sources(allowed).allows_url(url, PAGE)


MISSES = [
    ("'none'", URL),
    ("", URL),
    ("*", "data:text/javascript,1"),
    ("*", "blob:https://www.acme.example/1"),
    ("ws:", "data:,"),
    ("https:", "http://w.example.com/"),
    ("https://w.example.com", "http://w.example.com/"),
    # A page of https asks for https where no scheme is given.
    ("w.example.com", "http://w.example.com/"),
    ("https://w.example.com", "https://w.example.com:8443/"),
    ("https://w.example.com:8443", URL),
    ("http://w.example.com:80", URL),
    ("*.example.com", "https://example.com/"),
    ("*.example.com", "https://wexample.com/"),
    ("w.*.com", URL),
    ("https://example.com", URL),
    # Policies name no address but one.
    ("http://192.168.0.7:8080", "http://192.168.0.7:8080/"),
    ("http://[::1]:8080", "http://[::1]:8080/"),
    ("https://w.example.com/embed", URL),
    ("https://w.example.com/embed", "https://w.example.com/embed/0.2.0/a.js"),
    ("https://w.example.com/embed/", URL),
    ("https://w.example.com/Embed.js", URL),
    ("https://w.example.com?x", URL),
    ("'self'", URL),
    ("'self'", "https://www.acme.example:8443/"),
    ("'self'", "http://www.acme.example/"),
    ("https//w.example.com", URL),
    ("'unsafe-inline'", URL),
]


@pytest.mark.parametrize(("allowed", "url"), MISSES)
def test_a_source_does_not_match(allowed: str, url: str) -> None:
    assert not sources(allowed).allows_url(url, PAGE)


def test_self_of_a_page_without_tls_is_the_same_host_with_it() -> None:
    assert sources("'self'").allows_url("https://www.acme.example/", "http://www.acme.example/")


def test_a_host_without_a_scheme_takes_the_pages_or_a_better_one() -> None:
    assert sources("w.example.com").allows_url("http://w.example.com/", "http://www.acme.example/")
    assert sources("w.example.com").allows_url(URL, "http://www.acme.example/")


SCRIPTS_IN = [
    ("https://w.example.com", ScriptRequest(URL)),
    ("'nonce-abc'", ScriptRequest(URL, nonce="abc")),
    ("'nonce-abc' 'strict-dynamic'", ScriptRequest(URL, nonce="abc")),
    ("'nonce-abc' 'strict-dynamic'", ScriptRequest(URL, parser_inserted=False)),
    (f"'sha256-{DIGEST}'", ScriptRequest(URL, integrity=f"sha256-{DIGEST}")),
    (f"'sha256-{DIGEST}' 'strict-dynamic'", ScriptRequest(URL, integrity=f"sha256-{DIGEST}")),
    (
        f"'sha256-{DIGEST}' 'sha256-{OTHER}'",
        ScriptRequest(URL, integrity=f"sha256-{OTHER}  sha256-{DIGEST}"),
    ),
    (f"'sha256-{OTHER}' https:", ScriptRequest(URL, integrity=f"sha256-{DIGEST}")),
]


@pytest.mark.parametrize(("allowed", "request_"), SCRIPTS_IN)
def test_a_script_is_let_in(allowed: str, request_: ScriptRequest) -> None:
    assert sources(allowed).allows_script(request_, PAGE)


SCRIPTS_OUT = [
    ("'self'", ScriptRequest(URL)),
    ("'unsafe-inline'", ScriptRequest(URL)),
    ("'nonce-abc'", ScriptRequest(URL, nonce="ABC")),
    ("'nonce-abc'", ScriptRequest(URL)),
    ("https://w.example.com 'nonce-abc' 'strict-dynamic'", ScriptRequest(URL)),
    (f"'sha256-{DIGEST}'", ScriptRequest(URL)),
    (f"'sha256-{DIGEST}'", ScriptRequest(URL, integrity=f"sha384-{DIGEST}")),
    # All of the element's hashes have to be among the policy's (section 6.7.1.1).
    (f"'sha256-{DIGEST}'", ScriptRequest(URL, integrity=f"sha256-{OTHER} sha256-{DIGEST}")),
]


@pytest.mark.parametrize(("allowed", "request_"), SCRIPTS_OUT)
def test_a_script_is_kept_out(allowed: str, request_: ScriptRequest) -> None:
    assert not sources(allowed).allows_script(request_, PAGE)


@pytest.mark.parametrize(
    ("allowed", "missing"),
    [
        ("'unsafe-inline'", 0),
        (" ".join(STYLE_HASHES), 0),
        (" ".join(STYLE_HASHES).replace("+", "-").replace("/", "_"), 0),
        (" ".join(STYLE_HASHES).replace("sha", "SHA"), 0),
        (STYLE_HASHES[0], 2),
        ("'self'", 3),
        ("'none'", 3),
        ("*", 3),
        # A nonce or a hash does away with unsafe-inline.
        ("'unsafe-inline' 'nonce-abc'", 3),
        (f"'unsafe-inline' {STYLE_HASHES[1]}", 2),
    ],
)
def test_inline_styles_are_let_in_by_hash_or_all_together(allowed: str, missing: int) -> None:
    assert len(sources(allowed).missing_styles(STYLE_HASHES)) == missing


@pytest.mark.parametrize("text", ["sha256-x", "'sha256-'", "'md5-AAAA'", "'sha256-AAAAA'", "'sha256-A A'"])
def test_what_is_no_hash_is_none(text: str) -> None:
    assert parse_hash(text) is None


def test_integrity_holds_hashes_and_options() -> None:
    assert [name for name, _ in parse_integrity(f"sha256-{DIGEST}?x md5-1 SHA384-{OTHER}")] == [
        "sha256",
        "sha384",
    ]


def test_of_two_directives_of_one_name_the_first_counts() -> None:
    policy = Policy.parse(" Script-SRC  'self'\t https://a ;; ; script-src *; img-src ")

    assert policy.directives == {"script-src": ("'self'", "https://a"), "img-src": ()}


def test_a_header_may_hold_several_policies() -> None:
    first, second = parse_policies("default-src 'self', , script-src *", Disposition.REPORT, Where.META)

    assert (str(first), str(second)) == ("default-src 'self'", "script-src *")
    assert (second.disposition, second.where) == (Disposition.REPORT, Where.META)


@pytest.mark.parametrize(
    ("policy", "directive", "governing"),
    [
        ("script-src a; script-src-elem b; default-src c", "script-src-elem", "script-src-elem"),
        ("script-src a; default-src c", "script-src-elem", "script-src"),
        ("default-src c", "script-src-elem", "default-src"),
        ("default-src c; child-src b", "frame-src", "child-src"),
        ("default-src c", "frame-src", "default-src"),
        ("default-src c; style-src b", "style-src-attr", "style-src"),
        ("style-src b", "connect-src", None),
    ],
)
def test_directives_fall_back(policy: str, directive: str, governing: str | None) -> None:
    assert Policy.parse(policy).governing(directive) == governing


@pytest.mark.parametrize(
    ("policy", "directive", "amended"),
    [
        ("script-src 'self'", "script-src-elem", "script-src 'self' https://w"),
        ("script-src-elem 'self'", "script-src-elem", "script-src-elem 'self' https://w"),
        ("script-src 'none'", "script-src-elem", "script-src https://w"),
        ("script-src", "script-src-elem", "script-src https://w"),
        ("script-src https://w", "script-src-elem", "script-src https://w"),
        (
            "default-src 'self'; img-src *",
            "script-src-elem",
            "default-src 'self'; img-src *; script-src 'self' https://w",
        ),
        ("default-src 'none'", "connect-src", "default-src 'none'; connect-src https://w"),
        ("child-src blob:", "frame-src", "child-src blob:; frame-src blob: https://w"),
        ("img-src *", "frame-src", "img-src *"),
    ],
)
def test_a_source_is_added_where_it_counts_and_nothing_else_changes(
    policy: str, directive: str, amended: str
) -> None:
    assert str(Policy.parse(policy).with_sources(directive, ["https://w"])) == amended


@pytest.mark.parametrize(
    ("disposition", "where", "line"),
    [
        (Disposition.ENFORCE, Where.HEADER, "Content-Security-Policy: img-src 'self'"),
        (Disposition.REPORT, Where.HEADER, "Content-Security-Policy-Report-Only: img-src 'self'"),
        (
            Disposition.ENFORCE,
            Where.META,
            '<meta http-equiv="Content-Security-Policy" content="img-src \'self\'">',
        ),
    ],
)
def test_a_policy_is_written_as_it_is_pasted(disposition: Disposition, where: Where, line: str) -> None:
    assert Policy.parse("img-src 'self'", disposition, where).as_line() == line
