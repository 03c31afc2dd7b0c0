"""Why a page may embed or not, in sentences that a developer can act on."""

from dataclasses import dataclass, replace
from enum import IntEnum

from widgetsvc.errors import InvalidOriginRule
from widgetsvc.gateway.hosts import is_below, registrable_domain
from widgetsvc.gateway.origins import (
    Origin,
    OriginRule,
    OriginRules,
    candidate_rules,
    port_suffix,
    printable,
)


@dataclass(frozen=True, slots=True)
class OriginDecision:
    """Whether an `Origin` header is let in, and why.

    `rule` is the rule that decided, or, when denied, the one that came nearest. `origin` is None for a header
    that is none; the reason then quotes it, escaped and cut.
    """

    allowed: bool
    origin: str | None
    rule: str | None
    reason: str
    suggestion: str | None


def explain(rules: OriginRules, header: str | None) -> OriginDecision:
    """Decide on an `Origin` header as received, and say why and what would have to change."""
    origin = Origin.parse(header)
    if origin is None:
        return _explain_no_origin(header)
    rule = rules.match(origin)
    if rule is None:
        return _explain_denied(origin, rules)
    return OriginDecision(
        allowed=True,
        origin=str(origin),
        rule=str(rule),
        reason=f"{origin} is allowed by the rule {rule}.",
        suggestion=None,
    )


class _Miss(IntEnum):
    """How a rule misses an origin, the nearest miss first."""

    PORT = 1
    """Scheme and host match."""
    SCHEME = 2
    """The host matches."""
    APEX = 3
    """The rule is for every sub-domain of the host, but not for the host."""
    SUBDOMAIN = 4
    """The rule is for a host further up, and for that alone."""
    SITE = 5
    """Only the registrable domain is the same."""


_REASONS = {
    _Miss.PORT: "the rule {rule} does not match the port",
    _Miss.SCHEME: "the rule {rule} is for {rule.scheme} pages, not for {origin.scheme} pages",
    _Miss.APEX: "the rule {rule} is for the sub-domains of {rule.host}, not for {rule.host} itself",
    _Miss.SUBDOMAIN: "the rule {rule} is for {rule.host} alone, not for its sub-domains",
    _Miss.SITE: "the nearest rule, {rule}, is for another part of the same domain",
}


def _miss(rule: OriginRule, origin: Origin) -> _Miss | None:
    if rule.covers_host(origin.host):
        return _Miss.PORT if rule.scheme == origin.scheme else _Miss.SCHEME
    if rule.host == origin.host:
        return _Miss.APEX
    if not rule.subdomains and is_below(origin.host, rule.host):
        return _Miss.SUBDOMAIN
    site = registrable_domain(origin.host)
    return _Miss.SITE if site and site == registrable_domain(rule.host) else None


def _distance(miss: _Miss, rule: OriginRule, origin: Origin) -> tuple[int, bool, bool]:
    return miss, rule.scheme != origin.scheme, rule.port not in ("*", origin.port)


def _explain_denied(origin: Origin, rules: OriginRules) -> OriginDecision:
    misses = [(miss, rule) for rule in rules if (miss := _miss(rule, origin))]
    if misses:
        miss, rule = min(misses, key=lambda near: _distance(near[0], near[1], origin))
        why, suggestion = _REASONS[miss].format(rule=rule, origin=origin), _suggestion(origin, miss, rule)
    else:
        why = f"no rule is for {origin.host}" if rules else "there are no rules yet, so nothing is allowed"
        suggestion = _plain_suggestion(origin)
    return OriginDecision(
        allowed=False,
        origin=str(origin),
        rule=str(rule) if misses else None,
        reason=f"{origin} is not allowed: {why}.",
        suggestion=suggestion,
    )


def _plain_suggestion(origin: Origin) -> str:
    candidates = candidate_rules(origin)
    if not candidates:
        return "Serve the page from a host that is named with letters, digits and inner hyphens only."
    return f"Add {candidates[0]}."


def _suggestion(origin: Origin, miss: _Miss, rule: OriginRule) -> str:
    plain = _plain_suggestion(origin).removesuffix(".")
    if miss is _Miss.PORT:
        return f"{plain}, or {replace(rule, port='*')} for every port."
    if miss is _Miss.SCHEME and origin.scheme == "http":
        return f"{plain}, or, better, serve the page over https."
    domain = {_Miss.SUBDOMAIN: rule.host, _Miss.SITE: registrable_domain(origin.host)}.get(miss)
    wider = f"{origin.scheme}://*.{domain}{port_suffix(origin.port)}"
    if wider in candidate_rules(origin)[1:]:
        return f"{plain}, or {wider} for every sub-domain of {domain}."
    return f"{plain}."


def _explain_no_origin(header: str | None) -> OriginDecision:
    if header is None:
        reason = (
            "The request has no Origin header. Browsers send one with every cross-origin fetch and every "
            "POST; curl, servers and plain navigation do not."
        )
        suggestion = "Call from a page in a browser or, to try it out, send its origin as Origin header."
    elif header == "null":
        reason = (
            "The origin is null: the page is in a sandboxed iframe without allow-same-origin, was opened as "
            "a file:// or data: URL, or the request was redirected. Any page can be made to send null, so "
            "that no rule allows it."
        )
        suggestion = "Serve the page over https; if its iframe is sandboxed, add allow-same-origin there."
    else:
        reason, suggestion = _explain_malformed(header)
    return OriginDecision(allowed=False, origin=None, rule=None, reason=reason, suggestion=suggestion)


def _explain_malformed(header: str) -> tuple[str, str]:
    shown = f'"{printable(header)}" is not an origin as browsers send it'
    try:
        rule = OriginRule.parse(header)
    except InvalidOriginRule as error:
        example = "https://jobs.example.com or https://jobs.example.com:8443"
        return f"{shown}: {error.problem}.", f"Send scheme, host and any unusual port: {example}."
    if rule.subdomains or rule.port == "*":
        return f"{shown}: it is a rule.", "Send the origin of one page, such as https://jobs.example.com."
    return f"{shown}: it is not in canonical form.", f"Send {rule}, as browsers do by themselves."
