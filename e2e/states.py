"""What tests of states have in common: what the page hears, what the visitor reads."""

from typing import Any

from playwright.sync_api import Locator, Page, Route

from widgetsvc.loader import load_loader

LISTEN = """
window.heard = [];
for (const name of ["ready", "error", "empty", "renewed", "slot-picked"]) {
  addEventListener(`widgetsvc:${name}`, ({ detail }) => heard.push({ name, ...detail }));
}
"""

TRY_AGAIN = "Try again"
OWN_PAGE = "Open the calendar on a page of its own"


def alert(page: Page) -> Locator:
    """The panel or notice that says what is wrong."""
    return page.locator("[role=group] > [role=alert]")


def status(page: Page) -> Locator:
    """The panel or notice that says that something is awaited."""
    return page.locator("[role=group] > [role=status]")


def wait_for_event(page: Page, name: str, times: int = 1) -> list[dict[str, Any]]:
    """Return the events of this name as soon as there are so many."""
    page.wait_for_function(
        "([name, times]) => heard.filter((event) => event.name === name).length >= times", arg=[name, times]
    )
    return events(page, name)


def events(page: Page, name: str) -> list[dict[str, Any]]:
    """The events of this name so far."""
    found: list[dict[str, Any]] = page.evaluate(
        "(name) => heard.filter((event) => event.name === name)", name
    )
    return found


def only_error(page: Page) -> dict[str, Any]:
    """The one failure that the page has heard of; a busy machine may have made it hear of slowness before."""
    *before, error = wait_for_event(page, "error")
    assert [each["code"] for each in before] in ([], ["timed_out"])
    return error


def wait_for_keeper(page: Page) -> None:
    """Return when the part that keeps embeds alive has come and watches the page; it comes at leisure."""
    path = load_loader().parts["keeper"].path
    # A slow start may have brought it earlier, but it watches what is ready, and when the page is at leisure.
    wait_for_event(page, "ready")
    page.evaluate("new Promise((done) => requestIdleCallback(() => done()))")
    # Its tag goes as soon as it has run.
    page.wait_for_function(
        """(path) => performance.getEntriesByType("resource").some(({ name }) => name.endsWith(path)) &&
          !document.querySelector(`script[src$="${path}"]`)""",
        arg=path,
    )


def hang(_route: Route) -> None:
    """Leave a request without an answer."""
