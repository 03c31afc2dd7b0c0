"""`/manage/v1/audit`: what was done to the tenant, and by whom."""

from typing import Annotated, Any

from pydantic import Field

from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Instant, Page, example
from widgetsvc.web.manage.paging import PageQuery, cut

resource = Resource("Audit trail", "Every change to the tenant and to what is its own, and who made it.")

_EXAMPLE: dict[str, Any] = {
    "entry_id": 42,
    "at": "2031-06-25T09:00:00Z",
    "by": "key key_5b0f8d7c2e91",
    "action": "tenant.updated",
    "subject": None,
    "details": {"tzid": ["Etc/UTC", "Europe/London"]},
}


class AuditEntry(Document):
    """A change: what, when, and by the operator or a server with a key."""

    model_config = example(**_EXAMPLE)

    entry_id: int
    at: Instant
    by: Annotated[str, Field(description="`operator`, or `key` and the id of a secret key.")]
    action: Annotated[str, Field(description="Such as `tenant.updated`; further ones may come.")]
    subject: Annotated[str | None, Field(description="The id of what was changed, if not the tenant itself.")]
    details: Annotated[dict[str, Any], Field(description="For changed members: what they were, and are.")]


class AuditPage(Page[AuditEntry]):
    """Changes, the newest first."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


@resource.endpoint("GET", "/audit", {200: Answer("A page of the changes.", AuditPage)}, query=PageQuery)
def read_audit_trail(caller: Caller, query: PageQuery) -> Reply:
    """List the changes.

    The newest first.
    """
    position = query.position("audit", "[0-9]{1,18}")
    found = current_services().trail.of(
        caller.tenant, query.limit + 1, before=None if position is None else int(position)
    )
    page, cursor = cut("audit", found, query.limit, lambda change: str(change.entry_id))
    return Reply(AuditPage(items=[AuditEntry.model_validate(change) for change in page], next_cursor=cursor))
