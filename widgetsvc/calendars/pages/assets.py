"""What the pages are made of, handed in by whoever assembles the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, current_app

_EXTENSION = "widgetsvc.calendars.pages"


@dataclass(frozen=True, slots=True)
class PageAssets:
    """Where templates, static files and the UI Elements bundle are.

    `static_url` has no slash at its end. `bundle_integrity` is None for a copy that claims none.
    `style_hashes` are those of the bundle's style elements, as CSP hash-sources.
    """

    templates: Path
    static_url: str
    bundle_src: str
    bundle_integrity: str | None
    style_hashes: Sequence[str]

    def attach(self, app: Flask) -> None:
        """Make these the assets of a Flask application's pages."""
        app.template_folder = str(self.templates)
        app.extensions[_EXTENSION] = self


def current_assets() -> PageAssets:
    """The assets of the application that handles the current request."""
    assets: PageAssets = current_app.extensions[_EXTENSION]
    return assets
