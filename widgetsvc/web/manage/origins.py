"""`/manage/v1/origins`: which pages may embed, and why others may not."""

from typing import Annotated, Any

from pydantic import Field

from widgetsvc.errors import UnknownResource
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.refused_origins import RefusedOrigin
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import NOTHING, Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Instant, Page, Query, example
from widgetsvc.web.manage.paging import PageQuery, page_of

resource = Resource(
    "Origins",
    "Which pages may embed. The rules are the tenant's `allowed_origins`; here is what they come to.",
)

_EXAMPLE: dict[str, Any] = {
    "origin": "https://www.example.com",
    "count": 17,
    "first_seen_at": "2031-06-24T16:20:05Z",
    "last_seen_at": "2031-06-25T09:00:00Z",
    "page": "https://www.example.com/jobs",
    "nearest_rule": "https://jobs.example.com",
}


class ExplainQuery(Query):
    """The origin in question."""

    origin: Annotated[
        str,
        Field(
            description="As a browser sends it in the Origin header.", examples=["https://jobs.example.com"]
        ),
    ]


class OriginExplanation(Document):
    """Whether an origin may embed, the rule that decided or came nearest, and what would have to change."""

    model_config = example(
        allowed=False,
        rule="https://jobs.example.com",
        reason="http://jobs.example.com is not allowed: the rule https://jobs.example.com is for https "
        "pages, not for http pages.",
        suggestion="Add http://jobs.example.com, or, better, serve the page over https.",
    )

    allowed: bool
    rule: str | None
    reason: str
    suggestion: str | None


@resource.endpoint(
    "GET", "/origins/explain", {200: Answer("The decision.", OriginExplanation)}, query=ExplainQuery
)
def explain_origin(caller: Caller, query: ExplainQuery) -> Reply:
    """Explain an origin.

    Says whether its pages may embed, which rule decided or came nearest, and what would have to change.
    """
    found = explain(caller.tenant.origins, query.origin)
    return Reply(
        OriginExplanation(
            allowed=found.allowed, rule=found.rule, reason=found.reason, suggestion=found.suggestion
        )
    )


class RefusedOriginDocument(Document):
    """An origin that was refused; page and nearest rule are those of the last time."""

    model_config = example(**_EXAMPLE)

    origin: Annotated[str, Field(description="`(none)` where requests had no Origin header.")]
    count: int
    first_seen_at: Instant
    last_seen_at: Instant
    page: Annotated[str | None, Field(description="Where it happened, without query, as far as was told.")]
    nearest_rule: str | None


class RefusedOriginPage(Page[RefusedOriginDocument]):
    """Refused origins, the last seen first."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


class RefusedOriginQuery(Query):
    """The origin to forget."""

    origin: Annotated[str, Field(description="As it is listed.", examples=["https://www.example.com"])]


@resource.endpoint(
    "GET",
    "/origins/refused",
    {200: Answer("A page of the refused origins.", RefusedOriginPage)},
    query=PageQuery,
)
def list_refused_origins(caller: Caller, query: PageQuery) -> Reply:
    """List refused origins.

    Those that the rules would refuse today, too, the last seen first.
    """
    refused = current_services().refused_origins.all_of(caller.tenant)
    page, cursor = page_of("refused-origins", refused, query, _position)
    items = [RefusedOriginDocument.model_validate(each) for each in page]
    return Reply(RefusedOriginPage(items=items, next_cursor=cursor))


@resource.endpoint(
    "DELETE",
    "/origins/refused",
    {204: Answer("It is forgotten.")},
    query=RefusedOriginQuery,
    errors=(UnknownResource,),
)
def forget_refused_origin(caller: Caller, query: RefusedOriginQuery) -> Reply:
    """Forget a refused origin.

    It comes back to the list when it is refused again.
    """
    current_services().refused_origins.forget(caller.tenant, query.origin)
    return NOTHING


def _position(refused: RefusedOrigin) -> str:
    # Texts are in this order where the instants are in the reverse one.
    return f"{10**12 - refused.last_seen_at:012} {refused.origin}"
