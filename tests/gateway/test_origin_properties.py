"""What holds for every origin and every rule, searched rather than listed."""

import re
from ipaddress import IPv4Address, IPv6Address

from hypothesis import example, given
from hypothesis import strategies as st

from widgetsvc.errors import InvalidOriginRule
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import Origin, OriginRule, OriginRules, candidate_rules

# Few labels, so that rules and origins meet often; public suffixes and look-alikes among them.
LABELS = ["a", "b", "jobs", "example", "evilexample", "my_app", "-x-", "pr--site", "xn--fa-hia", "xn--zzzzzz"]
TAILS = ["com", "co.uk", "io", "github.io", "s3.amazonaws.com", "localhost", "internal", "kobe.jp"]

names = st.builds(
    lambda labels, tail: ".".join([*labels, tail]),
    st.lists(st.sampled_from(LABELS), max_size=4),
    st.sampled_from(TAILS),
)
addresses = st.sampled_from(["127.0.0.1", "10.0.0.1", "[::1]", "[2001:db8::1]"])
schemes = st.sampled_from(["http", "https"])
ports = st.sampled_from(["", ":80", ":443", ":8443", ":65535"])
origin_texts = st.builds("{}://{}{}".format, schemes, names | addresses, ports)
rule_texts = st.builds(
    "{}://{}{}{}".format,
    schemes,
    st.sampled_from(["", "*."]),
    names | addresses,
    ports | st.just(":*"),
)
any_text = st.lists(st.integers(0, 0x10FFFF).map(chr)).map("".join)
hostile_text = any_text | st.text(
    st.sampled_from("htps:/*.,;'\"@?#[]%\\ \t\r\n\x00-_aA0\u00df\u3002\u202e\ud800")
)


def rule_or_none(text: str) -> OriginRule | None:
    try:
        return OriginRule.parse(text)
    except InvalidOriginRule:
        return None


origins = origin_texts.map(Origin.parse).filter(bool)
rules = rule_texts.map(rule_or_none).filter(bool)


@given(origin_texts | hostile_text)
def test_an_origin_that_parses_prints_as_it_came(text):
    parsed = Origin.parse(text)

    assert parsed is None or str(parsed) == text


@given(rule_texts | hostile_text | st.builds("https://{}".format, hostile_text))
@example("https://xn--99999999.com")
@example("https://xn--a.com")
def test_a_rule_that_parses_is_canonical_and_anything_else_is_refused(text):
    parsed = rule_or_none(text)

    assert parsed is None or OriginRule.parse(str(parsed)) == parsed


@given(rules, origins)
def test_the_gates_agree(rule, origin):
    matches = rule.matches(origin)

    assert matches == (str(rule) in candidate_rules(origin))
    assert matches == (OriginRules.of([str(rule)]).match(origin) == rule)
    assert matches == explain(OriginRules.from_store([str(rule)]), str(origin)).allowed


@given(origins, st.sampled_from(["", "*."]), st.sampled_from(["", ":8443", ":*"]))
def test_the_gates_agree_on_rules_made_from_the_origin(origin, star, port):
    for host in (origin.host, origin.host.partition(".")[2]):
        rule = rule_or_none(f"{origin.scheme}://{star}{host}{port}")
        assert rule is None or rule.matches(origin) == (str(rule) in candidate_rules(origin))


@given(origins)
def test_every_candidate_is_a_rule_that_matches(origin):
    for text in candidate_rules(origin):
        rule = OriginRule.parse(text)
        assert str(rule) == text
        assert rule.matches(origin)


@given(st.lists(rule_texts | hostile_text | st.builds("https://{}".format, hostile_text)))
def test_frame_ancestors_holds_nothing_that_could_end_the_directive(texts):
    parsed = OriginRules.of(text for text in texts if rule_or_none(text))
    value = parsed.frame_ancestors()

    assert value == "'none'" or re.fullmatch(r"[a-z0-9.:*/\[\] -]+", value)
    assert value == "'none'" or value.split(" ") == [str(rule) for rule in parsed]


@given(st.lists(rules.map(str), max_size=6), origins)
def test_the_list_allows_what_any_of_its_rules_matches(texts, origin):
    parsed = OriginRules.of(texts)
    decision = explain(parsed, str(origin))

    assert decision.allowed == any(rule.matches(origin) for rule in parsed)
    assert decision.rule is None or decision.rule in texts


@given(st.lists(rules.map(str), max_size=3), origins)
def test_adding_what_is_suggested_allows_the_origin(texts, origin):
    decision = explain(OriginRules.of(texts), str(origin))
    suggested = re.findall(r"https?://\S+?(?=[,.]? |\.$)", decision.suggestion or "")

    for text in suggested:
        assert explain(OriginRules.of([*texts, text]), str(origin)).allowed


@given(hostile_text, st.lists(rules.map(str), max_size=2))
def test_explaining_never_fails_nor_echoes_raw(header, texts):
    decision = explain(OriginRules.of(texts), header)

    assert decision.reason.isprintable()
    assert (decision.origin is None) == (Origin.parse(header) is None)


@given(st.integers(min_value=0, max_value=2**128 - 1) | st.integers(min_value=0, max_value=2**48))
def test_every_ipv6_address_is_taken_in_the_form_that_browsers_send(number):
    groups = ":".join(f"{number >> shift & 0xFFFF:04X}" for shift in range(112, -16, -16))
    rule = OriginRule.parse(f"http://[{groups}]:8080")
    sent = Origin.parse(str(rule))

    assert sent is not None
    assert rule.matches(sent)
    assert IPv6Address(sent.host[1:-1]) == IPv6Address(number)


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_an_ipv4_address_is_taken_in_dotted_form_only(number):
    dotted = str(IPv4Address(number))

    assert str(Origin.parse(f"http://{dotted}")) == f"http://{dotted}"
    assert Origin.parse(f"http://{number}") is None
    assert rule_or_none(f"http://{number:#x}") is None
