"""The backend's tables. Instants are Unix seconds, tokens and secrets are SHA-256 hashes."""

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
)

from widgetsvc.naming import CONVENTION

metadata = MetaData(naming_convention=CONVENTION)

applications = Table(
    "applications",
    metadata,
    Column("application_id", Integer, primary_key=True),
    Column("client_id", String(64), nullable=False, unique=True),
    Column("client_secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("sub", String(64), primary_key=True),
    Column("application_id", ForeignKey(applications.c.application_id), nullable=False),
    Column("application_calendar_id", String(255), nullable=False),
    Column("profile_id", String(64), nullable=False, unique=True),
    Column("calendar_id", String(64), nullable=False, unique=True),
    Column("refresh_nonce", String(64), nullable=False),
    Column("refresh_token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("application_id", "application_calendar_id"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("sub", ForeignKey(accounts.c.sub, ondelete="CASCADE"), nullable=False, index=True),
    Column("nonce", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("event_uid", String(64), primary_key=True),
    Column("calendar_id", ForeignKey(accounts.c.calendar_id, ondelete="CASCADE"), nullable=False),
    Column("event_id", String(512), nullable=False),
    Column("summary", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("start_day", Date),
    Column("end_day", Date),
    Column("tzid", String(64)),
    Column("transparency", String(16), nullable=False),
    Column("tentative", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("calendar_id", "event_id"),
    Index(None, "calendar_id", "start_at", "end_at"),
)
