"""The life of an application calendar, from its first use to its end."""

from datetime import timedelta

import httpx
from playwright.sync_api import expect

from e2e.applications import Application, at, today
from e2e.conftest import Visit
from tests.processes import RunningService


def test_a_calendar_is_filled_shared_booked_exported_and_revoked(
    visit: Visit, service: RunningService
) -> None:
    day = today() + timedelta(days=2)
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        application = Application(service, http)
        calendar = application.calendar("consulting-room")
        calendar.write("Stocktaking", at(day, "09:00"), at(day, "11:00"))
        element_token = application.element_token(service.url, "agenda", calendar.sub)

        created = http.post(
            "/v1/real_time_scheduling",
            headers=application.api_key,
            json={
                "oauth": {"redirect_uri": "https://store.example.com/back"},
                "event": {"event_id": "consultation", "summary": "Consultation"},
                "availability": {
                    "participants": [{"members": [{"sub": calendar.sub}], "required": "all"}],
                    "required_duration": {"minutes": 60},
                    "query_periods": [{"start": at(day, "09:00"), "end": at(day, "13:00")}],
                },
                "target_calendars": [{"sub": calendar.sub, "calendar_id": calendar.calendar_id}],
                "tzid": "Etc/UTC",
            },
        ).json()
        link = created["url"]

        page = visit.open(link)
        page.locator(".DTP__time-slot", has_text="11:00").first.click()
        page.get_by_role("button", name="Book this time").click()
        expect(page.get_by_text("Booked", exact=True)).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="calendar").first.click()
        assert b"SUMMARY:Consultation" in download.value.path().read_bytes()

        id_ = created["real_time_scheduling"]["real_time_scheduling_id"]
        status = http.get(f"/v1/real_time_scheduling/{id_}", headers=application.api_key).json()
        assert status["real_time_scheduling"]["status"] == "completed"
        assert status["real_time_scheduling"]["event"]["start"] == at(day, "11:00")

        feed = service.run("calendar", "feed", "--sub", calendar.sub)["url"]
        exported = http.get(feed)
        assert exported.headers["Content-Type"] == "text/calendar; charset=utf-8"
        assert [line for line in exported.text.splitlines() if line.startswith(("SUMMARY", "DTSTART"))] == [
            "SUMMARY:Stocktaking",
            f"DTSTART:{day:%Y%m%d}T090000Z",
            "SUMMARY:Consultation",
            f"DTSTART:{day:%Y%m%d}T110000Z",
        ]

        revoked = http.post("/oauth/token/revoke", json={**application.credentials, "sub": calendar.sub})
        assert revoked.status_code == 200
        assert calendar.get("/v1/userinfo").status_code == 401
        assert http.get(feed).status_code == 404
        agenda = http.get(f"/v1/userinfo?et={element_token}", headers={"Origin": service.url})
        assert agenda.status_code == 403
        again = application.calendar("consulting-room")
        assert again.sub != calendar.sub
        events = again.get("/v1/events?tzid=Etc/UTC&include_managed=true").json()["events"]
        assert events == []
