"""How indexes and constraints are called, so that a migration can name them on every database.

Source: Alembic documentation, The Importance of Naming Constraints.
"""

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
