"""`widgetsvc snippet`: the markup that a partner pastes."""

import re
from typing import Any

import click

from widgetsvc.cli.embedding import installation
from widgetsvc.cli.support import TEXT, as_json, operations, print_json
from widgetsvc.config import Settings
from widgetsvc.gateway.tenant_models import Access, Tenant
from widgetsvc.permissions import Element
from widgetsvc.snippets import Embedded, Form, as_comment, markup, notes
from widgetsvc.timezones import is_zone
from widgetsvc.wiring import Operations


class _Zone(click.ParamType[str]):
    """A time zone by its IANA name."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_zone(value):
            self.fail(f"{value!r} is no IANA time zone such as Europe/London.", param, ctx)
        return value


class _Language(click.ParamType[str]):
    """A language tag (BCP 47), as far as its form goes."""

    name = "language"
    _form = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self._form.fullmatch(value):
            self.fail(f"{value!r} is no language tag such as en-GB.", param, ctx)
        return value


@click.command()
@click.argument("tenant", type=TEXT)
@click.option("--element", type=click.Choice([each.value for each in Element]), help="What is shown.")
@click.option(
    "--calendar", "calendars", multiple=True, type=TEXT, help="A calendar's id; repeat it for more."
)
@click.option("--widget", "widget_id", type=TEXT, help="A widget's id, in place of element and calendars.")
@click.option(
    "--form",
    type=click.Choice([each.value for each in Form]),
    default=Form.SCRIPT.value,
    show_default=True,
    help="How the calendar gets into the page; only iframe needs no script.",
)
@click.option("--label", type=TEXT, help="What the link says.  [default: such as “Pick a time”]")
@click.option("--locale", type=_Language(), help="A language.  [default: the page's, or the browser's]")
@click.option("--tzid", type=_Zone(), help="A time zone.  [default: the tenant's]")
@click.option(
    "--pinned/--latest",
    default=True,
    show_default=True,
    help="Name the very file of the loader, with its integrity, or whichever is current.",
)
@as_json
def snippet(tenant: str, *, form: str, pinned: bool, as_json: bool, **wanted: Any) -> None:
    """Print markup of TENANT to paste into a page.

    It leads visitors to the calendar before any script has run, and without one. Behind it a comment says
    what a Content-Security-Policy has to allow.

    \b
      widgetsvc snippet acme --element slot-picker --calendar store-42
      widgetsvc snippet acme --widget wgt_0123456789ab --form popup
    """  # noqa: D301 - click's mark for lines that stay lines
    settings = Settings.from_environment()
    parts = operations(settings)
    owner = parts.tenants.by_slug(tenant)
    place, kind = installation(settings), Form(form)
    what = _embedded(parts, owner, **wanted)
    written = markup(place, what, kind, pinned=pinned)
    warnings = _warnings(owner)
    if as_json:
        policy = place.frame_policy if kind is Form.IFRAME else place.policy
        print_json(
            {
                "tenant": tenant,
                "form": form,
                "markup": written,
                "hosted_page": what.hosted_page(place.public_url),
                "content_security_policy": {name: list(sources) for name, sources in policy.items()},
                "needs_assertion": what.signed,
                "warnings": warnings,
            }
        )
        return
    click.echo(written)
    click.echo(as_comment(notes(place, what, kind), kind))
    for warning in warnings:
        click.echo(warning, err=True)


def _embedded(
    parts: Operations,
    owner: Tenant,
    *,
    widget_id: str | None,
    element: str | None,
    calendars: tuple[str, ...],
    **look: str | None,
) -> Embedded:
    """What is meant. Raises what says that there is none such, or that the tenant may not embed it."""
    if widget_id is not None:
        if element or calendars:
            raise click.UsageError("--widget says it all: leave out --element and --calendar.")
        widget = parts.widgets.get(owner, widget_id)
        kind, calendars = widget.element, widget.calendars
    elif element and calendars:
        kind = Element(element)
        _check(parts, owner, kind, calendars)
    else:
        raise click.UsageError("Say what to embed: --element and --calendar, or --widget.")
    return Embedded(
        key=owner.publishable_key,
        element=kind,
        calendars=calendars,
        widget=widget_id,
        signed=owner.policy.access is Access.SIGNED or kind.needs_assertion,
        **look,
    )


def _check(parts: Operations, owner: Tenant, element: Element, calendars: tuple[str, ...]) -> None:
    policy = owner.policy
    if not policy.allows(element):
        raise click.ClickException(
            f"{owner.name}'s policy does not include {element.value} ({element.permission.value})."
        )
    if len(calendars) > 1 and not element.takes_many_calendars:
        raise click.UsageError(f"{element.value} shows one calendar.")
    if not policy.lazy_calendars:
        parts.calendars.check(owner, calendars)


def _warnings(owner: Tenant) -> list[str]:
    """What keeps the markup from working wherever it is pasted."""
    warnings = []
    if not owner.origins:
        warnings.append(
            f"{owner.slug} can embed nowhere yet: "
            f"`widgetsvc origin add {owner.slug} https://…` adds the origin of the page."
        )
    if owner.suspended:
        warnings.append(f"{owner.slug} is suspended: `widgetsvc tenant resume {owner.slug}` ends that.")
    return warnings
