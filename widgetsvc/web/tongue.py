"""The language of a frame's own words, and how it writes days and times.

Source: Unicode CLDR, through Babel; RFC 4647, section 3.4 (lookup).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone_location

from widgetsvc.web.words import WORDS, Words

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_UTC = frozenset({"Etc/UTC", "UTC", "Etc/UCT", "UCT", "Etc/Zulu", "Zulu", "Etc/GMT", "GMT"})


@dataclass(frozen=True)
class Tongue:
    """A language that there are words in; `locale` is how it is written where the reader lives."""

    locale: Locale

    @property
    def tag(self) -> str:
        """The language tag (BCP 47), for `lang`."""
        return str(self.locale).replace("_", "-")

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`."""
        return direction(self.tag)

    @property
    def words(self) -> Words:
        """Its sentences."""
        return WORDS[self.locale.language]

    def day(self, day: date) -> str:
        """`Monday, 23 November 2026`."""
        return format_date(day, "full", locale=self.locale)

    def clock(self, instant: int, tz: ZoneInfo) -> str:
        """`14:30`, or `2:30 PM`."""
        return format_time(datetime.fromtimestamp(instant, tz), "short", tzinfo=tz, locale=self.locale)

    def span(self, start: int, end: int, tz: ZoneInfo) -> str:
        """The clock times of a start and an end."""
        return f"{self.clock(start, tz)} \N{EN DASH} {self.clock(end, tz)}"

    def zone(self, tz: ZoneInfo) -> str:
        """`London`, the city that a zone is named after."""
        if tz.key in _UTC:
            return "UTC"
        if tz.key.startswith("Etc/"):
            return tz.key
        return str(get_timezone_location(tz, locale=self.locale, return_city=True))


def tongue_of(tags: Iterable[str]) -> Tongue:
    """The first of some languages, the best liked first, that there are words in; English if it is none."""
    return next(filter(None, map(_known, tags)), _known("en") or Tongue(Locale("en")))


def direction(tag: str) -> str:
    """How a language is written: `ltr` or `rtl`."""
    return "rtl" if tag.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


def offset(instant: int, tz: ZoneInfo) -> str:
    """How far clocks in a zone are from UTC at an instant: `UTC+1`, `UTC+5:30`."""
    ahead = datetime.fromtimestamp(instant, tz).utcoffset() or timedelta()
    hours, minutes = divmod(abs(ahead) // timedelta(minutes=1), 60)
    sign = "\N{MINUS SIGN}" if ahead < timedelta() else "+"
    return f"UTC{sign}{hours}:{minutes:02}" if minutes else f"UTC{sign}{hours}"


@cache
def _of(language: str, territory: str | None) -> Tongue:
    return Tongue(Locale(language, territory))


def _known(tag: str) -> Tongue | None:
    language, *rest = tag.split("-")
    language = language.lower()
    if language not in WORDS:
        return None
    territory = next((part.upper() for part in rest if len(part) == 2), None)
    try:
        return _of(language, territory)
    except UnknownLocaleError:
        return _of(language, None)
