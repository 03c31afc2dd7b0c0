"""What a database holds, as whoever steals it reads it."""

from sqlalchemy import Engine, MetaData, select


def everything(engine: Engine) -> bytes:
    """Every value of every row, binary ones as they are."""
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        values = [
            value
            for table in tables.sorted_tables
            for row in connection.execute(select(table))
            for value in row
        ]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)
