"""What a widget is made of, as tenants write and read it: element, calendars, query, look, what follows.

The query is written for people: weekly hours on the wall clock of a zone, days and minutes. What it comes to
at a moment is the business of `widgetsvc.gateway.queries`. Bounds are Cronofy's (API, Availability) where it
has any, so that every query that is accepted here is one that Cronofy takes at every moment.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.permissions import Element, Permission
from widgetsvc.timezones import is_zone

MAX_CALENDARS = 50
MAX_PERIODS = 50
MAX_DAYS_AHEAD = 34
"""Cronofy looks at 35 days at a time, and today is one of them."""

DAY = 24 * 60
"""Minutes of a day."""

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_VIEWER_INTERVALS = (15, 30, 60)
_TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COLOR = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_LOCALE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_MAX_TEXTS = 300


_Misfit = tuple[tuple[int | str, ...], str]
"""A place in a draft, and what is wrong there."""


def _wrong(words: str) -> PydanticCustomError:
    return PydanticCustomError("widget", "{words}", {"words": words})


def _zone(name: str) -> str:
    if not is_zone(name):
        raise _wrong("is no IANA time zone such as Europe/London")
    return name


def _locale(tag: str) -> str:
    if not _LOCALE.fullmatch(tag):
        raise _wrong("is no language tag such as en-GB")
    return tag


def _start_time(text: str) -> str:
    if not _TIME_OF_DAY.fullmatch(text):
        raise _wrong("is no time of day such as 09:00")
    return text


def _end_time(text: str) -> str:
    if text != "24:00" and not _TIME_OF_DAY.fullmatch(text):
        raise _wrong("is no time of day such as 17:00, or 24:00")
    return text


def _date(value: object) -> object:
    if not isinstance(value, str):
        return value
    if _ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise _wrong("is no date such as 2031-12-25")


def _color(text: str) -> str:
    # The Elements throw while they draw where they cannot read a colour, and leave an empty place.
    if not _COLOR.fullmatch(text):
        raise _wrong("is no colour such as #0a7cff")
    return text


def _plain(text: str) -> str:
    if not text.isprintable():
        raise _wrong("must be plain text on one line")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        host = None
    # Browsers take a backslash for a slash, and drop tabs and line breaks, before they look for the host.
    if not host or parts.scheme != "https" or not text.isprintable() or set(text) & set('\\ <>"'):
        raise _wrong("is no address that begins with https://")
    if parts.username is not None or parts.password is not None:
        raise _wrong("must not have a user or password in it")
    return text


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _stretches(query: "WidgetQuery", first_weekday: int) -> list[tuple[int, int]]:
    """What a query's hours come to in minutes since the first of its days.

    Hours that touch at midnight are one stretch, but not if a day off may come between.
    """
    hours = sorted(
        (ahead * DAY + start, ahead * DAY + end)
        for ahead in range(query.days_ahead + 1)
        for each in query.weekly_hours
        if each.weekday == (first_weekday + ahead) % len(DAYS)
        for start, end in [each.minutes]
    )
    found: list[tuple[int, int]] = []
    for start, end in hours:
        last = found[-1][1] if found else -1
        if start < last or (start == last and (start % DAY or not query.days_off)):
            found[-1] = found[-1][0], max(end, last)
        else:
            found.append((start, end))
    return found


class _Part(BaseModel):
    """Base of all: strict types, unknown fields refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


CalendarId = Annotated[str, StringConstraints(min_length=1, max_length=180)]
TzId = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
Locale = Annotated[str, StringConstraints(max_length=64), AfterValidator(_locale)]
Date = Annotated[
    date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2031-12-25"]}),
]
Color = Annotated[
    str, AfterValidator(_color), WithJsonSchema({"type": "string", "pattern": f"^{_COLOR.pattern}$"})
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_plain)]
_BufferMinutes = Annotated[int, Field(ge=0, le=720)]


class DailyHours(_Part):
    """A stretch of one day of every week, on the wall clock of the query's zone; it ends on its day."""

    day: Day
    start_time: Annotated[
        str,
        AfterValidator(_start_time),
        WithJsonSchema({"type": "string", "pattern": f"^{_TIME_OF_DAY.pattern}$", "examples": ["09:00"]}),
    ]
    end_time: Annotated[
        str,
        AfterValidator(_end_time),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": f"^(?:{_TIME_OF_DAY.pattern}|24:00)$",
                "examples": ["17:00", "24:00"],
            }
        ),
    ]

    @model_validator(mode="after")
    def _ends_on_its_day(self) -> Self:
        if self.end_time <= self.start_time:
            raise _error(
                ("end_time",),
                "must be after start_time; hours over midnight are two entries, "
                "one until 24:00 and one from 00:00 on the next day",
            )
        return self

    @property
    def weekday(self) -> int:
        """Monday is 0, as in `date.weekday()`."""
        return DAYS.index(self.day)

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end in minutes since 00:00."""
        return _minutes(self.start_time), _minutes(self.end_time)


OFFICE_HOURS = tuple(DailyHours(day=day, start_time="09:00", end_time="17:00") for day in DAYS[:5])


class WidgetQuery(_Part):
    """Which times a picker offers. Without a `tzid` the hours are those of the tenant's zone.

    `days_ahead` counts the days after today. Of several calendars, `all` have to be free, or `any` one.
    """

    duration_minutes: Annotated[int, Field(ge=5, le=480)] = 30
    days_ahead: Annotated[int, Field(ge=0, le=MAX_DAYS_AHEAD)] = 14
    tzid: TzId | None = None
    weekly_hours: Annotated[
        tuple[DailyHours, ...], Field(strict=False, min_length=1, max_length=MAX_PERIODS)
    ] = OFFICE_HOURS
    days_off: Annotated[tuple[Date, ...], Field(strict=False, max_length=400)] = ()
    minimum_notice_minutes: Annotated[int, Field(ge=0, le=(MAX_DAYS_AHEAD + 1) * DAY)] = 0
    buffer_before_minutes: _BufferMinutes = 0
    buffer_after_minutes: _BufferMinutes = 0
    start_interval_minutes: Literal[5, 10, 15, 20, 30, 60] | None = None
    required: Literal["all", "any"] = "all"

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.minimum_notice_minutes >= (self.days_ahead + 1) * DAY:
            raise _error(("minimum_notice_minutes",), "leaves no time at all within days_ahead")
        weeks = [_stretches(self, weekday) for weekday in range(len(DAYS))]
        if max(end - start for week in weeks for start, end in week) < self.duration_minutes:
            raise _error(("weekly_hours",), "has no stretch as long as duration_minutes")
        most = max(map(len, weeks))
        if most > MAX_PERIODS:
            raise _error(
                ("weekly_hours",),
                f"comes to {most} stretches within days_ahead, and {MAX_PERIODS} can be asked for at a time: "
                "join some, or look less far ahead",
            )
        return self


_ELEMENT_COLORS = frozenset(
    {
        *("hairline", "primary", "primaryLight", "secondary", "background", "booked", "bookedSelected"),
        *("available", "availableHover", "availableActive"),
        *("unavailable", "unavailableHover", "unavailableActive"),
        *("black", "grey", "greyMid", "greyLight", "greyPale", "white"),
        *("red", "redLight", "redDark", "yellow", "green", "greenLight"),
    }
)
_DATE_TIME_PICKER_COLORS = frozenset(
    {
        *("black", "white", "neutralDark", "neutral", "neutralLight", "button", "buttonConfirm"),
        *("buttonHover", "buttonText", "buttonTextHover", "buttonActive", "buttonActiveText"),
    }
)
TextContext = Literal[
    "core",
    "agenda",
    "slot_picker",
    "availability_viewer",
    "date_time_picker",
    "availability_rules",
    "calendar_sync",
    "custom_formats",
]
_TextKey = Annotated[str, StringConstraints(max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
_Texts = Annotated[dict[_TextKey, Text], Field(max_length=_MAX_TEXTS)]


class WidgetLook(_Part):
    """How it looks and speaks: what the UI Elements take as `styles`, `locale`, `translations` and `config`.

    `texts` replaces words of the Element, by language, part of the bundle, and key: UI Elements
    documentation, Translations. `locale` is the visitor's browser's unless it is given.
    """

    locale: Locale | None = None
    colors: Annotated[dict[str, Color], Field(max_length=40)] = Field(default_factory=dict)
    class_prefix: (
        Annotated[str, StringConstraints(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] | None
    ) = None
    texts: Annotated[dict[Locale, dict[TextContext, _Texts]], Field(max_length=25)] = Field(
        default_factory=dict
    )
    week_start_day: Day | None = None
    confirm: bool | None = None
    """Whether a pick has to be confirmed; the Elements ask for that unless told otherwise."""

    @model_validator(mode="after")
    def _is_not_a_book(self) -> Self:
        count = sum(len(texts) for contexts in self.texts.values() for texts in contexts.values())
        if count > _MAX_TEXTS:
            raise _error(("texts",), f"has {count} texts; at most {_MAX_TEXTS}")
        return self


class Callback(_Part):
    """The page is told by the event `widgetsvc:slot-picked`, as it always is, and nothing else happens."""

    kind: Literal["callback"] = "callback"


class Message(_Part):
    """A text takes the place of the Element."""

    kind: Literal["message"]
    text: Text


class Redirect(_Part):
    """The visitor goes to an address, to which `slot_start` and `slot_end` are added as parameters."""

    kind: Literal["redirect"]
    url: Annotated[str, StringConstraints(max_length=2_048), AfterValidator(_web_address)]


AfterPick = Annotated[Callback | Message | Redirect, Field(discriminator="kind")]
"""What follows when a visitor has picked a time."""


class WidgetDraft(_Part):
    """A widget before it has an id: what a tenant decides of it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_plain)] | None = (
        None
    )
    element: Annotated[Element, Field(strict=False)]
    calendars: Annotated[tuple[CalendarId, ...], Field(strict=False, min_length=1, max_length=MAX_CALENDARS)]
    query: WidgetQuery = WidgetQuery()
    look: WidgetLook = WidgetLook()
    after_pick: AfterPick = Callback()

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        faults = list(_contradictions(self.as_document()))
        if faults:
            raise _error_of(faults)
        return self

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read a draft that was sent. Raises InvalidRequest with every fault in it."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            faults = faults_of(error)
            found = {(fault.field, fault.message) for fault in faults}
            more = (Fault(field_of(loc), words) for loc, words in _contradictions(document))
            faults += [fault for fault in more if (fault.field, fault.message) not in found]
            raise InvalidRequest(faults) from None

    def as_document(self) -> dict[str, Any]:
        """The draft as it was written: what was left out then is left out here."""
        return self.model_dump(mode="json", exclude_unset=True)


def takes_query(element: Element) -> bool:
    """Whether an element offers times, and so takes a query and is followed by something."""
    return element.permission is Permission.AVAILABILITY


def faults_of(error: ValidationError) -> list[Fault]:
    """What is wrong with a draft, each fault with its path."""
    lines = error.errors(include_url=False)
    # A list of faulty items alone is also said to be too short, since none of them counts.
    faulty = {line["loc"][:-1] for line in lines}
    return [
        Fault(field_of(line["loc"]), _words(line))
        for line in lines
        if line["type"] != "too_short" or not any(loc[: len(line["loc"])] == line["loc"] for loc in faulty)
    ]


def field_of(location: Sequence[int | str]) -> str:
    """A place in a draft as a path such as `query.weekly_hours[0].day`."""
    # pydantic names the chosen kind of a union as if it were a field.
    after_pick = location[:1] == ("after_pick",)
    parts = [*location[:1], *location[2:]] if after_pick else location
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:64]}" for part in parts)
    return path.removeprefix(".")


def _words(line: ErrorDetails) -> str:
    if line["type"] == "extra_forbidden":
        return "is no field here"
    if line["type"] == "missing":
        return "is missing"
    if line["type"] in {"tuple_type", "too_short"}:
        return "must be a list with something in it"
    return re.sub(r"^(?:Input|String|Value) should", "must", line["msg"])


def _error(location: tuple[int | str, ...], words: str) -> ValidationError:
    return _error_of([(location, words)])


def _error_of(faults: Sequence[_Misfit]) -> ValidationError:
    lines = [InitErrorDetails(type=_wrong(words), loc=location, input=None) for location, words in faults]
    return ValidationError.from_exception_data("widget", lines)


def _contradictions(draft: Mapping[str, Any]) -> Iterator[_Misfit]:
    """What in a draft does not go together, whether or not the rest of it is of the right types."""
    name = draft.get("element")
    if not isinstance(name, str) or name not in set(Element):
        return
    element = Element(name)
    calendars, query, look, after = (draft.get(part) for part in ("calendars", "query", "look", "after_pick"))
    if isinstance(calendars, list | tuple):
        if len(calendars) > 1 and not element.takes_many_calendars:
            yield ("calendars",), f"{element.value} shows one calendar"
        for index, calendar in enumerate(calendars):
            if calendar in calendars[:index]:
                yield ("calendars", index), "is named twice"
    yield from _query_contradictions(element, query, after)
    if isinstance(look, Mapping):
        yield from _look_contradictions(element, look)


def _query_contradictions(element: Element, query: object, after: object) -> Iterator[_Misfit]:
    if not takes_query(element):
        if query:
            yield ("query",), f"{element.value} offers no times, so there is nothing to ask for"
        if isinstance(after, Mapping) and after.get("kind") != "callback":
            yield ("after_pick",), f"nothing can be picked in {element.value}"
    elif isinstance(query, Mapping) and element is Element.AVAILABILITY_VIEWER:
        interval = query.get("start_interval_minutes")
        if interval is not None and interval not in _VIEWER_INTERVALS:
            allowed = ", ".join(map(str, _VIEWER_INTERVALS))
            yield ("query", "start_interval_minutes"), f"{element.value} draws rows of {allowed} minutes only"


def _look_contradictions(element: Element, look: Mapping[str, Any]) -> Iterator[_Misfit]:
    known = _DATE_TIME_PICKER_COLORS if element is Element.DATE_TIME_PICKER else _ELEMENT_COLORS
    colors = look.get("colors")
    for name in colors if isinstance(colors, Mapping) else ():
        if name not in known:
            yield (
                ("look", "colors", str(name)),
                f"is no colour of {element.value}; there are {_listed(known)}",
            )
    if look.get("week_start_day") is not None and element in _WITHOUT_WEEKS:
        yield ("look", "week_start_day"), f"{element.value} shows no weeks"
    if look.get("confirm") is not None and not takes_query(element):
        yield ("look", "confirm"), f"nothing can be picked in {element.value}"


_WITHOUT_WEEKS = frozenset({Element.AGENDA, Element.CALENDAR_SYNC, Element.SLOT_PICKER})


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
