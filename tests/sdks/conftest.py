"""A service that the official SDKs talk to over HTTP, an application of it, and a calendar with two pages."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pycronofy
import pytest
from pycronofy import settings

from tests.processes import RunningService


@dataclass(frozen=True, slots=True)
class Application:
    """Client credentials of the embedded backend."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class FullCalendar:
    """An application calendar whose events do not fit on one page, by `event_id` in order of start."""

    application_calendar_id: str
    event_ids: list[str]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("sdks")
    environment = {
        # No SDK asks for the bundle, and compressing it takes seconds.
        "WIDGETSVC_ELEMENTS_DIR": str(folder / "no-bundle"),
        # Many events are written at once, and notifications are received on this machine.
        "WIDGETSVC_RATE_LIMIT": "off",
        "WIDGETSVC_ALLOW_PRIVATE_CALLBACKS": "on",
    }
    with RunningService(folder / "data", environment=environment) as running:
        yield running


@pytest.fixture(scope="session")
def application(service: RunningService) -> Application:
    return Application(**service.run("app", "create", "SDK tests"))


@pytest.fixture(scope="session")
def pycronofy_base(service: RunningService) -> Iterator[str]:
    """Points pycronofy at the service, which is all that its users change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "API_BASE_URL", service.url)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1")
        yield service.url


@pytest.fixture(scope="session")
def full_calendar(application: Application, pycronofy_base: str) -> FullCalendar:
    client = pycronofy.Client(application.client_id, application.client_secret)
    client.application_calendar("many-events")
    calendar_id = client.list_calendars()[0]["calendar_id"]
    first = datetime(2024, 6, 25, 9, 0, tzinfo=UTC)

    def write(number: int) -> str:
        start = first + timedelta(hours=number)
        event_id = f"event-{number:03}"
        client.upsert_event(
            calendar_id,
            {
                "event_id": event_id,
                "summary": f"Number {number}",
                "start": start,
                "end": start + timedelta(minutes=30),
            },
        )
        return event_id

    with ThreadPoolExecutor(8) as pool:
        return FullCalendar("many-events", list(pool.map(write, range(305))))
