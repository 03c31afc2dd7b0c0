"""Keep tenants' keys by themselves, their policies whole, widgets, usage and a trail of changes."""

import hashlib
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_tenants = sa.table(
    "tenants",
    sa.column("tenant_id", sa.Integer),
    sa.column("publishable_key", sa.String),
    sa.column("secret_key_hash", sa.LargeBinary),
    sa.column("created_at", sa.BigInteger),
)


def upgrade() -> None:
    _create_tables()
    _move_keys()
    _extend_tables()


def _of_a_tenant(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    return sa.Column("tenant_id", sa.Integer(), nullable=False), sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.tenant_id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="CASCADE"
    )


def _create_tables() -> None:
    op.create_table(
        "tenant_keys",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        *_of_a_tenant("tenant_keys"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("publishable_key", sa.String(length=64), nullable=True),
        sa.Column("hint", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_tenant_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_tenant_keys_digest")),
    )
    op.create_index(op.f("ix_tenant_keys_tenant_id"), "tenant_keys", ["tenant_id"])
    op.create_table(
        "widgets",
        sa.Column("widget_id", sa.String(length=32), nullable=False),
        *_of_a_tenant("widgets"),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("element", sa.String(length=32), nullable=False),
        sa.Column("calendars", sa.JSON(), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("look", sa.JSON(), nullable=False),
        sa.Column("after_pick", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("widget_id", name=op.f("pk_widgets")),
    )
    op.create_index(
        op.f("ix_widgets_tenant_id_created_at_widget_id"), "widgets", ["tenant_id", "created_at", "widget_id"]
    )
    op.create_table(
        "used_assertions",
        *_of_a_tenant("used_assertions"),
        sa.Column("jti", sa.String(length=255), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "jti", name=op.f("pk_used_assertions")),
    )
    op.create_index(op.f("ix_used_assertions_expires_at"), "used_assertions", ["expires_at"])
    op.create_table(
        "refused_origins",
        *_of_a_tenant("refused_origins"),
        sa.Column("origin", sa.String(length=300), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.String(length=2048), nullable=True),
        sa.Column("nearest_rule", sa.String(length=512), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "origin", name=op.f("pk_refused_origins")),
    )
    op.create_table(
        "usage",
        *_of_a_tenant("usage"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("element", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "element", "outcome", name=op.f("pk_usage")),
    )
    op.create_table(
        "idempotency_keys",
        *_of_a_tenant("idempotency_keys"),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "endpoint", "idempotency_key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])
    op.create_table(
        "audit_trail",
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_audit_trail")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_trail_tenant_id_entry_id"), "audit_trail", ["tenant_id", "entry_id"])


def _move_keys() -> None:
    connection = op.get_bind()
    keys = sa.table(
        "tenant_keys",
        *(
            sa.column(name)
            for name in ("key_id", "tenant_id", "kind", "publishable_key", "hint", "created_at")
        ),
        sa.column("digest", sa.LargeBinary),
    )
    for tenant in connection.execute(sa.select(_tenants)).all():
        shared = {"tenant_id": tenant.tenant_id, "created_at": tenant.created_at}
        publishable = {
            "kind": "publishable",
            "digest": hashlib.sha256(tenant.publishable_key.encode()).digest(),
            "publishable_key": tenant.publishable_key,
            "hint": tenant.publishable_key[-4:],
        }
        secret = {
            "kind": "secret",
            "digest": tenant.secret_key_hash,
            "publishable_key": None,
            # Only the digest is known; the end of the key is not.
            "hint": "",
        }
        for kind in (publishable, secret):
            row = {"key_id": f"key_{secrets.token_hex(6)}", **shared, **kind}
            connection.execute(sa.insert(keys).values(row))


def _extend_tables() -> None:
    with op.batch_alter_table("tenants", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.drop_constraint(op.f("uq_tenants_publishable_key"), type_="unique")
        batch.drop_constraint(op.f("uq_tenants_secret_key_hash"), type_="unique")
        batch.drop_column("publishable_key")
        batch.drop_column("secret_key_hash")
        batch.add_column(sa.Column("elements", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("lazy_calendars", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(
            sa.Column("single_use_assertions", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column("jwks_url", sa.String(length=2048), nullable=True))
        batch.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("updated_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE tenants SET updated_at = created_at")
    # Each of the two makes the table anew, and has to say so.
    with op.batch_alter_table("tenants", table_kwargs={"sqlite_autoincrement": True}) as batch:
        for column in ("lazy_calendars", "single_use_assertions", "version", "updated_at"):
            batch.alter_column(column, server_default=None)
    with op.batch_alter_table("signing_keys") as batch:
        batch.alter_column("secret_encrypted", existing_type=sa.LargeBinary(), nullable=True)
        batch.add_column(sa.Column("public_key", sa.Text(), nullable=True))
        batch.add_column(sa.Column("expires_at", sa.BigInteger(), nullable=True))
    op.add_column("tenant_calendars", sa.Column("upstream_calendar_id", sa.String(length=255), nullable=True))
    op.add_column("tenant_calendars", sa.Column("credentials_encrypted", sa.LargeBinary(), nullable=True))
