import pytest

from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import OriginRules

RULES = OriginRules.of(
    ["https://jobs.example.com", "https://*.acme.co.uk", "http://localhost:3000", "http://old.example.org"]
)


def test_an_allowed_origin_is_explained_by_its_rule():
    decision = explain(RULES, "https://eu.acme.co.uk")

    assert (decision.allowed, decision.origin, decision.rule) == (
        True,
        "https://eu.acme.co.uk",
        "https://*.acme.co.uk",
    )
    assert decision.reason == "https://eu.acme.co.uk is allowed by the rule https://*.acme.co.uk."
    assert decision.suggestion is None


DENIED = {
    "other port": (
        "https://jobs.example.com:8443",
        "https://jobs.example.com",
        "the rule https://jobs.example.com does not match the port",
        "Add https://jobs.example.com:8443, or https://jobs.example.com:* for every port.",
    ),
    "other port below a wildcard": (
        "https://eu.acme.co.uk:8443",
        "https://*.acme.co.uk",
        "the rule https://*.acme.co.uk does not match the port",
        "Add https://eu.acme.co.uk:8443, or https://*.acme.co.uk:* for every port.",
    ),
    "http for https": (
        "http://jobs.example.com",
        "https://jobs.example.com",
        "the rule https://jobs.example.com is for https pages, not for http pages",
        "Add http://jobs.example.com, or, better, serve the page over https.",
    ),
    "https for http": (
        "https://old.example.org",
        "http://old.example.org",
        "the rule http://old.example.org is for http pages, not for https pages",
        "Add https://old.example.org.",
    ),
    "bare domain of a wildcard": (
        "https://acme.co.uk",
        "https://*.acme.co.uk",
        "the rule https://*.acme.co.uk is for the sub-domains of acme.co.uk, not for acme.co.uk itself",
        "Add https://acme.co.uk.",
    ),
    "sub-domain of a host": (
        "http://eu.old.example.org",
        "http://old.example.org",
        "the rule http://old.example.org is for old.example.org alone, not for its sub-domains",
        "Add http://eu.old.example.org, or http://*.old.example.org for every sub-domain of old.example.org.",
    ),
    "sub-domain of localhost": (
        "http://app.localhost:3000",
        "http://localhost:3000",
        "the rule http://localhost:3000 is for localhost alone, not for its sub-domains",
        "Add http://app.localhost:3000.",
    ),
    "same site": (
        "https://www.example.com:81",
        "https://jobs.example.com",
        "the nearest rule, https://jobs.example.com, is for another part of the same domain",
        "Add https://www.example.com:81, or https://*.example.com:81 for every sub-domain of example.com.",
    ),
    "apex of the same site": (
        "https://example.com",
        "https://jobs.example.com",
        "the nearest rule, https://jobs.example.com, is for another part of the same domain",
        "Add https://example.com.",
    ),
    "stranger": (
        "https://jobs.example.com.evil.io",
        None,
        "no rule is for jobs.example.com.evil.io",
        "Add https://jobs.example.com.evil.io.",
    ),
    "neighbour under a public suffix": (
        "https://evil.co.uk",
        None,
        "no rule is for evil.co.uk",
        "Add https://evil.co.uk.",
    ),
    "address": (
        "http://127.0.0.1:3000",
        None,
        "no rule is for 127.0.0.1",
        "Add http://127.0.0.1:3000.",
    ),
    "underscore below a wildcard": (
        "https://my_app.eu.acme.co.uk:81",
        "https://*.acme.co.uk",
        "the rule https://*.acme.co.uk does not match the port",
        "Add https://*.eu.acme.co.uk:81, or https://*.acme.co.uk:* for every port.",
    ),
    "underscore that no rule can cover": (
        "https://my_app.io",
        None,
        "no rule is for my_app.io",
        "Serve the page from a host that is named with letters, digits and inner hyphens only.",
    ),
}


@pytest.mark.parametrize(("page", "rule", "why", "suggestion"), DENIED.values(), ids=DENIED)
def test_a_denied_origin_is_told_the_nearest_rule_and_what_to_add(page, rule, why, suggestion):
    decision = explain(RULES, page)

    assert (decision.allowed, decision.origin, decision.rule) == (False, page, rule)
    assert decision.reason == f"{page} is not allowed: {why}."
    assert decision.suggestion == suggestion


@pytest.mark.parametrize(
    ("rules", "page", "nearest"),
    [
        (
            ["http://a.example.com", "https://a.example.com:1"],
            "https://a.example.com",
            "https://a.example.com:1",
        ),
        (
            ["https://a.example.com", "https://b.example.com"],
            "https://x.b.example.com",
            "https://b.example.com",
        ),
        (["http://a.example.com", "https://b.example.com"], "https://c.example.com", "https://b.example.com"),
        (
            ["https://a.example.com:1", "https://b.example.com"],
            "https://c.example.com",
            "https://b.example.com",
        ),
        (
            ["https://*.example.com", "https://a.example.com:1"],
            "https://example.com",
            "https://*.example.com",
        ),
    ],
)
def test_the_nearest_of_several_rules_is_named(rules, page, nearest):
    assert explain(OriginRules.of(rules), page).rule == nearest


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "no Origin header"),
        ("null", "allow-same-origin"),
        ("", "does not begin with"),
        ("file://", "does not begin with"),
        ("https://Jobs.example.com/", "not in canonical form"),
        ("https://jobs.example.com:443", "not in canonical form"),
        ("https://*.acme.co.uk", "it is a rule"),
        ("https://jobs.example.com, https://evil.io", "comma"),
        ("https://user@jobs.example.com", "user name"),
        ("https://jobs.example.com.", "dot"),
    ],
)
def test_a_header_that_is_no_origin_is_explained(header, words):
    decision = explain(RULES, header)

    assert (decision.allowed, decision.origin, decision.rule) == (False, None, None)
    assert words in decision.reason
    assert decision.suggestion


def test_what_a_browser_would_send_is_suggested():
    assert explain(RULES, "HTTPS://Jobs.example.com/").suggestion == (
        "Send https://jobs.example.com, as browsers do by themselves."
    )


@pytest.mark.parametrize(
    "header",
    [
        "\x1b[31m" * 1000,
        "https://" + "\u202e" * 1000,
        "https://" + "\U000e0001" * 1000,
        "\r\nSet-Cookie: a=b",
        "https://*." + "a" * 60 + "\x85",
        "\ud800" * 300,
        "x" * 1_000_000,
    ],
)
def test_a_hostile_header_is_echoed_escaped_and_cut(header):
    reason = explain(RULES, header).reason

    assert reason.isprintable()
    assert len(reason[: reason.rindex('"')]) <= 257
