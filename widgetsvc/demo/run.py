"""Runs the demo: the service, and a partner's site on another origin."""

import logging
import threading
from contextlib import closing

import click
from werkzeug.serving import BaseWSGIServer, make_server

from widgetsvc.clock import system_clock
from widgetsvc.config import Settings
from widgetsvc.demo.calendars import INTERVIEWS, STORE, seed, share_link
from widgetsvc.demo.partner import Partner, create_partner_site
from widgetsvc.resources import STATIC, TEMPLATES
from widgetsvc.server import listening_address, serve
from widgetsvc.wiring import build_bundle, build_operations

_HOST = "127.0.0.1"


def run_demo(settings: Settings, *, port: int, partner_port: int) -> None:
    """Seed the demo tenant and serve until Ctrl-C. Raises ConfigurationError."""
    listening_address(_HOST, port, "--port (with make: PORT)")
    listening_address(_HOST, partner_port, "--partner-port (with make: PARTNER_PORT)")
    click.echo("Preparing the UI Elements bundle (a few seconds the first time) …", err=True)
    build_bundle(settings)
    click.echo("Filling two calendars around today …", err=True)
    with closing(build_operations(settings)) as operations:
        tenant = seed(operations, system_clock)
        link = share_link(operations, tenant, system_clock)
    partner = Partner(tenant.publishable_key, store=STORE, interviews=INTERVIEWS, scheduling_link=link)
    site = _partner_server(settings, partner, partner_port)
    threading.Thread(target=site.serve_forever, name="partner site", daemon=True).start()
    _print_where_to_look(settings, partner_port, link)
    try:
        serve(settings, address=_HOST, port=port)
    finally:
        site.shutdown()


def _partner_server(settings: Settings, partner: Partner, port: int) -> BaseWSGIServer:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    site = create_partner_site(settings.public_url, partner, templates=TEMPLATES, static=STATIC)
    return make_server(_HOST, port, site, threaded=True)


def _print_where_to_look(settings: Settings, partner_port: int, link: str) -> None:
    partner = f"http://localhost:{partner_port}"
    click.echo(
        f"""
  The partner's site      {partner}/
    with the script tag   {partner}/store
    with an iframe        {partner}/portal
    with the token        {partner}/frontend
  A scheduling link       {link}
  The service             {settings.public_url}/

  Ctrl-C ends both.
"""
    )
