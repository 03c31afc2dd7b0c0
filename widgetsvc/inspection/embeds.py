"""The embeds of a page: whether the tenant, the calendars and the widgets that they name are there."""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from widgetsvc.errors import UnknownWidget
from widgetsvc.gateway.tenant_models import Access, Tenant
from widgetsvc.gateway.widgets import Widget
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.loaders import LoaderTag
from widgetsvc.inspection.pages import Page, Tag
from widgetsvc.permissions import Element
from widgetsvc.snippets import Installation
from widgetsvc.urls import origin_of

CHECK = "embed"

# The names of data- attributes that the loader reads (static/loader/wish.js), and options of the UI Elements.
ATTRIBUTES = (
    *("key", "widget", "element", "calendar", "calendars", "assertion", "mode", "form", "label", "height"),
    *("simulate", "theme", "tzid", "locale", "options", "texts", "widgetsvc"),
)
_OPTIONS = (
    *("availability-query", "availability-rule-id", "config", "locale-modifiers", "styles", "translations"),
    *("query", "authorization-url", "single-profile"),
)
_MODES = {"", "auto", "inline", "frame"}
_THEMES = {"", "auto", "light", "page"}
_FRAME_PARAMETERS = {"key", "calendar", "tzid", "locale", "options", "slot", "day", "host"}
_NEEDED_IN_SANDBOX = ("allow-scripts", "allow-same-origin")


class Form(StrEnum):
    """How an embed stands in the page."""

    SCRIPT = "script tag"
    ELEMENT = "<widgetsvc-embed>"
    CONTAINER = "container"
    POPUP = "popup"
    FLOATING = "floating button"
    FRAME = "iframe"


class Directory(Protocol):
    """What is known of the tenants."""

    def owner(self, publishable_key: str) -> Tenant | None:
        """The tenant that a publishable key names."""

    def owner_of_secret(self, secret_key: str) -> Tenant | None:
        """The tenant that a secret key names."""

    def calendar_fault(self, tenant: Tenant, calendars: Sequence[str]) -> str | None:
        """What keeps the tenant from embedding these calendars, if anything."""

    def widget(self, tenant: Tenant, widget_id: str) -> Widget:
        """A widget of the tenant. Raises UnknownWidget."""


@dataclass(frozen=True, slots=True)
class Embed:
    """An embed as its markup has it; what is not there is empty."""

    form: Form
    tag: Tag
    key: str
    element: str = ""
    widget: str = ""
    calendars: tuple[str, ...] = ()
    assertion: str = ""
    mode: str = ""

    @property
    def place(self) -> str:
        """Where it stands, and what it is, for people."""
        name = f" #{self.tag.attributes['id']}" if self.tag.attributes.get("id") else ""
        return f"line {self.tag.line}, {self.form}{name}"


def find_embeds(page: Page, loaders: Sequence[LoaderTag], installation: Installation) -> list[Embed]:
    """The embeds in the markup, in the order of the document; scripts can make more."""
    sources = {id(loader.tag): loader for loader in loaders}
    found = []
    for tag in page.tags:
        loader = sources.get(id(tag))
        if loader is not None and loader.embeds and loader.is_ours:
            floats = tag.attributes.get("data-form") == "floating"
            found.append(_from_data(Form.FLOATING if floats else Form.SCRIPT, tag))
        elif tag.name == "widgetsvc-embed":
            found.append(_from_data(Form.ELEMENT, tag))
        elif tag.name != "script" and "data-widgetsvc" in tag.attributes:
            found.append(_from_data(Form.CONTAINER if tag.is_container else Form.POPUP, tag))
        elif tag.name == "iframe":
            url = page.resolve(tag.attributes.get("src", ""))
            if url and origin_of(url) == installation.public_url and urlsplit(url).path.startswith("/frame/"):
                found.append(_from_frame(tag, url))
    return found


def _from_data(form: Form, tag: Tag) -> Embed:
    data = {name: value.strip() for name, value in tag.data.items()}
    many = data.get("calendars", "").split()
    return Embed(
        form,
        tag,
        data.get("key", ""),
        data.get("element", ""),
        data.get("widget", ""),
        tuple(dict.fromkeys(filter(None, [data.get("calendar", ""), *many]))),
        data.get("assertion", ""),
        data.get("mode", ""),
    )


def _from_frame(tag: Tag, url: str) -> Embed:
    parts = urlsplit(url)
    query = parse_qsl(parts.query)
    name = unquote(parts.path).removeprefix("/frame/")
    widget = name.removeprefix("widget/") if name.startswith("widget/") else ""
    return Embed(
        Form.FRAME,
        tag,
        dict(query).get("key", ""),
        "" if widget else name,
        widget,
        tuple(value for key, value in query if key == "calendar"),
        dict(parse_qsl(parts.fragment)).get("assertion", ""),
    )


def judge_embeds(
    embeds: Sequence[Embed], page: Page, directory: Directory, expected: Tenant | None, now: float
) -> Iterator[Finding]:
    """Say of each embed whether it will get what it asks for; `now` is in Unix seconds."""
    ids = Counter(tag.attributes["id"] for tag in page.tags if tag.attributes.get("id"))
    texts = {id(script.tag.inside): script.text for script in page.scripts if _is_json(script.tag)}
    for embed in embeds:
        tenant = directory.owner(embed.key) if embed.key else None
        problems = [
            *_key_problems(embed, tenant, directory, expected),
            *_wish_problems(embed, texts.get(id(embed.tag), "")),
            *(_tenant_problems(embed, tenant, directory, now) if tenant else ()),
            *_attribute_problems(embed),
        ]
        name = embed.tag.attributes.get("id", "")
        if ids[name] > 1:
            words = f'{ids[name]} elements have the id "{name}": scripts that look for it find the first one'
            problems.append((Status.WARNING, words, None))
        for status, words, fix in problems:
            yield Finding(CHECK, status, f"{embed.place}: {words}", fix)
        if not problems and tenant:
            yield Finding(CHECK, Status.OK, f"{embed.place}: {_described(embed)} of {tenant.slug}")


_Problem = tuple[Status, str, str | None]


def _is_json(tag: Tag) -> bool:
    return tag.inside is not None and tag.attributes.get("type", "").strip().lower() == "application/json"


def _described(embed: Embed) -> str:
    what = embed.widget or f"{embed.element} with {', '.join(embed.calendars)}"
    return f"{what}, with an assertion," if embed.assertion else what


def _key_problems(
    embed: Embed, tenant: Tenant | None, directory: Directory, expected: Tenant | None
) -> Iterator[_Problem]:
    if embed.key.startswith("sk_"):
        owner = directory.owner_of_secret(embed.key)
        slug = owner.slug if owner else "TENANT"
        words = (
            f"the secret key …{embed.key[-4:]} stands in the page, where everybody can read it: replace it "
            "at once, and put the publishable key (pk_…) here"
        )
        yield Status.FAULT, words, rotation(slug)
    elif not embed.key:
        name = "key=" if embed.form is Form.FRAME else "data-key"
        yield (
            Status.FAULT,
            f"has no {name}; `widgetsvc tenant list` shows the tenants' publishable keys",
            None,
        )
    elif tenant is None:
        words = f"no tenant has the key {embed.key[:48]!r}; `widgetsvc tenant list` shows all"
        yield Status.FAULT, words, None
    elif expected is not None and tenant.tenant_id != expected.tenant_id:
        words = f"is of the tenant {tenant.slug}, and not of {expected.slug}"
        yield Status.WARNING, words, f'data-key="{expected.publishable_key}"'


def rotation(slug: str) -> str:
    """The command that makes a secret key worthless, and a new one."""
    return f"widgetsvc tenant rotate-key {slug} --kind secret --overlap 0"


def _wish_problems(embed: Embed, script: str) -> Iterator[_Problem]:
    prefix = "" if embed.form is Form.FRAME else "data-"
    if embed.widget and (embed.element or embed.calendars):
        yield (
            Status.FAULT,
            f"{prefix}widget says it all: leave out {prefix}element and {prefix}calendar",
            None,
        )
    elif not embed.widget and not embed.element:
        yield Status.FAULT, f"has neither {prefix}element nor {prefix}widget", None
    elif embed.element and embed.element not in set(Element):
        near = get_close_matches(embed.element, [each.value for each in Element], 1)
        hint = f"; {near[0]} is meant?" if near else f"; there are {', '.join(sorted(Element))}"
        yield Status.FAULT, f"there is no element {embed.element[:48]!r}{hint}", None
    elif embed.element and not embed.calendars:
        yield Status.FAULT, f"has no {prefix}calendar: the id of one of the tenant's calendars", None
    elif embed.element and len(embed.calendars) > 1 and not Element(embed.element).takes_many_calendars:
        yield Status.FAULT, f"{embed.element} shows one calendar, and {len(embed.calendars)} are named", None
    if embed.mode not in _MODES:
        yield Status.FAULT, f"data-mode is {embed.mode[:48]!r}; there are auto, inline and frame", None
    if embed.form is not Form.FRAME:
        yield from _value_problems(embed.tag.data, script)


def _value_problems(data: Mapping[str, str], script: str) -> Iterator[_Problem]:
    theme = data.get("theme", "").strip()
    if theme not in _THEMES:
        yield Status.FAULT, f"data-theme is {theme[:48]!r}; there are auto, light and page", None
    if not (data.get("height") or "0").strip().isdecimal():
        yield Status.FAULT, f"data-height is {data['height'][:48]!r}, and not a number of pixels", None
    for name, text in [
        *((f"data-{name}", data.get(name, "")) for name in ("options", "texts")),
        ("", script),
    ]:
        if text.strip() and not _is_json_object(text):
            yield Status.FAULT, f"{name or 'its JSON script'} holds no JSON object", None
    if data.get("simulate"):
        words = f"data-simulate={data['simulate'][:48]!r} has visitors see a failure: take it out for them"
        yield Status.WARNING, words, None


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _tenant_problems(embed: Embed, tenant: Tenant, directory: Directory, now: float) -> Iterator[_Problem]:
    if tenant.suspended:
        yield Status.FAULT, f"{tenant.slug} is suspended", f"widgetsvc tenant resume {tenant.slug}"
    element, calendars = embed.element, embed.calendars
    if embed.widget:
        try:
            widget = directory.widget(tenant, embed.widget)
        except UnknownWidget as error:
            yield Status.FAULT, f"{error} `widgetsvc widget list {tenant.slug}` shows all.", None
            return
        element, calendars = widget.element.value, widget.calendars
    if element not in set(Element):
        return
    kind, policy = Element(element), tenant.policy
    if not policy.allows(kind):
        yield Status.FAULT, f"{tenant.slug}'s policy does not include {kind.value}", None
    signed = policy.access is Access.SIGNED or kind.needs_assertion
    if signed and not embed.assertion:
        why = (
            f"{tenant.slug} embeds signed only" if policy.access is Access.SIGNED else f"{kind.value} writes"
        )
        yield Status.FAULT, f"{why}, and there is no assertion", None
    elif embed.assertion and not embed.assertion.startswith("#"):
        yield from _assertion_problems(embed.assertion, now)
    lazily = policy.lazy_calendars and embed.assertion
    fault = directory.calendar_fault(tenant, calendars) if calendars and not lazily else None
    if fault:
        yield Status.FAULT, fault, None


def _assertion_problems(assertion: str, now: float) -> Iterator[_Problem]:
    """What can be seen without the key that it is signed with; its signature is not looked at."""
    try:
        payload = assertion.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        words = "its assertion is no JWT that expires: the tenant's server puts the one that it signs there"
        yield Status.FAULT, words, None
        return
    if expiry <= now:
        words = (
            f"its assertion was over {now - expiry:.0f} s ago: sign one for each visitor, and keep the page "
            "out of caches (Cache-Control: private, no-store)"
        )
        yield Status.FAULT, words, None


def _attribute_problems(embed: Embed) -> Iterator[_Problem]:
    if embed.form is Form.FRAME:
        yield from _frame_problems(embed.tag)
        return
    known = [*ATTRIBUTES, *_OPTIONS]
    for name in embed.tag.data:
        near = get_close_matches(name, known, 1, cutoff=0.75) if name not in known else []
        # Others' attributes are none of ours.
        if near:
            words = f"data-{name} is nothing that the loader reads; data-{near[0]} is meant?"
            yield Status.WARNING, words, None


def _frame_problems(tag: Tag) -> Iterator[_Problem]:
    query = parse_qsl(urlsplit(tag.attributes["src"]).query, keep_blank_values=True)
    for name in sorted({name for name, _ in query} - _FRAME_PARAMETERS):
        near = get_close_matches(name, _FRAME_PARAMETERS, 1)
        hint = f"; {near[0]} is meant?" if near else ""
        yield Status.FAULT, f"{name[:48]!r} is no parameter of frames{hint}", None
    if "sandbox" in tag.attributes:
        given = tag.attributes["sandbox"].lower().split()
        missing = [token for token in _NEEDED_IN_SANDBOX if token not in given]
        if missing:
            words = f"its sandbox has no {' and no '.join(missing)}, without which the calendar cannot run"
            yield Status.FAULT, words, f'sandbox="{" ".join([*given, *missing])}"'
    if not tag.attributes.get("title"):
        yield Status.WARNING, "has no title, by which screen readers tell what it is", None
