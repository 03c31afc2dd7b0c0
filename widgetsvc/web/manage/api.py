"""The management API put together: its resources, and where they stand."""

from typing import Any

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from widgetsvc.web.manage import (
    audit,
    calendars,
    documents,
    keys,
    origins,
    signing_keys,
    tenant,
    usage,
    widgets,
)
from widgetsvc.web.manage.endpoint import PREFIX, Endpoint

RESOURCES = (
    tenant.resource,
    origins.resource,
    calendars.resource,
    widgets.resource,
    keys.resource,
    signing_keys.resource,
    usage.resource,
    audit.resource,
)

blueprint = Blueprint("manage", __name__)


class _Text(BaseConverter):
    """A part of a path that is any text, slashes included: an id is percent-encoded, and has been decoded."""

    regex = ".+"
    part_isolating = False


@blueprint.record_once
def _install_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["text"] = _Text


@blueprint.after_request
def _name_the_scheme(response: Response) -> Response:
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _add(endpoint: Endpoint) -> None:
    # Flask names views after functions, and calls them with the parts of the path.
    def view(**path: Any) -> Response:
        return endpoint(**path)

    blueprint.add_url_rule(
        f"{PREFIX}{endpoint.path}",
        endpoint=endpoint.handler.__name__,
        view_func=view,
        methods=[endpoint.method],
        provide_automatic_options=False,
    )


for _resource in RESOURCES:
    for _endpoint in _resource.endpoints:
        _add(_endpoint)
documents.install(blueprint, RESOURCES)
