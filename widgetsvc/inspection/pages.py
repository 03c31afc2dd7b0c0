"""What an examination needs to know of a page: its policies, and the elements that have to do with embeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from widgetsvc.inspection.csp import Disposition, Policy, Where, parse_policies

_METADATA = {"html", "head", "title", "base", "link", "meta", "style", "script", "noscript", "template"}

# What stands in these is not part of the page for a browser that runs scripts.
_INERT = {"template", "noscript", "textarea", "title", "iframe", "xmp", "noembed", "noframes"}

_BLOCKS = {"script", "style"}
_NOT_IN_META = {"frame-ancestors", "sandbox", "report-uri"}  # CSP Level 3, section 3.3
_POLICY = "content-security-policy"
_REPORT_ONLY = "content-security-policy-report-only"


@dataclass(frozen=True, slots=True)
class Tag:
    """An element by its start tag; an attribute without a value has an empty one."""

    name: str
    attributes: Mapping[str, str]
    line: int
    in_head: bool
    inside: "Tag | None" = None
    """The nearest container of an embed around it."""

    @property
    def data(self) -> dict[str, str]:
        """The data- attributes, without that prefix."""
        return {
            name.removeprefix("data-"): value
            for name, value in self.attributes.items()
            if name.startswith("data-")
        }

    @property
    def is_container(self) -> bool:
        """Whether an embed goes into it."""
        if self.name == "widgetsvc-embed":
            return True
        return "data-widgetsvc" in self.attributes and self.attributes["data-widgetsvc"] != "popup"


@dataclass(frozen=True, slots=True)
class Block:
    """A script or style element: its tag, and what stands in it."""

    tag: Tag
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page as its headers and HTML make it. Names of headers are lower case."""

    url: str
    headers: Mapping[str, str]
    """Those that came more than once are joined with commas (RFC 9110, section 5.3)."""
    policies: tuple[Policy, ...]
    html: str
    base: str
    """What relative addresses are resolved against."""
    has_doctype: bool
    tags: tuple[Tag, ...]
    """In the order of the document; what scripts would bring is not among them."""
    scripts: tuple[Block, ...]
    styles: tuple[Block, ...]

    def resolve(self, address: str) -> str | None:
        """The absolute URL of an attribute's value; None for what is no URL."""
        try:
            return urljoin(self.base, address.strip())
        except ValueError:
            return None

    @property
    def enforced(self) -> tuple[Policy, ...]:
        """The policies that keep something out."""
        return tuple(each for each in self.policies if each.disposition is Disposition.ENFORCE)


def read_page(url: str, headers: Sequence[tuple[str, str]], html: str) -> Page:
    """Read what a server sent for a URL."""
    joined: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    reader = _Reader()
    reader.feed(html)
    reader.close()
    policies = [
        *parse_policies(joined.get(_POLICY, "")),
        *parse_policies(joined.get(_REPORT_ONLY, ""), Disposition.REPORT),
    ]
    for text in reader.policies:
        policies += map(_as_in_meta, parse_policies(text, where=Where.META))
    return Page(
        url=url,
        headers=joined,
        policies=tuple(policies),
        html=html,
        base=_base(url, reader.base),
        has_doctype=reader.has_doctype,
        tags=tuple(reader.tags),
        scripts=tuple(Block(tag, "".join(text)) for tag, text in reader.blocks if tag.name == "script"),
        styles=tuple(Block(tag, "".join(text)) for tag, text in reader.blocks if tag.name == "style"),
    )


def _base(url: str, given: str | None) -> str:
    try:
        return urljoin(url, given.strip()) if given else url
    except ValueError:
        return url


def _as_in_meta(policy: Policy) -> Policy:
    kept = {name: values for name, values in policy.directives.items() if name not in _NOT_IN_META}
    return Policy(kept, policy.disposition, policy.where)


def _is_policy(attributes: Mapping[str, str]) -> bool:
    return attributes.get("http-equiv", "").strip().lower() == _POLICY


class _Reader(HTMLParser):
    """Follows the HTML standard (section 13.2) as far as the places of scripts and containers need it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Tag] = []
        self.blocks: list[tuple[Tag, list[str]]] = []
        self.policies: list[str] = []
        self.base: str | None = None
        self.has_doctype = False
        self._in_head = True
        self._in_block = False
        self._inert: list[str] = []
        self._containers: list[tuple[Tag, int]] = []

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        # The library fails on some; for HTML all of them are comments that end at the next > (13.2.5.42).
        return self.parse_bogus_comment(i, report)

    def handle_decl(self, decl: str) -> None:
        if decl.lower().split()[:2] == ["doctype", "html"] and not self.tags:
            self.has_doctype = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inert:
            if tag in _INERT:
                self._inert.append(tag)
            return
        if tag not in _METADATA:
            self._in_head = False
        attributes: dict[str, str] = {}
        for name, value in attrs:
            attributes.setdefault(name, value or "")
        inside = self._containers[-1][0] if self._containers else None
        read = Tag(tag, attributes, self.getpos()[0], self._in_head, inside)
        self.tags.append(read)
        self._keep(read)
        if tag in _INERT:
            self._inert.append(tag)

    def _keep(self, tag: Tag) -> None:
        attributes = tag.attributes
        if tag.name in _BLOCKS:
            self.blocks.append((tag, []))
            self._in_block = True
        elif tag.name == "base" and self.base is None:
            self.base = attributes.get("href")
        elif tag.name == "meta" and tag.in_head and _is_policy(attributes):
            self.policies.append(attributes.get("content", ""))
        if tag.is_container:
            self._containers.append((tag, 1))
        elif self._containers and tag.name == self._containers[-1][0].name:
            container, depth = self._containers[-1]
            self._containers[-1] = container, depth + 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML knows no <script/>: the slash means nothing.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._inert:
            if tag == self._inert[-1]:
                self._inert.pop()
            return
        if tag in _BLOCKS:
            self._in_block = False
        if self._containers and tag == self._containers[-1][0].name:
            container, depth = self._containers.pop()
            if depth > 1:
                self._containers.append((container, depth - 1))

    def handle_data(self, data: str) -> None:
        if self._in_block:
            self.blocks[-1][1].append(data)
        elif not self._inert and data.strip():
            self._in_head = False
