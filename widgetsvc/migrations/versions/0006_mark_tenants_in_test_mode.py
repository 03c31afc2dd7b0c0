"""Mark tenants whose pages may simulate failures."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays, so that processes of the version before can go on creating tenants.
    op.add_column("tenants", sa.Column("test_mode", sa.Boolean(), nullable=False, server_default=sa.false()))
