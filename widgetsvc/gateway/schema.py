"""The gateway's tables. Instants are Unix seconds; secret keys are hashed, signing secrets encrypted."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from widgetsvc.naming import CONVENTION

metadata = MetaData(naming_convention=CONVENTION)

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Integer, primary_key=True),
    Column("slug", String(64), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("access", String(16), nullable=False),
    Column("permissions", JSON, nullable=False),
    Column("tzid", String(64), nullable=False),
    Column("suspended", Boolean, nullable=False),
    Column("publishable_key", String(64), nullable=False, unique=True),
    Column("secret_key_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

origin_rules = Table(
    "origin_rules",
    metadata,
    Column("tenant_id", ForeignKey(tenants.c.tenant_id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("rule", String(512), nullable=False, index=True),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("tenant_id", ForeignKey(tenants.c.tenant_id, ondelete="CASCADE"), primary_key=True),
    Column("kid", String(64), primary_key=True),
    Column("alg", String(16), nullable=False),
    Column("secret_encrypted", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

tenant_calendars = Table(
    "tenant_calendars",
    metadata,
    Column("tenant_id", ForeignKey(tenants.c.tenant_id, ondelete="CASCADE"), primary_key=True),
    Column("application_calendar_id", String(200), primary_key=True),
    Column("upstream_id", String(255), nullable=False, unique=True),
    Column("sub", String(64)),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("tenant_id", "sub"),
)
