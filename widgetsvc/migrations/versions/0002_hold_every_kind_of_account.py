"""Hold every kind of account, imported events, rules, scheduling links and channels."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scheduling_links",
        sa.Column("real_time_scheduling_id", sa.String(length=64), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("display_message", sa.Text(), nullable=True),
        sa.Column("slot_start_at", sa.BigInteger(), nullable=True),
        sa.Column("slot_end_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("no_times_displayed_at", sa.BigInteger(), nullable=True),
        sa.Column("no_times_suitable_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.application_id"],
            name=op.f("fk_scheduling_links_application_id"),
        ),
        sa.PrimaryKeyConstraint("real_time_scheduling_id", name=op.f("pk_scheduling_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_scheduling_links_token_hash")),
    )
    with op.batch_alter_table("scheduling_links", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_scheduling_links_application_id"), ["application_id"], unique=False
        )

    op.create_table(
        "availability_rules",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("availability_rule_id", sa.String(length=64), nullable=False),
        sa.Column("tzid", sa.String(length=64), nullable=False),
        sa.Column("weekly_periods", sa.JSON(), nullable=False),
        sa.Column("calendar_ids", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sub"], ["accounts.sub"], name=op.f("fk_availability_rules_sub"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sub", "availability_rule_id", name=op.f("pk_availability_rules")),
    )
    op.create_table(
        "available_periods",
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("available_period_id", sa.String(length=64), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("tzid", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["sub"], ["accounts.sub"], name=op.f("fk_available_periods_sub"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sub", "available_period_id", name=op.f("pk_available_periods")),
    )
    with op.batch_alter_table("available_periods", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_available_periods_sub_start_at"), ["sub", "start_at"], unique=False
        )

    op.create_table(
        "channels",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("sub", sa.String(length=64), nullable=False),
        sa.Column("callback_url", sa.String(length=2048), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sub"], ["accounts.sub"], name=op.f("fk_channels_sub"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("pk_channels")),
    )
    with op.batch_alter_table("channels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_channels_sub"), ["sub"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=True),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["applications.application_id"], name=op.f("fk_deliveries_application_id")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.channel_id"], name=op.f("fk_deliveries_channel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_channel_id"), ["channel_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_next_attempt_at"), ["next_attempt_at"], unique=False)

    op.create_table(
        "former_times",
        sa.Column("former_time_id", sa.Integer(), nullable=False),
        sa.Column("event_uid", sa.String(length=64), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=False),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_uid"], ["events.event_uid"], name=op.f("fk_former_times_event_uid"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("former_time_id", name=op.f("pk_former_times")),
    )
    with op.batch_alter_table("former_times", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_former_times_event_uid"), ["event_uid"], unique=False)

    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=32), server_default="application_calendar", nullable=False)
        )
        batch_op.add_column(sa.Column("email", sa.String(length=320), nullable=True))
        batch_op.add_column(sa.Column("name", sa.String(length=255), nullable=True))
        batch_op.add_column(sa.Column("tzid", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("feed_nonce", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("feed_token_hash", sa.LargeBinary(length=32), nullable=True))
        batch_op.alter_column("application_calendar_id", existing_type=sa.VARCHAR(length=255), nullable=True)
        batch_op.create_unique_constraint(batch_op.f("uq_accounts_feed_token_hash"), ["feed_token_hash"])

    with op.batch_alter_table("applications", schema=None) as batch_op:
        batch_op.add_column(sa.Column("client_secret_encrypted", sa.LargeBinary(), nullable=True))

    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("ics_uid", sa.String(length=512), nullable=True))
        batch_op.add_column(sa.Column("length_class", sa.SmallInteger(), nullable=False, server_default="3"))
        batch_op.alter_column("event_id", existing_type=sa.VARCHAR(length=512), nullable=True)
        batch_op.drop_index(batch_op.f("ix_events_calendar_id_start_at_end_at"))
        batch_op.create_index(
            "ix_events_time",
            [
                "calendar_id",
                "length_class",
                "start_at",
                "event_uid",
                "end_at",
                "transparency",
                "tentative",
                "deleted",
            ],
            unique=False,
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_events_calendar_id_ics_uid"), ["calendar_id", "ics_uid"]
        )

    # The default put every event there is into the widest class.
    op.execute(
        """
        UPDATE events SET length_class = CASE
            WHEN end_at - start_at <= 21600 THEN 0
            WHEN end_at - start_at <= 172800 THEN 1
            WHEN end_at - start_at <= 2764800 THEN 2
            ELSE 3
        END
        """
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.alter_column("length_class", existing_type=sa.SmallInteger(), server_default=None)
