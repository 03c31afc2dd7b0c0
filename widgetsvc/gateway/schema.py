"""The gateway's tables. Instants are Unix seconds; keys are hashed, secrets encrypted (`*_encrypted`)."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from widgetsvc.naming import CONVENTION

metadata = MetaData(naming_convention=CONVENTION)


def _of_a_tenant(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "tenant_id",
        ForeignKey("tenants.tenant_id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Integer, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("access", String(16), nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("elements", JSON(none_as_null=True)),
    Column("tzid", String(64), nullable=False),
    Column("lazy_calendars", Boolean, nullable=False),
    Column("single_use_assertions", Boolean, nullable=False),
    Column("jwks_url", String(2_048)),
    Column("test_mode", Boolean, nullable=False, server_default=false()),
    Column("suspended", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""`tenant_id` never comes again after a deletion: tokens in a shared cache carry it."""

tenant_keys = Table(
    "tenant_keys",
    metadata,
    Column("key_id", String(32), primary_key=True),
    _of_a_tenant(),
    Column("kind", String(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("publishable_key", String(64)),
    Column("hint", String(8), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Index(None, "tenant_id"),
)
"""Publishable keys are no secret and stand here whole; of secret keys there is the SHA-256 digest."""

origin_rules = Table(
    "origin_rules",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("rule", String(512), nullable=False, index=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("kid", String(64), primary_key=True),
    Column("alg", String(16), nullable=False),
    Column("secret_encrypted", LargeBinary),
    Column("public_key", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
)
"""HS256 has a secret, the other algorithms a public key (PEM or JWK)."""

tenant_calendars = Table(
    "tenant_calendars",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("application_calendar_id", String(200), primary_key=True),
    Column("upstream_id", String(255), nullable=False, unique=True),
    Column("sub", String(64)),
    Column("upstream_calendar_id", String(255)),
    Column("credentials_encrypted", LargeBinary),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("tenant_id", "sub"),
)

widgets = Table(
    "widgets",
    metadata,
    Column("widget_id", String(32), primary_key=True),
    _of_a_tenant(),
    Column("name", String(255), nullable=False),
    Column("element", String(32), nullable=False),
    Column("calendars", JSON, nullable=False),
    Column("query", JSON, nullable=False),
    Column("look", JSON, nullable=False),
    Column("after_pick", JSON, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index(None, "tenant_id", "created_at", "widget_id"),
)

used_assertions = Table(
    "used_assertions",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("jti", String(255), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

refused_origins = Table(
    "refused_origins",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("origin", String(300), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("page", String(2_048)),
    Column("nearest_rule", String(512)),
)

usage = Table(
    "usage",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("day", Date, primary_key=True),
    Column("element", String(32), primary_key=True),
    Column("outcome", String(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""`element` is empty for bare permissions; `outcome` is `hit`, `miss` or the code of a refusal."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _of_a_tenant(primary_key=True),
    Column("endpoint", String(64), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("status", Integer),
    Column("answer", JSON(none_as_null=True)),
    Column("created_at", BigInteger, nullable=False, index=True),
)
"""`status` and `answer` are NULL while the first request is under way."""

audit_trail = Table(
    "audit_trail",
    metadata,
    Column("entry_id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("tenant_id", Integer, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("by", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(300)),
    Column("details", JSON, nullable=False),
    Index(None, "tenant_id", "entry_id"),
    sqlite_autoincrement=True,
)
"""What was done to tenants and by whom; it outlives them. Processes follow it to forget what has changed."""
