"""The partner's side of the demo: a furniture maker's site that embeds calendars, on an origin of its own."""

from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, render_template, request, send_from_directory

STRANGER_HOST = "127.0.0.1"
"""The site's other name. A tenant that allows only `http://localhost:…` does not allow this one."""


@dataclass(frozen=True, slots=True)
class Partner:
    """What the partner was given: a key, the ids of the calendars to embed, and a scheduling link."""

    publishable_key: str
    store: str
    interviews: str
    scheduling_link: str


def create_partner_site(service_url: str, partner: Partner, *, templates: Path, static: Path) -> Flask:
    """The site of “Harbour & Pine”; `templates` and `static` are the folders of the checkout or the wheel."""
    site = Flask(__name__, template_folder=templates, static_folder=None)

    @site.context_processor
    def shared() -> dict[str, object]:
        host, _, port = request.host.partition(":")
        return {
            "service_url": service_url.rstrip("/"),
            "key": partner.publishable_key,
            "calendars": partner,
            "origin": request.host_url.rstrip("/"),
            "stranger": host == STRANGER_HOST,
            "stranger_url": f"http://{STRANGER_HOST}:{port or 80}/store",
            "home_url": f"http://localhost:{port or 80}/",
        }

    @site.get("/")
    def index() -> str:
        return render_template("demo/index.html")

    @site.get("/store")
    def store() -> str:
        return render_template("demo/script-tag.html")

    @site.get("/portal")
    def portal() -> str:
        return render_template("demo/portal.html")

    @site.get("/frontend")
    def frontend() -> str:
        return render_template("demo/token.html")

    @site.get("/demo.css")
    def stylesheet() -> Response:
        return send_from_directory(static, "demo.css")

    return site
