"""What a page's Content-Security-Policies keep from an embed, and what they have to be instead.

Every policy has to allow what is needed. The UI Elements' styles come by hash; where they are kept out, the
loader shows the calendar in a frame, unless the markup says otherwise. It does not try them on pages that
look as if that would fail (`stylesWork` in static/loader/embed.js).
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from widgetsvc.elements import STYLE_HASHES
from widgetsvc.inspection.csp import Disposition, Policy, ScriptRequest, SourceList
from widgetsvc.inspection.embeds import Embed, Form
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.loaders import LoaderTag
from widgetsvc.inspection.pages import Page
from widgetsvc.snippets import Installation

_EMPTY_STYLE = STYLE_HASHES[2]
"""What the loader tries: whether a style element without text works."""

_SANDBOX_NEEDS = {
    "allow-scripts": "no script runs",
    "allow-same-origin": "the page has no origin that a tenant could allow",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What the embeds of a page ask of its policies."""

    tags: tuple[LoaderTag, ...]
    """The loader's tags."""
    brought: bool
    """Whether a script has to bring the loader, since it is not in the markup."""
    wherever: bool
    """Whether some embed is shown in the page itself if its styles work there, and else in a frame."""
    in_page: bool
    """Whether some embed must not be shown in a frame (`data-mode="inline"`)."""
    in_frames: bool
    """Whether some embed is a frame in any case."""

    @classmethod
    def of(cls, embeds: Sequence[Embed], loaders: Sequence[LoaderTag]) -> "Needs":
        """The needs of embeds in the markup; where there are none, a script is going to make one."""
        run = [embed for embed in embeds if embed.form is not Form.FRAME]
        ours = tuple(loader for loader in loaders if loader.is_ours)
        return cls(
            tags=ours,
            brought=not ours and (bool(run) or not embeds),
            wherever=not embeds or any(embed.mode not in {"inline", "frame"} for embed in run),
            in_page=any(embed.mode == "inline" for embed in run),
            in_frames=any(embed.form is Form.FRAME or embed.mode == "frame" for embed in embeds),
        )


@dataclass(frozen=True, slots=True)
class _Shortfall:
    """What a policy keeps out, and what its directives have to hold besides, or to be, to let it in."""

    check: str
    status: Status
    words: str
    add: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replace: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fix: str | None = None
    """What to paste in place of the corrected policy, where that would not help."""


def judge_policies(needs: Needs, page: Page, installation: Installation) -> Iterator[Finding]:
    """Say of each policy what it keeps out, with the policy as it has to be."""
    short = False
    for policy in page.policies:
        found = list(_shortfalls(policy, needs, page, installation))
        corrected = _corrected(policy, found).as_line()
        if policy.disposition is Disposition.REPORT:
            yield _mentioned(found, corrected)
            continue
        short = short or bool(found)
        for each in found:
            yield Finding(each.check, each.status, each.words, each.fix or corrected)
    if needs.wherever and not _tries_styles(needs, page) and not any(map(_missing_styles, page.enforced)):
        words = (
            "the loader takes it that styles do not work here, as the page has none that do without a nonce, "
            "and shows the calendar in a frame; this has it in the page itself:"
        )
        yield Finding("style-src", Status.WARNING, words, 'data-mode="inline"')
    if not page.enforced:
        yield Finding("CSP", Status.OK, "the page has no Content-Security-Policy that keeps anything out")
    elif not short:
        yield Finding("CSP", Status.OK, "the page's Content-Security-Policy allows all that is needed")


def _mentioned(found: Sequence[_Shortfall], corrected: str) -> Finding:
    check = "report-only"
    if not found:
        return Finding(check, Status.OK, "a policy that only reports would allow all that is needed, too")
    named = ", ".join(dict.fromkeys(each.check for each in found))
    words = f"a policy that only reports finds fault with {named}; before it is enforced it has to be:"
    return Finding(check, Status.OK, words, corrected)


def _corrected(policy: Policy, found: Iterable[_Shortfall]) -> Policy:
    for each in found:
        for directive, sources in each.add.items():
            policy = policy.with_sources(directive, sources)
        for directive, values in each.replace.items():
            policy = policy.with_directive(directive, values)
    return policy


def _shortfalls(policy: Policy, needs: Needs, page: Page, installation: Installation) -> Iterator[_Shortfall]:
    yield from _sandbox(policy)
    if needs.tags or needs.brought:
        yield from _scripts(policy, needs, page, installation)
        yield from _trusted_types(policy)
    tries = _tries_styles(needs, page)
    framed = not tries or any(_EMPTY_STYLE in _missing_styles(each) for each in page.enforced)
    if needs.wherever or needs.in_page:
        yield from _styles(policy, needs, page, installation, framed=framed)
        # Of a frame it is its own policy that counts.
        if needs.in_page or not framed:
            yield from _connections(policy, page, installation)
    in_frames = needs.in_frames or (needs.wherever and not tries)
    if in_frames and not _allows_frames(policy, page, installation):
        name = _name(policy, "frame-src")
        words = f"{name} keeps the frame out, so its place stays empty"
        yield _Shortfall("frame-src", Status.FAULT, words, installation.frame_policy)


def _name(policy: Policy, directive: str) -> str:
    """The directive that decides, for people."""
    usual = directive.removesuffix("-elem")
    governing = policy.governing(directive) or usual
    return governing if governing in {directive, usual} else f"{governing} (there is no {usual})"


# Scripts


def _scripts(policy: Policy, needs: Needs, page: Page, installation: Installation) -> Iterator[_Shortfall]:
    sources = policy.sources("script-src-elem")
    if sources is None:
        return
    name, check = _name(policy, "script-src-elem"), "script-src"
    add = {"script-src-elem": installation.policy["script-src"]}
    for loader in needs.tags:
        nonce = loader.tag.attributes.get("nonce", "")
        if not sources.allows_script(ScriptRequest(loader.url, nonce, loader.integrity), page.url):
            yield _loader_kept_out(loader, sources, name, installation)
            continue
        later = (
            each for each in _loaded_later(installation, nonce) if not sources.allows_script(each, page.url)
        )
        kept_out = next(later, None)
        if kept_out is not None:
            words = f"{name} lets the loader in, but keeps out what it loads, such as {kept_out.url}"
            yield _Shortfall(check, Status.FAULT, words, add)
    brought = ScriptRequest(installation.latest_url, parser_inserted=False)
    if needs.brought and not sources.allows_script(brought, page.url):
        by_nonce = bool(sources.nonces)
        words = (
            f"{name} keeps the loader out{', unless the script that brings it gives it the nonce' * by_nonce}"
        )
        yield _Shortfall(check, Status.WARNING if by_nonce else Status.FAULT, words, add)


def _loader_kept_out(
    loader: LoaderTag, sources: SourceList, name: str, installation: Installation
) -> _Shortfall:
    words = f"{name} keeps the loader (line {loader.tag.line}) out, so nothing is shown"
    if "nonce" in loader.tag.attributes:
        words += ": its nonce is not the policy's, which is a new one with each page"
    if not sources.strict_dynamic:
        add = {"script-src-elem": installation.policy["script-src"]}
        return _Shortfall("script-src", Status.FAULT, words, add)
    words += "; hosts count for nothing beside 'strict-dynamic'"
    if sources.nonces:
        nonce = {**loader.tag.attributes, "nonce": ""}
        tag = replace(loader, tag=replace(loader.tag, attributes=nonce))
        words += ": give the tag the nonce that the page's other scripts have"
        fix = tag.corrected(installation, pinned=loader.is_pinned)
        return _Shortfall("script-src", Status.FAULT, words, fix=fix)
    words += ": name the pinned loader with its integrity (`widgetsvc snippet`), and allow it by that"
    add = {"script-src-elem": (f"'{installation.loader.core.integrity}'",)}
    return _Shortfall("script-src", Status.FAULT, words, add)


def _loaded_later(installation: Installation, nonce: str) -> Iterator[ScriptRequest]:
    """What the loader loads: its parts and the bundle, with its own nonce."""
    for part in installation.loader.parts.values():
        digest = hashlib.sha256(installation.loader.files[part.path].read_bytes()).digest()
        integrity = f"sha256-{base64.b64encode(digest).decode()}"
        yield ScriptRequest(f"{installation.public_url}{part.path}", nonce, integrity, parser_inserted=False)
    yield ScriptRequest(installation.bundle_src, nonce, installation.bundle_integrity, parser_inserted=False)


def _trusted_types(policy: Policy) -> Iterator[_Shortfall]:
    names = policy.directives.get("trusted-types")
    if "require-trusted-types-for" not in policy.directives or names is None:
        return
    if not {"widgetsvc", "*"}.isdisjoint(names):
        return
    kept = [name for name in names if name.lower() != "'none'"]
    words = "trusted-types names no policy widgetsvc, without which the loader can load nothing"
    yield _Shortfall("TrustedTypes", Status.FAULT, words, replace={"trusted-types": [*kept, "widgetsvc"]})


def _sandbox(policy: Policy) -> Iterator[_Shortfall]:
    given = policy.directives.get("sandbox")
    if given is None:
        return
    missing = [token for token in _SANDBOX_NEEDS if token not in map(str.lower, given)]
    if missing:
        why = ", and ".join(_SANDBOX_NEEDS[token] for token in missing)
        words = f"the sandbox has no {' and no '.join(missing)}: {why}"
        yield _Shortfall("sandbox", Status.FAULT, words, replace={"sandbox": [*given, *missing]})


# Styles, connections and frames


def _tries_styles(needs: Needs, page: Page) -> bool:
    """Whether the loader finds out by trying if styles work, which on some pages it takes for useless."""
    plain = [
        style.text
        for style in page.styles
        if not style.tag.attributes.get("nonce")
        and style.tag.attributes.get("type", "") in {"", "text/css"}
        and style.text.strip()
    ]
    if not plain:
        return not any(loader.tag.attributes.get("nonce") for loader in needs.tags[:1])
    lists = [policy.sources("style-src-elem") for policy in page.enforced]
    return all(sources is None or sources.allows_style(text) for sources in lists for text in plain)


def _missing_styles(policy: Policy) -> list[str]:
    sources = policy.sources("style-src-elem")
    return [] if sources is None else sources.missing_styles(STYLE_HASHES)


def _styles(
    policy: Policy, needs: Needs, page: Page, installation: Installation, *, framed: bool
) -> Iterator[_Shortfall]:
    missing = _missing_styles(policy)
    if not missing:
        return
    name = _name(policy, "style-src-elem")
    add: dict[str, Sequence[str]] = {"style-src-elem": missing}
    status = Status.FAULT
    if needs.in_page or not framed:
        words = f"{name} keeps styles of the UI Elements out, so the calendar is shown without them"
    elif all(_allows_frames(each, page, installation) for each in page.enforced):
        status = Status.WARNING
        words = f"{name} keeps the UI Elements' styles out, so the calendar is shown in a frame"
    else:
        words = f"{name} keeps the UI Elements' styles out, and frame-src the frame that would do instead"
    for each in _connections(policy, page, installation) if framed and not needs.in_page else ():
        add.update(each.add)
    wish = "" if _tries_styles(needs, page) or needs.in_page else ' and data-mode="inline"'
    yield _Shortfall("style-src", status, f"{words}; with this{wish} it is shown in the page itself:", add)


def _connections(policy: Policy, page: Page, installation: Installation) -> Iterator[_Shortfall]:
    sources = policy.sources("connect-src")
    called = (f"{installation.public_url}/embed/token", f"{installation.api_url}/v1/availability")
    if sources is None or all(sources.allows_url(url, page.url) for url in called):
        return
    words = f"{_name(policy, 'connect-src')} keeps the calendar from asking for its token and its times"
    yield _Shortfall("connect-src", Status.FAULT, words, {"connect-src": installation.policy["connect-src"]})


def _allows_frames(policy: Policy, page: Page, installation: Installation) -> bool:
    sources = policy.sources("frame-src")
    return sources is None or sources.allows_url(f"{installation.public_url}/frame/agenda", page.url)
