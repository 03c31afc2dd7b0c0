"""Examines a page: everything that its headers and its HTML say about whether an embed will work there."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.inspection.csp import SourceList
from widgetsvc.inspection.embeds import Directory, Embed, Form, find_embeds, judge_embeds, rotation
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.loaders import LoaderTag, find_loaders, judge_loaders
from widgetsvc.inspection.pages import Page
from widgetsvc.inspection.policies import Needs, judge_policies
from widgetsvc.snippets import Installation
from widgetsvc.urls import origin_of

_SECRET_KEY = re.compile(r"(?<![\w-])sk_[A-Za-z0-9_-]{43}(?![\w-])")
_MOUNTS = re.compile(r"\bWidgetSvc\b[^;]*\bmount\s*\(|widgetsvc-embed")
_FROM_WITHIN = "open the page with ?widgetsvc=doctor to examine it from within"


def examine(
    page: Page, installation: Installation, directory: Directory, expected: Tenant | None, now: float
) -> Iterator[Finding]:
    """Yield what is found, the embeds first.

    `expected` is the tenant that the page is thought to be of, if anybody said so; `now` is in Unix seconds.
    """
    loaders = find_loaders(page, installation)
    embeds = find_embeds(page, loaders, installation)
    yield from _presence(page, embeds, loaders)
    yield from _secrets(page, embeds, directory)
    yield from judge_embeds(embeds, page, directory, expected, now)
    yield from judge_loaders(loaders, page, installation)
    yield from _origins(page, installation, _tenants(embeds, directory, expected))
    yield from judge_policies(Needs.of(embeds, loaders), page, installation)
    yield from _style_attributes(page, embeds)
    yield from _mixed_content(page, loaders, installation)
    yield from _circumstances(page)


def _presence(page: Page, embeds: Sequence[Embed], loaders: Sequence[LoaderTag]) -> Iterator[Finding]:
    known = {id(loader.tag) for loader in loaders}
    others = [script for script in page.scripts if id(script.tag) not in known]
    is_loaded = any(loader.is_ours for loader in loaders)
    if not embeds:
        if any(_MOUNTS.search(script.text) for script in others):
            words = f"a script of the page makes them; {_FROM_WITHIN}"
            yield Finding("embed", Status.OK, words)
        elif others or is_loaded:
            words = f"none is in the HTML; where a script makes one, {_FROM_WITHIN}"
            yield Finding("embed", Status.WARNING, words)
        else:
            words = "none is in the page, nor a script that could make one; `widgetsvc snippet` prints one"
            yield Finding("embed", Status.FAULT, words)
    elif not any(loader.is_ours for loader in loaders) and any(
        each.form is not Form.FRAME for each in embeds
    ):
        brings = "is not in the HTML, so one of the page's scripts has to load it"
        if others:
            yield Finding("loader", Status.WARNING, brings)
        else:
            yield Finding("loader", Status.FAULT, "no script loads it, so the place stays as it is")


def _tenants(embeds: Sequence[Embed], directory: Directory, expected: Tenant | None) -> list[Tenant]:
    found = {expected.slug: expected} if expected else {}
    for embed in embeds:
        tenant = directory.owner(embed.key) if embed.key else None
        if tenant is not None:
            found[tenant.slug] = tenant
    return list(found.values())


def _secrets(page: Page, embeds: Sequence[Embed], directory: Directory) -> Iterator[Finding]:
    told = {embed.key for embed in embeds}
    for key in dict.fromkeys(_SECRET_KEY.findall(page.html)):
        owner = directory.owner_of_secret(key)
        # Other services' keys look like ours.
        if owner is None or key in told:
            continue
        words = f"the secret key …{key[-4:]} of {owner.slug} stands in the page, where everybody can read it"
        yield Finding("secret key", Status.FAULT, f"{words}: replace it at once", rotation(owner.slug))


def _origins(page: Page, installation: Installation, tenants: Sequence[Tenant]) -> Iterator[Finding]:
    origin = origin_of(page.url)
    for tenant in tenants:
        decision = explain(tenant.origins, origin)
        if origin == installation.public_url:
            yield Finding("origin", Status.OK, f"{origin} is the service's own")
        elif decision.allowed:
            yield Finding("origin", Status.OK, f"{tenant.slug}: {decision.reason}")
        else:
            words = " ".join(filter(None, (f"{tenant.slug}: {decision.reason}", decision.suggestion)))
            fix = f"widgetsvc origin add {tenant.slug} {origin}" if decision.origin else None
            yield Finding("origin", Status.FAULT, words, fix)


def _style_attributes(page: Page, embeds: Sequence[Embed]) -> Iterator[Finding]:
    """The height in the snippet's style attribute, where the policy keeps such attributes out."""
    styled = [embed for embed in embeds if embed.tag.attributes.get("style")]
    if not styled or all(
        _allows_style_attributes(policy.sources("style-src-attr")) for policy in page.enforced
    ):
        return
    tag = styled[0].tag
    name = "[data-widgetsvc]" if "data-widgetsvc" in tag.attributes else tag.name
    words = f"style= of line {tag.line} is kept out, so the page moves when the calendar comes; as a rule:"
    rule = f"{name} {{ {tag.attributes['style'].strip().rstrip(';')}; }}"
    yield Finding("style-src", Status.WARNING, words, rule)


def _allows_style_attributes(sources: SourceList | None) -> bool:
    return sources is None or sources.all_inline_styles or "'unsafe-hashes'" in sources.keywords


def _mixed_content(page: Page, loaders: Sequence[LoaderTag], installation: Installation) -> Iterator[Finding]:
    """W3C Mixed Content, section 4: an https page loads no script from http, unless it is of this machine."""
    if urlsplit(page.url).scheme != "https":
        return
    if _is_insecure(installation.public_url):
        words = f"browsers keep {installation.public_url} out of a page that comes by https"
        fix = "WIDGETSVC_PUBLIC_URL=" + installation.public_url.replace("http://", "https://", 1)
        yield Finding("https", Status.FAULT, f"{words}: put the service behind https, and say so:", fix)
        return
    upgraded = any("upgrade-insecure-requests" in policy.directives for policy in page.enforced)
    for loader in loaders:
        if _is_insecure(loader.url) and not upgraded:
            words = f"line {loader.tag.line}: browsers keep {loader.url} out of a page that comes by https"
            yield Finding(
                "https", Status.FAULT, words, loader.corrected(installation, pinned=loader.is_pinned)
            )


def _is_insecure(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_own = ip_address(host).is_loopback
    except ValueError:
        is_own = host == "localhost" or host.endswith(".localhost")
    return parts.scheme == "http" and not is_own


def _circumstances(page: Page) -> Iterator[Finding]:
    if not page.has_doctype:
        words = "there is none, so browsers lay the page out by old rules, and sizes may be off"
        yield Finding("doctype", Status.WARNING, words, "<!doctype html>")
    embedder = page.headers.get("cross-origin-embedder-policy", "").partition(";")[0].strip().lower()
    if embedder in {"require-corp", "credentialless"}:
        words = f"Cross-Origin-Embedder-Policy {embedder}: loader, bundle and frames allow it"
        yield Finding("isolation", Status.OK, words)
    opener = page.headers.get("cross-origin-opener-policy", "").partition(";")[0].strip().lower()
    if opener:
        words = f"Cross-Origin-Opener-Policy {opener}: popups are part of the page, so nothing depends on it"
        yield Finding("isolation", Status.OK, words)
    referrer = page.headers.get("referrer-policy", "").rpartition(",")[2].strip().lower()
    if referrer in {"no-referrer", "same-origin"}:
        words = f"Referrer-Policy {referrer}: tokens go by the Origin header, so nothing depends on it"
        yield Finding("referrer", Status.OK, words)
