import pytest

from widgetsvc.errors import InvalidOriginRule
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import Origin, OriginRule, OriginRules, candidate_rules


def origin(text: str) -> Origin:
    parsed = Origin.parse(text)
    assert parsed is not None
    return parsed


SENT_BY_BROWSERS = [
    "https://jobs.example.com",
    "http://jobs.example.com",
    "https://jobs.example.com:8443",
    "http://jobs.example.com:443",
    "https://jobs.example.com:80",
    "https://jobs.example.com:65535",
    "http://localhost:3000",
    "http://intranet",
    "http://127.0.0.1:3000",
    "http://[::1]:8080",
    "https://[2001:db8::1]",
    "https://[::ffff:7f00:1]",
    "https://xn--fa-hia.de",
    "https://my_app.example.com",
    "https://pr--site.example.com",
    "https://-odd-.example.com",
    f"https://{'a' * 63}.example.com",
    f"https://{'.'.join(['a' * 49] * 5)}.io",
]

NOT_SENT_BY_BROWSERS = {
    "nothing": None,
    "empty": "",
    "null": "null",
    "null in capitals": "NULL",
    "star": "*",
    "upper-case host": "https://Jobs.example.com",
    "upper-case scheme": "HTTPS://jobs.example.com",
    "default port of https": "https://jobs.example.com:443",
    "default port of http": "http://jobs.example.com:80",
    "port 0": "https://jobs.example.com:0",
    "port with a leading zero": "https://jobs.example.com:08443",
    "port too high": "https://jobs.example.com:65536",
    "port of six digits": "https://jobs.example.com:100000",
    "empty port": "https://jobs.example.com:",
    "port that is a star": "https://jobs.example.com:*",
    "port in Arabic digits": "https://jobs.example.com:\u0663\u0660\u0660\u0660",
    "final slash": "https://jobs.example.com/",
    "path": "https://jobs.example.com/apply",
    "query": "https://jobs.example.com?x",
    "fragment": "https://jobs.example.com#x",
    "backslash": "https://jobs.example.com\\.evil.io",
    "user name": "https://user@jobs.example.com",
    "password": "https://user:secret@jobs.example.com",
    "list by comma": "https://jobs.example.com, https://evil.io",
    "list by comma alone": "https://jobs.example.com,https://evil.io",
    "list by space": "https://jobs.example.com https://evil.io",
    "leading space": " https://jobs.example.com",
    "final space": "https://jobs.example.com ",
    "final newline": "https://jobs.example.com\n",
    "tab inside": "https://jobs.\texample.com",
    "NUL": "https://jobs.example.com\x00",
    "CRLF and a header": "https://jobs.example.com\r\nX-Evil: 1",
    "no scheme": "jobs.example.com",
    "no host": "https://",
    "one slash": "https:/jobs.example.com",
    "three slashes": "https:///jobs.example.com",
    "file": "file://",
    "data": "data:text/html,x",
    "websocket": "wss://jobs.example.com",
    "extension": "chrome-extension://abcdefghijklmnop",
    "app": "capacitor://localhost",
    "wildcard": "https://*.example.com",
    "final dot": "https://jobs.example.com.",
    "leading dot": "https://.example.com",
    "two dots": "https://jobs..example.com",
    "percent-encoded dot": "https://jobs%2eexample.com",
    "percent-encoded letter": "https://%6Aobs.example.com",
    "umlaut": "https://m\u00fcller.de",
    "sharp s": "https://fa\u00df.de",
    "Cyrillic a": "https://ex\u0430mple.com",
    "full-width letters": "https://\uff45xample.com",
    "ideographic full stop": "https://example\u3002com",
    "IPv4 as one number": "http://2130706433",
    "IPv4 in hexadecimal": "http://0x7f000001",
    "IPv4 in octal": "http://0177.0.0.1",
    "IPv4 with three parts": "http://127.0.1",
    "IPv4 with a final dot": "http://127.0.0.1.",
    "IPv4 out of range": "http://256.0.0.1",
    "name that ends in a number": "http://example.1",
    "name that ends in 0x": "http://example.0x",
    "IPv6 without brackets": "http://::1",
    "IPv6 not compressed": "http://[0:0:0:0:0:0:0:1]",
    "IPv6 with leading zeros": "http://[2001:0db8::1]",
    "IPv6 in capitals": "http://[2001:DB8::1]",
    "IPv6 with an IPv4 tail": "http://[::ffff:127.0.0.1]",
    "IPv6 with a zone": "http://[fe80::1%25eth0]",
    "IPv6 that is none": "http://[::g]",
    "IPv6 left open": "http://[::1",
    "label of 64": f"https://{'a' * 64}.com",
    "host of 254": f"https://{'a.' * 126}aa",
    "very long": "https://" + "a" * 100_000,
}


@pytest.mark.parametrize("text", SENT_BY_BROWSERS)
def test_an_origin_as_browsers_send_it_is_parsed_and_printed_unchanged(text):
    assert str(Origin.parse(text)) == text


@pytest.mark.parametrize("text", NOT_SENT_BY_BROWSERS.values(), ids=NOT_SENT_BY_BROWSERS)
def test_what_browsers_do_not_send_is_no_origin(text):
    assert Origin.parse(text) is None


def test_an_origin_is_scheme_host_and_port():
    assert Origin.parse("https://[::1]:8443") == Origin("https", "[::1]", 8443)
    assert Origin.parse("https://jobs.example.com") == Origin("https", "jobs.example.com", None)


NORMALISED = [
    ("https://jobs.example.com", "https://jobs.example.com"),
    ("HTTPS://Jobs.Example.COM/", "https://jobs.example.com"),
    ("https://jobs.example.com:443", "https://jobs.example.com"),
    ("http://jobs.example.com:80/", "http://jobs.example.com"),
    ("http://jobs.example.com:443", "http://jobs.example.com:443"),
    ("https://jobs.example.com:08443", "https://jobs.example.com:8443"),
    ("https://jobs.example.com:*", "https://jobs.example.com:*"),
    ("https://*.Example.com:*", "https://*.example.com:*"),
    ("https://*.example.co.uk", "https://*.example.co.uk"),
    ("https://*.acme.github.io", "https://*.acme.github.io"),
    ("https://*.my.salesforce.com", "https://*.my.salesforce.com"),
    ("https://*.corp.internal", "https://*.corp.internal"),
    ("https://github.io", "https://github.io"),
    ("http://localhost:3000", "http://localhost:3000"),
    ("http://localhost:*", "http://localhost:*"),
    ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    ("http://[::1]:8080", "http://[::1]:8080"),
    ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]"),
    ("https://[2001:DB8::0:1]:*", "https://[2001:db8::1]:*"),
    ("https://[::FFFF:127.0.0.1]", "https://[::ffff:7f00:1]"),
    ("https://fa\u00df.de", "https://xn--fa-hia.de"),
    ("https://M\u00dcLLER.de", "https://xn--mller-kva.de"),
    ("https://xn--mller-kva.de", "https://xn--mller-kva.de"),
    ("https://\u4f8b\u3048\u3002jp", "https://xn--r8jz45g.jp"),
    ("https://\uff45xample.com", "https://example.com"),
    ("http://\uff11\uff12\uff17.0.0.1", "http://127.0.0.1"),
    ("https://pr--site.example.com", "https://pr--site.example.com"),
]


@pytest.mark.parametrize(("typed", "canonical"), NORMALISED)
def test_what_an_operator_types_is_normalised(typed, canonical):
    assert str(OriginRule.parse(typed)) == canonical


REFUSED = {
    "nothing": ("", "does not begin with"),
    "null": ("null", "send null"),
    "null in capitals": ("NULL", "send null"),
    "everything": ("*", "every page"),
    "every https page": ("https://*", "leftmost"),
    "every https page, any port": ("https://*:*", "leftmost"),
    "top-level domain": ("https://*.com", "anybody"),
    "top-level domain, no scheme": ("*.com", "https://"),
    "country's second level": ("https://*.co.uk", "anybody"),
    "unknown top-level domain": ("https://*.internal", "anybody"),
    "private suffix": ("https://*.github.io", "your-name.github.io"),
    "suffix by a wildcard of the list": ("https://*.kobe.jp", "anybody"),
    "suffix in punycode": ("https://*.xn--p1ai", "anybody"),
    "suffix in Cyrillic": ("https://*.\u0440\u0444", "anybody"),
    "suffixes further below": ("https://*.amazonaws.com", "strangers"),
    "star without a dot": ("https://*example.com", "leftmost"),
    "star inside a label": ("https://jobs*.example.com", "leftmost"),
    "star further right": ("https://jobs.*.example.com", "leftmost"),
    "two stars": ("https://*.*.example.com", "leftmost"),
    "star as scheme": ("*://example.com", "https://"),
    "wildcard on IPv4": ("http://*.127.0.0.1", "no sub-domains"),
    "wildcard on IPv6": ("http://*.[::1]", "no sub-domains"),
    "wildcard on localhost": ("http://*.localhost", "http://localhost:*"),
    "wildcard on nothing": ("https://*.", "no host"),
    "no scheme": ("jobs.example.com", "https://"),
    "file": ("file:///index.html", "https://"),
    "websocket": ("wss://jobs.example.com", "https://"),
    "script": ("javascript:alert(1)", "https://"),
    "extension": ("chrome-extension://abc", "https://"),
    "no host": ("https://", "no host"),
    "no host, a port": ("https://:8443", "no host"),
    "user name": ("https://user@jobs.example.com", "Write https://jobs.example.com alone"),
    "password": ("https://user:pw@jobs.example.com", "Write https://jobs.example.com alone"),
    "path": ("https://jobs.example.com/apply", "Write https://jobs.example.com alone"),
    "two final slashes": ("https://jobs.example.com//", "path"),
    "query": ("https://jobs.example.com?x=1", "query"),
    "fragment": ("https://jobs.example.com#top", "fragment"),
    "backslash": ("https://jobs.example.com\\@evil.io", "path"),
    "leading space": (" https://jobs.example.com", "space"),
    "final newline": ("https://jobs.example.com\n", "space"),
    "no-break space": ("https://jobs.example.com\u00a0", "space"),
    "CRLF and a header": ("https://jobs.example.com\r\nSet-Cookie: a=b", "space"),
    "directive by semicolon": ("https://jobs.example.com;script-src", "semicolon"),
    "list by comma": ("https://a.example.com,https://b.example.com", "one origin per rule"),
    "list by space": ("https://a.example.com https://b.example.com", "one origin per rule"),
    "single quotes": ("'self'", "quote"),
    "double quotes": ('"https://jobs.example.com"', "quote"),
    "NUL": ("https://jobs.example.com\x00", "control"),
    "escape": ("https://jobs.example.com\x1b[0m", "control"),
    "port 0": ("https://jobs.example.com:0", "1 to 65535"),
    "port too high": ("https://jobs.example.com:65536", "1 to 65535"),
    "port of many digits": ("https://jobs.example.com:" + "9" * 200, "1 to 65535"),
    "port with a sign": ("https://jobs.example.com:+443", "1 to 65535"),
    "port in Arabic digits": ("https://jobs.example.com:\u0663\u0660", "1 to 65535"),
    "port range": ("https://jobs.example.com:80-90", "1 to 65535"),
    "empty port": ("https://jobs.example.com:", "1 to 65535"),
    "two ports": ("https://jobs.example.com:80:90", "more than one colon"),
    "IPv6 without brackets": ("http://::1", "brackets"),
    "IPv6 with a zone": ("http://[fe80::1%25eth0]", "no IPv6"),
    "IPv6 that is none": ("http://[::g]", "no IPv6"),
    "text before IPv6": ("http://a[::1]", "no IPv6"),
    "IPv4 as one number": ("http://2130706433", "no IPv4"),
    "IPv4 in hexadecimal": ("http://0x7f.1", "no IPv4"),
    "IPv4 in octal": ("http://0177.0.0.1", "no IPv4"),
    "IPv4 with two parts": ("http://127.1", "no IPv4"),
    "final dot": ("https://jobs.example.com.", "surplus dot"),
    "leading dot": ("https://.example.com", "surplus dot"),
    "two dots": ("https://jobs..example.com", "surplus dot"),
    "label of 64": (f"https://{'a' * 64}.example.com", "63"),
    "host of 255": (f"https://{'a.' * 126}com", "253"),
    "longer than any": ("https://" + "a" * 1000, "longer than 300"),
    "hyphen in front": ("https://-jobs.example.com", "hyphen"),
    "underscore": ("https://my_app.example.com", "U+005F"),
    "percent-encoding": ("https://jobs%2eexample.com", "U+0025"),
    "full-width slash": ("https://jobs.example.com\uff0fevil.io", "U+FF0F"),
    "full-width colon": ("https://jobs.example.com\uff1a80", "U+FF1A"),
    "bidirectional override": ("https://jobs\u202e.example.com", "U+202E"),
    "joiner out of place": ("https://a\u200db.example.com", "U+200D"),
    "lone surrogate": ("https://\ud800.example.com", "U+D800"),
    "punycode of nothing": ("https://xn--.example.com", "domain name"),
    "punycode that does not decode": ("https://xn--99999999.example.com", "domain name"),
    "punycode of ASCII": ("https://xn--example-.com", "domain name"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_rule_is_refused_with_words_on_what_to_write(text, words):
    with pytest.raises(InvalidOriginRule) as refused:
        OriginRule.parse(text)

    assert words in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("text", [text for text, _ in REFUSED.values()], ids=REFUSED)
def test_what_is_no_rule_matches_nothing_if_found_in_the_store(text):
    rules = OriginRules.from_store([text])

    assert list(rules) == []
    assert rules.ignored == (text,)
    assert rules.frame_ancestors() == "'none'"


MATCHES = [
    ("https://jobs.example.com", "https://jobs.example.com"),
    ("https://jobs.example.com:8443", "https://jobs.example.com:8443"),
    ("https://jobs.example.com:*", "https://jobs.example.com"),
    ("https://jobs.example.com:*", "https://jobs.example.com:8443"),
    ("https://*.example.com", "https://jobs.example.com"),
    ("https://*.example.com", "https://eu.jobs.example.com"),
    ("https://*.example.com", "https://my_app.example.com"),
    ("https://*.example.com:*", "https://jobs.example.com:8443"),
    ("https://*.example.com:8443", "https://jobs.example.com:8443"),
    ("https://fa\u00df.de", "https://xn--fa-hia.de"),
    ("http://localhost:*", "http://localhost:3000"),
    ("http://[::1]:8080", "http://[::1]:8080"),
]

MISSES = [
    ("https://jobs.example.com", "http://jobs.example.com"),
    ("http://jobs.example.com", "https://jobs.example.com"),
    ("https://jobs.example.com", "https://jobs.example.com:8443"),
    ("https://jobs.example.com:8443", "https://jobs.example.com"),
    ("https://jobs.example.com", "https://example.com"),
    ("https://jobs.example.com", "https://eu.jobs.example.com"),
    ("https://jobs.example.com", "https://jobs.example.com.evil.io"),
    ("https://jobs.example.com", "https://jobs-example.com"),
    ("https://jobs.example.com", "https://jobsxexample.com"),
    ("https://jobs.example.com", "https://evil-jobs.example.com"),
    ("https://*.example.com", "https://example.com"),
    ("https://*.example.com", "https://evilexample.com"),
    ("https://*.example.com", "https://example.com.evil.io"),
    ("https://*.example.com", "https://jobs.example.com:8443"),
    ("https://*.example.com", "http://jobs.example.com"),
    ("https://*.example.com:*", "https://example.com:8443"),
    ("https://fa\u00df.de", "https://fass.de"),
    ("https://example.com", "https://xn--xample-9uf.com"),
    ("http://127.0.0.1", "http://localhost"),
    ("http://0.0.1.example.com", "http://127.0.0.1"),
]


@pytest.mark.parametrize(("rule", "page"), MATCHES)
def test_a_rule_matches_at_every_gate(rule, page):
    parsed = OriginRule.parse(rule)

    assert parsed.matches(origin(page))
    assert str(parsed) in candidate_rules(origin(page))
    assert OriginRules.of([rule]).match(origin(page)) == parsed
    assert explain(OriginRules.of([rule]), page).allowed


@pytest.mark.parametrize(("rule", "page"), MISSES)
def test_a_rule_misses_at_every_gate(rule, page):
    parsed = OriginRule.parse(rule)

    assert not parsed.matches(origin(page))
    assert str(parsed) not in candidate_rules(origin(page))
    assert OriginRules.of([rule]).match(origin(page)) is None
    assert not explain(OriginRules.of([rule]), page).allowed


def test_candidates_are_every_rule_that_could_match_the_most_specific_first():
    assert candidate_rules(origin("https://eu.jobs.example.co.uk:8443")) == (
        "https://eu.jobs.example.co.uk:8443",
        "https://eu.jobs.example.co.uk:*",
        "https://*.jobs.example.co.uk:8443",
        "https://*.jobs.example.co.uk:*",
        "https://*.example.co.uk:8443",
        "https://*.example.co.uk:*",
    )


@pytest.mark.parametrize(
    ("page", "candidates"),
    [
        ("http://localhost", ("http://localhost", "http://localhost:*")),
        ("http://127.0.0.1:3000", ("http://127.0.0.1:3000", "http://127.0.0.1:*")),
        ("http://[::1]", ("http://[::1]", "http://[::1]:*")),
        ("https://acme.github.io", ("https://acme.github.io", "https://acme.github.io:*")),
        ("https://my_app.example.com", ("https://*.example.com", "https://*.example.com:*")),
        ("https://my_app.com", ()),
    ],
)
def test_candidates_leave_out_what_is_no_rule(page, candidates):
    assert candidate_rules(origin(page)) == candidates


def test_the_most_specific_rule_decides():
    rules = OriginRules.of(
        ["https://*.example.com", "https://jobs.example.com:*", "https://jobs.example.com"]
    )

    assert str(rules.match(origin("https://jobs.example.com"))) == "https://jobs.example.com"
    assert str(rules.match(origin("https://jobs.example.com:1"))) == "https://jobs.example.com:*"
    assert str(rules.match(origin("https://www.example.com"))) == "https://*.example.com"


def test_rules_keep_their_order_and_stand_once():
    rules = OriginRules.of(["https://b.example.com", "HTTPS://A.example.com/", "https://a.example.com:443"])

    assert [str(rule) for rule in rules] == ["https://b.example.com", "https://a.example.com"]
    assert len(rules) == 2
    assert rules.frame_ancestors() == "https://b.example.com https://a.example.com"


def test_rules_with_equal_texts_are_equal():
    assert OriginRules.of(["https://a.example.com"]) == OriginRules.from_store(["https://a.example.com"])
    assert OriginRules.of(["https://a.example.com"]) != OriginRules.of(["https://b.example.com"])


def test_one_bad_text_refuses_the_whole_list():
    with pytest.raises(InvalidOriginRule, match=r"\*\.com"):
        OriginRules.of(["https://jobs.example.com", "https://*.com"])


def test_the_store_gives_its_good_rules_and_names_the_others():
    rules = OriginRules.from_store(["https://jobs.example.com", "https://*.com", "https://WWW.example.com"])

    assert rules.frame_ancestors() == "https://jobs.example.com"
    assert rules.ignored == ("https://*.com", "https://WWW.example.com")


def test_without_rules_nothing_is_allowed():
    rules = OriginRules.of([])

    assert rules.match(origin("https://jobs.example.com")) is None
    assert rules.frame_ancestors() == "'none'"
    assert "no rules yet" in explain(rules, "https://jobs.example.com").reason
