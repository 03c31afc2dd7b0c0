"""`/manage/v1/usage`: how many tokens the tenant's pages have asked for, and what became of it."""

import re
from datetime import date, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from widgetsvc.gateway.usage import UsageCount
from widgetsvc.permissions import Element
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Page, example
from widgetsvc.web.manage.paging import PageQuery, page_of

resource = Resource("Usage", "How many tokens your pages have asked for, by day (UTC), element and outcome.")

_MAX_DAYS = 366
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EXAMPLE: dict[str, Any] = {"day": "2031-06-25", "element": "slot-picker", "outcome": "hit", "count": 1_234}


def _day(text: object) -> object:
    # Left to itself, pydantic takes Unix seconds for a day, too.
    if isinstance(text, str) and not _ISO_DATE.fullmatch(text):
        raise PydanticCustomError("day", "must be a day such as 2031-06-25")
    return text


Day = Annotated[date, BeforeValidator(_day)]


class UsageQuery(PageQuery):
    """Which days are wanted, both included."""

    first: Annotated[Day, Field(alias="from", description="The first day.", examples=["2031-06-01"])]
    last: Annotated[
        Day,
        Field(
            alias="to",
            description=f"The last day, at most {_MAX_DAYS} days with the first.",
            examples=["2031-06-30"],
        ),
    ]

    @field_validator("last")
    @classmethod
    def _is_no_long_time_after(cls, last: date, info: ValidationInfo) -> date:
        first = info.data.get("first", last)
        if not timedelta() <= last - first < timedelta(days=_MAX_DAYS):
            raise PydanticCustomError("span", f"must be from 0 to {_MAX_DAYS - 1} days after from")
        return last


class UsageEntry(Document):
    """How many requests of one element had one outcome on a day; `element` is null for bare permissions."""

    model_config = example(**_EXAMPLE)

    day: date
    element: Element | None
    outcome: Annotated[
        str,
        Field(description="`hit`: a token was at hand. `miss`: one was made. Else the code of the refusal."),
    ]
    count: int


class UsagePage(Page[UsageEntry]):
    """Counts, in order of day, element and outcome."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


@resource.endpoint("GET", "/usage", {200: Answer("A page of the counts.", UsagePage)}, query=UsageQuery)
def read_usage(caller: Caller, query: UsageQuery) -> Reply:
    """Read the usage.

    In order of day, element and outcome.
    """
    counts = current_services().usage.between(caller.tenant, query.first, query.last)
    page, cursor = page_of("usage", counts, query, _position)
    return Reply(UsagePage(items=[UsageEntry.model_validate(each) for each in page], next_cursor=cursor))


def _position(each: UsageCount) -> str:
    return f"{each.day.isoformat()} {each.element or ''} {each.outcome}"
