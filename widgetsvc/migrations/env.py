"""Alembic's entry: runs the revisions on the connection that `widgetsvc.database` hands over."""

from alembic import context

from widgetsvc.calendars.store.schema import metadata as calendars
from widgetsvc.gateway.schema import metadata as gateway

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=[calendars, gateway],
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
