"""Puts the embedded backend beside the gateway, each with errors of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PREFIXES = ("/v1/", "/oauth/", "/schedule/", "/feeds/")


class BackendDispatcher:
    """WSGI: the API, its hosted pages and feeds go to the backend, everything else to the gateway."""

    def __init__(self, gateway: WSGIApplication, backend: WSGIApplication) -> None:
        self._gateway = gateway
        self._backend = backend

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Route by path, without a rewrite: both know their full paths."""
        ours = environ.get("PATH_INFO", "").startswith(_PREFIXES)
        return (self._backend if ours else self._gateway)(environ, start_response)
