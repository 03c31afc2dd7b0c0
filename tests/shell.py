"""The command line, as operators and other programs use it."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from widgetsvc.app import create_app
from widgetsvc.cli import main
from widgetsvc.config import Settings
from widgetsvc.wiring import build_services


class Shell:
    """Runs commands on one data folder. A failure that is not a message to the operator fails the test."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.environment = {"WIDGETSVC_DATA_DIR": str(data_dir)}

    def try_(self, *args: str, stdin: bytes | None = None, **settings: str) -> Result:
        more = {f"WIDGETSVC_{name.upper()}": value for name, value in settings.items()}
        result = CliRunner().invoke(main, args, input=stdin, env=self.environment | more)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    @contextmanager
    def service(self) -> Iterator[FlaskClient]:
        """The service on the same data; it has no UI Elements bundle, which would take seconds."""
        no_bundle = {"WIDGETSVC_ELEMENTS_DIR": str(self.data_dir / "none")}
        settings = Settings.from_environment(self.environment | no_bundle)
        with closing(build_services(settings)) as services:
            yield create_app(settings, services).test_client()

    def __call__(self, *args: str) -> str:
        result = self.try_(*args)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: str) -> Any:
        return json.loads(self(*args, "--json"))

    def refused(self, *args: str) -> str:
        result = self.try_(*args)
        assert result.exit_code == 1
        assert result.stdout == ""
        return result.stderr

    def create_tenant(self, slug: str = "acme", name: str = "Acme Stores", *options: str) -> dict[str, Any]:
        created: dict[str, Any] = self.json("tenant", "create", slug, "--name", name, *options)
        return created
