"""Commands that run the service until they are ended."""

from pathlib import Path

import click

from widgetsvc import __version__
from widgetsvc.config import Settings, share_metrics
from widgetsvc.elements import VERSION
from widgetsvc.errors import UpstreamRejected, UpstreamUnavailable
from widgetsvc.wiring import build_bundle, build_operations, check_credentials

_HTTP_PORT = 80


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    """Run the service."""
    from widgetsvc import server  # noqa: PLC0415 - not needed by other commands

    settings = Settings.from_environment()
    if "public_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_url": _default_public_url(host, port)})
    address = server.listening_address(host, port)
    _prepare(settings)
    behind = f"Cronofy at {settings.api_url}" if settings.is_cloud else "the embedded backend"
    click.echo(f"widgetsvc {__version__} on {settings.public_url}, with {behind}. Ctrl-C ends it.", err=True)
    if workers > 1:
        share_metrics(settings.data_dir / "metrics")
    server.serve(settings, address=address, port=port, workers=workers)


def _default_public_url(host: str, port: int) -> str:
    """The address of the server itself; one that listens everywhere is reached at the loopback address."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}" if port == _HTTP_PORT else f"http://{name}:{port}"


def _prepare(settings: Settings) -> None:
    """Find every fault of the settings here, before there are processes, and do once what takes time."""
    build_operations(settings).close()
    if settings.is_cloud:
        _warn_of_upstream(settings)
    bundle = build_bundle(settings)
    if bundle.content is None:
        click.echo(
            f"No UI Elements bundle in {settings.elements_dir}, so pages load it from {bundle.src}. "
            f"`npm install cronofy-elements@{VERSION}` brings it here.",
            err=True,
        )


def _warn_of_upstream(settings: Settings) -> None:
    """Say so where Cronofy does not let the service in. It starts all the same, as that may pass."""
    try:
        check_credentials(settings)
    except UpstreamRejected as error:
        click.echo(f"Warning: Cronofy refuses this service's credentials. {error}", err=True)
    except UpstreamUnavailable as error:
        click.echo(f"Warning: Cronofy cannot be asked at the moment. {error}", err=True)


@click.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--partner-port", default=8081, show_default=True, type=click.IntRange(1, 65_535))
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the demo keeps its data.  [default: the folder `demo` in the data folder]",
)
def demo(port: int, partner_port: int, data_dir: Path | None) -> None:
    """Run the service and a partner's site that embeds it, with a demo tenant and its calendars."""
    from widgetsvc.demo.run import run_demo  # noqa: PLC0415 - the demo is not needed by other commands

    settings = Settings.from_environment()
    settings = settings.model_copy(
        update={
            "data_dir": data_dir or settings.data_dir / "demo",
            "public_url": f"http://127.0.0.1:{port}",
            "database_url": "",
        }
    )
    run_demo(settings, port=port, partner_port=partner_port)
