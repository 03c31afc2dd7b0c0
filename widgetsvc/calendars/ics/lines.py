"""The structure of a calendar file: content lines with their numbers, and the components that they form.

Done before any property is understood, so that a fault is told with its line, and so that what nobody needs
(attachments, attendees, extensions) costs next to nothing. Source: RFC 5545 sections 3.1 and 3.6.
"""

import codecs
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

MAX_BYTES = 25_000_000
MAX_COMPONENTS = 200_000
_DEEPEST = 10

_BREAK = re.compile(rb"\r\n|\n|\r")
_NAME = re.compile(rb"\s*([A-Za-z0-9-]+)\s*[;:]")
_CONTROL = dict.fromkeys((*range(9), *range(11, 32), 127))


class CalendarFileError(Exception):
    """The file as a whole cannot be read; `str(error)` says in which line, and what to do."""


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END; `line` is the number of the BEGIN, and `properties` are unfolded."""

    name: str
    line: int
    properties: list[str] = field(default_factory=list)
    children: list["Component"] = field(default_factory=list)

    def text(self) -> str:
        """The component as iCalendar text, without its children."""
        return "\r\n".join((f"BEGIN:{self.name}", *self.properties, f"END:{self.name}", ""))


def calendars(data: bytes, wanted: Collection[str]) -> list[Component]:
    """The VCALENDARs of a file, with those properties alone whose names are wanted.

    Raises CalendarFileError.
    """
    if len(data) > MAX_BYTES:
        raise CalendarFileError(
            f"The file has more than {MAX_BYTES // 1_000_000} MB; export a shorter period, or several files."
        )
    found = _Builder(frozenset(wanted)).build(_content_lines(_utf8(data)))
    if not found:
        raise CalendarFileError(_no_calendar(data))
    return found


def _no_calendar(data: bytes) -> str:
    if data.startswith(b"PK"):
        return "This is a ZIP archive; unpack it, and import the .ics files in it."
    return "There is no BEGIN:VCALENDAR in it, so this is not a calendar file (.ics)."


def _utf8(data: bytes) -> bytes:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16").encode()
        except UnicodeError:
            raise CalendarFileError("The file begins as UTF-16 but is not; save it as UTF-8.") from None
    return data.removeprefix(codecs.BOM_UTF8)


def _content_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each unfolded line with the number of its first. Folds may part the bytes of a character."""
    begun, parts = 0, list[bytes]()
    for number, line in enumerate(_BREAK.split(data), 1):
        if line[:1] in {b" ", b"\t"}:
            parts.append(line[1:])
        elif line:
            if parts:
                yield begun, b"".join(parts)
            begun, parts = number, [line]
    if parts:
        yield begun, b"".join(parts)


class _Builder:
    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._calendars: list[Component] = []
        self._open: list[Component] = []
        self._count = 0

    def build(self, lines: Iterator[tuple[int, bytes]]) -> list[Component]:
        for number, line in lines:
            match = _NAME.match(line)
            if match is None:
                continue  # what a broken exporter left of an unfolded text
            name = match[1].decode().upper()
            if name == "BEGIN":
                self._begin(_word(line, match), number)
            elif name == "END":
                self._end(_word(line, match), number)
            elif self._open and name in self._wanted:
                self._open[-1].properties.append(_decoded(line, number))
        if self._open:
            last = self._open[-1]
            raise CalendarFileError(
                f"The file ends inside of the {last.name} that begins in line {last.line}: it has been cut "
                "off. Export or download it again."
            )
        return self._calendars

    def _begin(self, name: str, number: int) -> None:
        self._count += 1
        if self._count > MAX_COMPONENTS:
            raise CalendarFileError(
                f"Line {number}: there are more than {MAX_COMPONENTS:,} components; export a shorter period."
            )
        if len(self._open) == _DEEPEST:
            raise CalendarFileError(f"Line {number}: components are nested more than {_DEEPEST} deep.")
        component = Component(name, number)
        if self._open:
            self._open[-1].children.append(component)
        elif name == "VCALENDAR":
            self._calendars.append(component)
        else:
            raise CalendarFileError(f"Line {number}: BEGIN:{name[:40]} stands outside of any VCALENDAR.")
        self._open.append(component)

    def _end(self, name: str, number: int) -> None:
        if not self._open:
            raise CalendarFileError(f"Line {number}: END:{name[:40]} ends what was never begun.")
        begun = self._open.pop()
        if begun.name != name:
            raise CalendarFileError(
                f"Line {number}: END:{name[:40]}, but it is {begun.name[:40]} of line {begun.line} that has "
                "to end here. The file is damaged; export or download it again."
            )


def _word(line: bytes, match: re.Match[bytes]) -> str:
    return line[match.end() :].decode("ascii", "replace").strip().upper()


def _decoded(line: bytes, number: int) -> str:
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise CalendarFileError(
            f"Line {number} is not valid UTF-8; save the file as UTF-8, such as with "
            "`iconv -f WINDOWS-1252 -t UTF-8`."
        ) from None
    return text.translate(_CONTROL)
