"""The backend's tables. Instants are Unix seconds; tokens and secrets are SHA-256 hashes.

The one secret that is kept readable is the client secret, encrypted: notifications are signed with it.
"""

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
    SmallInteger,
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
    Column("client_secret_encrypted", LargeBinary),
    Column("name", String(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("sub", String(64), primary_key=True),
    Column("application_id", ForeignKey(applications.c.application_id), nullable=False),
    Column("kind", String(32), nullable=False, server_default="application_calendar"),
    Column("application_calendar_id", String(255)),
    Column("email", String(320)),
    Column("name", String(255)),
    Column("tzid", String(64)),
    Column("profile_id", String(64), nullable=False, unique=True),
    Column("calendar_id", String(64), nullable=False, unique=True),
    Column("profile_revoked_at", BigInteger),
    Column("refresh_nonce", String(64), nullable=False),
    Column("refresh_token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("feed_nonce", String(64)),
    Column("feed_token_hash", LargeBinary(32), unique=True),
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
    Column("event_id", String(512)),
    Column("ics_uid", String(512)),
    Column("summary", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("length_class", SmallInteger, nullable=False),
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
    UniqueConstraint("calendar_id", "ics_uid"),
    Index(
        "ix_events_time",
        "calendar_id",
        "length_class",
        "start_at",
        "event_uid",
        "end_at",
        "transparency",
        "tentative",
        "deleted",
    ),
)
"""Written through the API (then `event_id` is the application's own id) or imported (then `ics_uid` says from
what). `length_class` groups events by their length, so that a window's events are found without reading
all that began before it. The index gives pages their order, and holds all that busy times are made of."""

former_times = Table(
    "former_times",
    metadata,
    Column("former_time_id", Integer, primary_key=True),
    Column("event_uid", ForeignKey(events.c.event_uid, ondelete="CASCADE"), nullable=False, index=True),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
)
"""Where events stood before they were moved."""

availability_rules = Table(
    "availability_rules",
    metadata,
    Column("sub", ForeignKey(accounts.c.sub, ondelete="CASCADE"), primary_key=True),
    Column("availability_rule_id", String(64), primary_key=True),
    Column("tzid", String(64), nullable=False),
    Column("weekly_periods", JSON, nullable=False),
    Column("calendar_ids", JSON),
    Column("created_at", BigInteger, nullable=False),
)

available_periods = Table(
    "available_periods",
    metadata,
    Column("sub", ForeignKey(accounts.c.sub, ondelete="CASCADE"), primary_key=True),
    Column("available_period_id", String(64), primary_key=True),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("tzid", String(64)),
    Index(None, "sub", "start_at"),
)

scheduling_links = Table(
    "scheduling_links",
    metadata,
    Column("real_time_scheduling_id", String(64), primary_key=True),
    Column("application_id", ForeignKey(applications.c.application_id), nullable=False, index=True),
    Column("nonce", String(64), nullable=False),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("display_message", Text),
    Column("slot_start_at", BigInteger),
    Column("slot_end_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("no_times_displayed_at", BigInteger),
    Column("no_times_suitable_at", BigInteger),
)
"""Real-time scheduling; `request` is the body that created the link, without credentials. The last two say
when the application was told, which it is once."""

channels = Table(
    "channels",
    metadata,
    Column("channel_id", String(64), primary_key=True),
    Column("sub", ForeignKey(accounts.c.sub, ondelete="CASCADE"), nullable=False, index=True),
    Column("callback_url", String(2048), nullable=False),
    Column("filters", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", Integer, primary_key=True),
    Column("application_id", ForeignKey(applications.c.application_id), nullable=False),
    Column("channel_id", ForeignKey(channels.c.channel_id, ondelete="CASCADE"), index=True),
    Column("url", String(2048), nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False, index=True),
    Column("claimed_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)
"""The outbox: requests that are owed to applications, written in the transaction that causes them."""
