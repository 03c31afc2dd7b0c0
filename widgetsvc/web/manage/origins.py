"""`/manage/v1/origins`: which pages may embed, and why others may not."""

from typing import Annotated

from pydantic import Field

from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Query, example

resource = Resource(
    "Origins",
    "Which pages may embed. The rules are the tenant's `allowed_origins`; here is what they come to.",
)


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
    """Say whether pages of an origin may embed, and why."""
    found = explain(caller.tenant.origins, query.origin)
    return Reply(
        OriginExplanation(
            allowed=found.allowed, rule=found.rule, reason=found.reason, suggestion=found.suggestion
        )
    )
