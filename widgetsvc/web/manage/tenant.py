"""`/manage/v1/tenant`: the tenant itself."""

from typing import Annotated, Any

from pydantic import Field

from widgetsvc.errors import InvalidName, InvalidOriginRule, InvalidValue, PermissionNotAllowed
from widgetsvc.gateway.tenant_models import Access, Tenant, TenantUpdate
from widgetsvc.permissions import Element, Permission
from widgetsvc.services import current_services
from widgetsvc.urls import origin_of
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import Answer, Reply, Resource
from widgetsvc.web.manage.models import Document, Patch, example
from widgetsvc.web.manage.preconditions import version_to_change

resource = Resource(
    "Tenant",
    "Whose key you hold: its name, its policy, and the origins of the pages that may embed. "
    "What the operator has granted, permissions and elements, you can give up, but not extend.",
)

_MAX_RULES = 200
_MAX_URL = 2_048

_EXAMPLE: dict[str, Any] = {
    "tenant": "acme",
    "name": "Acme Stores",
    "publishable_key": "pk_LZsXWQxi3oTM3Vg8YyFUCsc4z4kCrB2a",
    "access": "public",
    "allowed_origins": ["https://jobs.example.com", "https://*.shops.example.com"],
    "permissions": ["agenda", "availability"],
    "elements": None,
    "tzid": "Europe/London",
    "lazy_calendars": False,
    "single_use_assertions": False,
    "test_mode": False,
    "jwks_url": None,
    "version": 7,
}


class TenantDocument(Document):
    """A tenant. `elements` is null where every element that the permissions cover may be embedded."""

    model_config = example(**_EXAMPLE)

    tenant: Annotated[str, Field(description="The slug, by which the operator calls the tenant.")]
    name: str
    publishable_key: Annotated[str, Field(description="The newest one, for markup.")]
    access: Access
    allowed_origins: list[str]
    permissions: list[Permission]
    elements: list[Element] | None
    tzid: str
    lazy_calendars: Annotated[
        bool, Field(description="Whether an assertion may name calendars that do not exist yet.")
    ]
    single_use_assertions: Annotated[
        bool, Field(description="Whether every assertion has to carry a `jti`, and is good once.")
    ]
    test_mode: Annotated[
        bool,
        Field(description="Whether pages may simulate failures (`data-simulate`); grants nothing."),
    ]
    jwks_url: str | None
    version: Annotated[int, Field(description="Grows with every change; also the entity tag, as `v7`.")]


class TenantPatch(Patch):
    """What to change; a member that is absent stays as it is."""

    model_config = example(allowed_origins=["https://jobs.example.com"])

    name: Annotated[str, Field(description="1 to 255 printable characters.")] = ""
    allowed_origins: Annotated[
        list[str],
        Field(
            default_factory=list,
            max_length=_MAX_RULES,
            description="Replaces the list. A rule is an origin; `*.` may stand for any sub-domain, `:*` for "
            "any port.",
        ),
    ]
    access: Annotated[Access, Field(strict=False)] = Access.PUBLIC
    permissions: Annotated[
        list[Annotated[Permission, Field(strict=False)]],
        Field(
            default_factory=list,
            min_length=1,
            description="Some of those that there are; only the operator adds others.",
        ),
    ]
    elements: Annotated[
        list[Annotated[Element, Field(strict=False)]] | None,
        Field(min_length=1, description="Some of those that there are; only the operator adds others."),
    ] = None
    tzid: Annotated[
        str, Field(description="The IANA zone of office hours.", examples=["Europe/London", "Etc/UTC"])
    ] = ""
    lazy_calendars: bool = False
    single_use_assertions: bool = False
    test_mode: bool = False
    jwks_url: Annotated[
        str | None,
        Field(
            max_length=_MAX_URL,
            description="Where the tenant publishes its signing keys (JWKS), over https; null for nowhere.",
        ),
    ] = None

    def update(self) -> TenantUpdate:
        """What the members that were sent change."""
        sent = self.model_fields_set
        return TenantUpdate(
            name=self.name if "name" in sent else None,
            allowed_origins=self.allowed_origins if "allowed_origins" in sent else None,
            access=self.access if "access" in sent else None,
            permissions=frozenset(self.permissions) if "permissions" in sent else None,
            elements=frozenset(self.elements) if self.elements is not None else None,
            every_element="elements" in sent and self.elements is None,
            tzid=self.tzid if "tzid" in sent else None,
            lazy_calendars=self.lazy_calendars if "lazy_calendars" in sent else None,
            single_use_assertions=self.single_use_assertions if "single_use_assertions" in sent else None,
            test_mode=self.test_mode if "test_mode" in sent else None,
            jwks_url=self.jwks_url,
            no_jwks_url="jwks_url" in sent and self.jwks_url is None,
        )


@resource.endpoint("GET", "/tenant", {200: Answer("The tenant.", TenantDocument)}, versioned=True)
def read_tenant(caller: Caller) -> Reply:
    """Read the tenant."""
    return _reply(caller.tenant)


@resource.endpoint(
    "PATCH",
    "/tenant",
    {200: Answer("The tenant as it is now.", TenantDocument)},
    body=TenantPatch,
    errors=(InvalidOriginRule, InvalidName, InvalidValue, PermissionNotAllowed),
    versioned=True,
)
def update_tenant(caller: Caller, body: TenantPatch) -> Reply:
    """Change the tenant.

    `allowed_origins` replaces the whole list; a text that is no rule is named in the refusal, and nothing is
    changed. Permissions and elements can only be narrowed: what is given up, the operator alone gives back.
    Changes reach every process of the service within a second.
    """
    wanted = body.update()
    _check_grant(caller.tenant, wanted)
    _check_jwks_url(wanted.jwks_url)
    version = version_to_change(caller.tenant.version)
    if wanted.permissions is not None or wanted.elements is not None:
        # The operator may take away meanwhile what was checked here: it must not come back by this.
        version = caller.tenant.version
    return _reply(current_services().tenants.update(caller.tenant, wanted, version=version, by=caller.by))


def _check_grant(tenant: Tenant, wanted: TenantUpdate) -> None:
    granted = tenant.policy
    further = sorted((wanted.permissions or frozenset()) - granted.permissions)
    if further:
        raise PermissionNotAllowed(
            f"The operator has not granted {tenant.name} {', '.join(further)}; there are "
            f"{', '.join(sorted(granted.permissions))}. Ask the operator to extend them."
        )
    if granted.elements is None:
        return
    if wanted.every_element or not (wanted.elements or frozenset()) <= granted.elements:
        raise PermissionNotAllowed(
            f"The operator has granted {tenant.name} these elements: {', '.join(sorted(granted.elements))}. "
            "Ask the operator for others."
        )


def _check_jwks_url(url: str | None) -> None:
    if url is not None and not (url.startswith("https://") and origin_of(url) and url.isprintable()):
        raise InvalidValue(
            "jwks_url must be an address that begins with https://, such as "
            "https://www.example.com/.well-known/jwks.json.",
            field="jwks_url",
        )


def _reply(tenant: Tenant) -> Reply:
    policy = tenant.policy
    document = TenantDocument(
        tenant=tenant.slug,
        name=tenant.name,
        publishable_key=tenant.publishable_key,
        access=policy.access,
        allowed_origins=[str(rule) for rule in tenant.origins],
        permissions=sorted(policy.permissions),
        elements=None if policy.elements is None else sorted(policy.elements),
        tzid=policy.tzid,
        lazy_calendars=policy.lazy_calendars,
        single_use_assertions=policy.single_use_assertions,
        test_mode=policy.test_mode,
        jwks_url=tenant.jwks_url,
        version=tenant.version,
    )
    return Reply(document, version=tenant.version)
