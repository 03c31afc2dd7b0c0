"""An application of the embedded backend, as a company without any tenant runs it."""

from datetime import UTC, date, datetime, time
from typing import Any

import httpx

from tests.processes import RunningService


def at(day: date, clock: str) -> str:
    return datetime.combine(day, time.fromisoformat(clock), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> date:
    return datetime.now(UTC).date()


class Application:
    """A client of the embedded backend, as a company without any tenant runs it."""

    def __init__(self, service: RunningService, http: httpx.Client) -> None:
        self.service = service
        self.http = http
        self.credentials: dict[str, str] = service.run("app", "create", "Browser tests")

    @property
    def api_key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credentials['client_secret']}"}

    def calendar(self, name: str) -> "Calendar":
        answer = self.http.post(
            "/v1/application_calendars", json={**self.credentials, "application_calendar_id": name}
        )
        assert answer.status_code == 200, answer.text
        return Calendar(self, answer.json())

    def element_token(self, origin: str, permission: str, *subs: str) -> str:
        answer = self.http.post(
            "/v1/element_tokens",
            headers=self.api_key,
            json={"version": "1", "permissions": [permission], "subs": subs, "origin": origin},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["element_token"]["token"])

    def person(self, name: str) -> "Calendar":
        client_id = self.credentials["client_id"]
        return Calendar(
            self, self.service.run("account", "create", client_id, "--kind", "user", "--name", name)
        )


class Calendar:
    """An account of the application, reached with its access token."""

    def __init__(self, application: Application, grant: dict[str, Any]) -> None:
        self.application = application
        self.sub: str = grant["sub"]
        self.headers = {"Authorization": f"Bearer {grant['access_token']}"}
        self.calendar_id: str = self.get("/v1/calendars").json()["calendars"][0]["calendar_id"]

    def get(self, path: str) -> httpx.Response:
        return self.application.http.get(path, headers=self.headers)

    def write(self, event_id: str, start: str, end: str, **more: object) -> None:
        answer = self.application.http.post(
            f"/v1/calendars/{self.calendar_id}/events",
            headers=self.headers,
            json={"event_id": event_id, "summary": event_id, "start": start, "end": end, **more},
        )
        assert answer.status_code == 202, answer.text
