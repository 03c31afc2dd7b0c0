"""Markup for partners' pages, which leads visitors to the calendar even before a script has run."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from urllib.parse import urlencode

from widgetsvc.elements import HEIGHTS, STYLE_HASHES
from widgetsvc.loader import Loader
from widgetsvc.permissions import Element
from widgetsvc.urls import origin_of

ASSERTION_PLACEHOLDER = "…"
"""What stands in the markup where the tenant's server has to put an assertion."""

_LABELS = {
    Element.AGENDA: "See the agenda",
    Element.AVAILABILITY_RULES: "Set bookable hours",
    Element.AVAILABILITY_VIEWER: "See available times",
    Element.CALENDAR_SYNC: "See connected calendars",
    Element.DATE_TIME_PICKER: "Pick a day and time",
    Element.SLOT_PICKER: "Pick a time",
}
_PLAIN_JSX = re.compile(r"[\w .,:;/?=@~+#%()-]*", re.ASCII)

Attributes = Sequence[tuple[str, str | None]]
"""Names and values; None is for an attribute without a value."""


class Form(StrEnum):
    """How a calendar gets into a page."""

    SCRIPT = "script"
    """A container, and the loader that fills it."""
    ELEMENT = "element"
    """The custom element `<widgetsvc-embed>`, and the loader."""
    IFRAME = "iframe"
    """A frame, without a script in the page."""
    POPUP = "popup"
    """A link that opens the calendar above the page."""
    FLOATING = "floating"
    """A button in the corner of the page that does the same."""
    REACT = "react"
    """A component in TSX."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where this installation's parts are found. `api_url` is what the UI Elements call."""

    public_url: str
    api_url: str
    bundle_src: str
    bundle_integrity: str
    """Empty where the bundle comes from Cronofy's CDN."""
    loader: Loader

    @property
    def latest_url(self) -> str:
        """The loader that is always the current one."""
        return f"{self.public_url}/embed.js"

    @property
    def pinned_url(self) -> str:
        """The current loader under the address that stays the same for ever."""
        return f"{self.public_url}{self.loader.core.path}"

    @property
    def policy(self) -> Mapping[str, tuple[str, ...]]:
        """What a Content-Security-Policy has to allow for calendars in the page itself, by directive."""
        scripts = [self.public_url, origin_of(self.bundle_src) or self.public_url]
        return {
            "script-src": tuple(dict.fromkeys(scripts)),
            "connect-src": tuple(dict.fromkeys([self.public_url, self.api_url])),
            "style-src": STYLE_HASHES,
        }

    @property
    def frame_policy(self) -> Mapping[str, tuple[str, ...]]:
        """What a Content-Security-Policy has to allow for frames, by directive."""
        return {"frame-src": (self.public_url,)}

    def script_tag(self, attributes: Attributes = (), *, pinned: bool = True) -> str:
        """The loader's tag."""
        source: list[tuple[str, str | None]] = [("async", None), ("src", self.latest_url)]
        if pinned:
            integrity = self.loader.core.integrity
            source[1:] = [("src", self.pinned_url), ("integrity", integrity), ("crossorigin", "anonymous")]
        return f"{_start_tag('script', [*source, *attributes])}</script>"


@dataclass(frozen=True, slots=True)
class Embedded:
    """What is to be embedded: a widget of an element, or an element on calendars."""

    key: str
    element: Element
    calendars: tuple[str, ...] = ()
    widget: str | None = None
    locale: str | None = None
    tzid: str | None = None
    signed: bool = False
    """Whether visitors need an assertion."""
    label: str | None = None
    """What links and buttons that lead to it say; None for words that fit the element, in English."""

    @property
    def words(self) -> str:
        """What links and buttons that lead to it say."""
        return self.label or _LABELS[self.element]

    @property
    def height(self) -> int:
        """Pixels to reserve."""
        return HEIGHTS[self.element]

    @property
    def attributes(self) -> list[tuple[str, str | None]]:
        """What the loader reads."""
        chosen: list[tuple[str, str | None]] = [("data-key", self.key)]
        if self.widget is not None:
            chosen.append(("data-widget", self.widget))
        else:
            chosen.append(("data-element", self.element.value))
            chosen.append(_calendars(self.calendars))
        optional = {"data-tzid": self.tzid, "data-locale": self.locale}
        chosen += [(name, value) for name, value in optional.items() if value]
        return chosen + ([("data-assertion", ASSERTION_PLACEHOLDER)] if self.signed else [])

    def hosted_page(self, public_url: str) -> str:
        """The address of the page that holds nothing but the calendar, for frames and as a link."""
        what = f"widget/{self.widget}" if self.widget else self.element.value
        calendars = [] if self.widget else [("calendar", each) for each in self.calendars]
        optional = [("tzid", self.tzid), ("locale", self.locale)]
        query = [("key", self.key), *calendars, *((name, value) for name, value in optional if value)]
        fragment = f"#assertion={ASSERTION_PLACEHOLDER}" if self.signed else ""
        return f"{public_url}/frame/{what}?{urlencode(query)}{fragment}"


def _calendars(calendars: Sequence[str]) -> tuple[str, str]:
    return ("data-calendar", calendars[0]) if len(calendars) == 1 else ("data-calendars", " ".join(calendars))


def markup(installation: Installation, what: Embedded, form: Form, *, pinned: bool = True) -> str:
    """The markup of one embed, without a line at its end."""
    link = _link(installation, what)
    script = installation.script_tag(pinned=pinned)
    place = ("style", f"min-height: {what.height}px")
    match form:
        case Form.SCRIPT:
            container = _start_tag("div", [("data-widgetsvc", None), *what.attributes, place])
            return f"{container}\n  {link}\n</div>\n{script}"
        case Form.ELEMENT:
            # Browsers lay out an element that they do not know like a word in a line.
            shown = ("style", f"display: block; min-height: {what.height}px")
            container = _start_tag("widgetsvc-embed", [*what.attributes, shown])
            return f"{container}\n  {link}\n</widgetsvc-embed>\n{script}"
        case Form.POPUP:
            opened = [("data-widgetsvc", "popup"), ("href", what.hosted_page(installation.public_url))]
            return f"{_start_tag('a', [*opened, *what.attributes])}{escape(what.words)}</a>\n{script}"
        case Form.FLOATING:
            floating = [("data-form", "floating"), ("data-label", what.words), *what.attributes]
            tag = installation.script_tag(floating, pinned=pinned)
            return f"{tag}\n<noscript>{link}</noscript>"
        case Form.IFRAME:
            return _frame(installation, what)
        case Form.REACT:
            return _component(installation, what, pinned=pinned)


def _frame(installation: Installation, what: Embedded) -> str:
    size = [("width", "100%"), ("height", str(what.height)), ("loading", "lazy"), ("style", "border: 0")]
    source = ("src", what.hosted_page(installation.public_url))
    frame = _start_tag("iframe", [source, ("title", what.words), *size])
    return f"{frame}</iframe>\n<p>{_link(installation, what)}</p>"


def _link(installation: Installation, what: Embedded) -> str:
    address = [("href", what.hosted_page(installation.public_url))]
    return f"{_start_tag('a', address)}{escape(what.words)}</a>"


def _start_tag(name: str, attributes: Attributes) -> str:
    written = (each if value is None else f'{each}="{escape(value)}"' for each, value in attributes)
    return f"<{' '.join([name, *written])}>"


_COMPONENT = """\
import {{ useEffect, type DetailedHTMLProps, type HTMLAttributes }} from "react";

declare module "react" {{
  namespace JSX {{
    interface IntrinsicElements {{
      "widgetsvc-embed": DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement>;
    }}
  }}
}}

const LOADER = {loader};

export function Calendar() {{
  useEffect(() => {{
    if (document.querySelector(`script[src="${{LOADER.src}}"]`)) return;
    document.head.append(Object.assign(document.createElement("script"), LOADER));
  }}, []);
  return (
    <widgetsvc-embed
      {attributes}
      style={{{{ display: "block", minHeight: {height} }}}}
    >
      <a {link}>{label}</a>
    </widgetsvc-embed>
  );
}}"""


def _component(installation: Installation, what: Embedded, *, pinned: bool) -> str:
    loader = {"src": installation.latest_url, "async": True}
    if pinned:
        loader = {
            "src": installation.pinned_url,
            "integrity": installation.loader.core.integrity,
            "crossOrigin": "anonymous",
            "async": True,
        }
    members = "".join(f"  {name}: {json.dumps(value)},\n" for name, value in loader.items())
    return _COMPONENT.format(
        loader=f"{{\n{members}}}",
        attributes="\n      ".join(_jsx(name, value or "") for name, value in what.attributes),
        height=what.height,
        link=_jsx("href", what.hosted_page(installation.public_url)),
        label=what.words if _PLAIN_JSX.fullmatch(what.words) else f"{{{json.dumps(what.words)}}}",
    )


def _jsx(name: str, value: str) -> str:
    """An attribute in JSX, whose strings know character references and no escapes; braces hold JavaScript."""
    return f'{name}="{value}"' if _PLAIN_JSX.fullmatch(value) else f"{name}={{{json.dumps(value)}}}"


def policy_lines(policy: Mapping[str, Iterable[str]]) -> list[str]:
    """Directives as they stand in a policy, one a line."""
    return [f"{name} {' '.join(sources)};" for name, sources in policy.items()]


def notes(installation: Installation, what: Embedded, form: Form) -> list[str]:
    """What has to be done besides pasting: sentences, and, indented, lines to be pasted elsewhere."""
    written = []
    if what.signed:
        written += [
            f"In place of {ASSERTION_PLACEHOLDER} your server puts an assertion, a JWT that it signs for",
            "this visitor, whenever it sends the page (README, Signed access).",
        ]
    if form is Form.IFRAME:
        written.append("Where the page has a Content-Security-Policy, it has to allow:")
        return written + [f"  {line}" for line in policy_lines(installation.frame_policy)]
    written.append("Where the page has a Content-Security-Policy, it has to allow:")
    written += [f"  {line}" for line in policy_lines(installation.policy)]
    written.append("With this in place of style-src's hashes, the calendar is shown in a frame:")
    return written + [f"  {line}" for line in policy_lines(installation.frame_policy)]


def as_comment(lines: Sequence[str], form: Form) -> str:
    """Notes as a comment of the language that the markup is in."""
    if form is Form.REACT:
        return "\n".join(f"// {line}" for line in lines)
    return "<!--\n" + "".join(f"  {line}\n" for line in lines) + "-->"
