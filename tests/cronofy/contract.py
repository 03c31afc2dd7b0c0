"""What the gateway asks of Cronofy, and relies on, whoever answers."""

from collections.abc import Callable
from itertools import count

import pytest

from widgetsvc.cronofy.breaker import BreakerState
from widgetsvc.cronofy.client import CronofyClient
from widgetsvc.cronofy.faults import InvalidGrant
from widgetsvc.cronofy.responses import ApplicationCalendar
from widgetsvc.errors import UpstreamRejected
from widgetsvc.permissions import Permission

ORIGIN = "https://jobs.example.com"
NO_ONE = "apc_64b17fbb8090ea21640c9152"

EVENT = {
    "event_id": "interview-1",
    "summary": "Interview",
    "start": "2031-06-25T09:00:00Z",
    "end": "2031-06-25T09:30:00Z",
}


def scheduling_link(sub: str, calendar_id: str) -> dict[str, object]:
    return {
        "oauth": {"redirect_uri": ORIGIN},
        "event": {"event_id": "interview-2", "summary": "Interview", "tzid": "Europe/London"},
        "availability": {
            "participants": [{"members": [{"sub": sub}], "required": "all"}],
            "required_duration": {"minutes": 30},
            "query_periods": [{"start": "2031-06-25T09:00:00Z", "end": "2031-06-25T17:00:00Z"}],
        },
        "target_calendars": [{"sub": sub, "calendar_id": calendar_id}],
        "tzid": "Europe/London",
    }


_names = count(1)


class CronofyContract:
    """Subclasses provide `client`, and `stranger`: the same application with a secret that is not its own."""

    @pytest.fixture
    def account(self, client: CronofyClient) -> ApplicationCalendar:
        return client.upsert_application_calendar(f"acme:store-{next(_names)}")

    @pytest.fixture
    def calendar_id(self, client: CronofyClient, account: ApplicationCalendar) -> str:
        (calendar,) = client.list_calendars(account.access_token)
        return calendar.calendar_id

    def test_credentials_are_right(self, client: CronofyClient) -> None:
        reached = client.check_credentials()

        assert reached.seconds >= 0
        assert client.breaker_state is BreakerState.CLOSED

    def test_an_upsert_finds_the_calendar_that_it_created(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        again = client.upsert_application_calendar(account.application_calendar_id)

        assert (again.sub, again.profile_id) == (account.sub, account.profile_id)
        assert again.expires_in > 0

    def test_calendars_of_different_names_are_different(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        other = client.upsert_application_calendar(f"{account.application_calendar_id}!")

        assert other.sub != account.sub

    def test_names_may_hold_anything_printable(self, client: CronofyClient) -> None:
        name = "acme:Zürich / „Bahnhof“ 100%+& 🚉"

        assert client.upsert_application_calendar(name).application_calendar_id == name

    def test_an_account_has_one_calendar(self, client: CronofyClient, account: ApplicationCalendar) -> None:
        (calendar,) = client.list_calendars(account.access_token)

        assert calendar.profile_id == account.profile_id

    @pytest.mark.parametrize(
        "permissions", [{Permission.AGENDA}, {Permission.AVAILABILITY, Permission.AGENDA}, set(Permission)]
    )
    def test_element_tokens_are_for_what_was_asked(
        self, client: CronofyClient, account: ApplicationCalendar, permissions: set[Permission]
    ) -> None:
        token = client.element_token(permissions, [account.sub], ORIGIN)

        assert (token.permissions, token.origin) == (permissions, ORIGIN)
        assert token.expires_in > 600

    def test_an_element_token_can_be_for_several_accounts(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        other = client.upsert_application_calendar(f"{account.application_calendar_id}!")

        assert client.element_token({Permission.AVAILABILITY}, [account.sub, other.sub], ORIGIN).token

    def test_an_element_token_for_nobody_is_refused_by_name(self, client: CronofyClient) -> None:
        with pytest.raises(UpstreamRejected, match="subs") as caught:
            client.element_token({Permission.AGENDA}, [NO_ONE], ORIGIN)

        assert caught.value.status == 422

    def test_an_event_can_be_sent_twice(
        self, client: CronofyClient, account: ApplicationCalendar, calendar_id: str
    ) -> None:
        client.upsert_event(account.access_token, calendar_id, EVENT)
        client.upsert_event(account.access_token, calendar_id, EVENT | {"summary": "Second interview"})

    def test_an_events_faults_are_refused_by_name(
        self, client: CronofyClient, account: ApplicationCalendar, calendar_id: str
    ) -> None:
        with pytest.raises(UpstreamRejected, match="end") as caught:
            client.upsert_event(account.access_token, calendar_id, EVENT | {"end": "tomorrow"})

        assert caught.value.status == 422

    def test_a_calendar_of_somebody_else_is_not_there(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        with pytest.raises(UpstreamRejected) as caught:
            client.upsert_event(account.access_token, "cal_nobodys", EVENT)

        assert caught.value.status in {403, 404}

    def test_a_refresh_token_gives_an_access_token_that_works(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        tokens = client.refresh(account.refresh_token)

        assert tokens.expires_in > 0
        assert client.list_calendars(tokens.access_token)

    def test_an_unknown_refresh_token_is_a_dead_one(self, client: CronofyClient) -> None:
        with pytest.raises(InvalidGrant):
            client.refresh("no-such-token")

    def test_an_unknown_access_token_is_refused(self, client: CronofyClient) -> None:
        with pytest.raises(UpstreamRejected, match="access token was refused") as caught:
            client.list_calendars("no-such-token")

        assert caught.value.status == 401

    def test_revoking_ends_the_tokens(self, client: CronofyClient, account: ApplicationCalendar) -> None:
        client.revoke(account.sub)

        with pytest.raises(UpstreamRejected):
            client.list_calendars(account.access_token)
        with pytest.raises(InvalidGrant):
            client.refresh(account.refresh_token)
        with pytest.raises(UpstreamRejected):
            client.element_token({Permission.AGENDA}, [account.sub], ORIGIN)

    def test_a_revoked_calendar_is_made_anew(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        client.revoke(account.sub)

        assert client.upsert_application_calendar(account.application_calendar_id).sub != account.sub

    def test_what_is_not_there_counts_as_revoked(
        self, client: CronofyClient, account: ApplicationCalendar
    ) -> None:
        client.revoke(account.sub)
        client.revoke(account.sub)
        client.revoke(NO_ONE)

    def test_free_time_is_offered_and_taken_time_is_not(
        self, client: CronofyClient, account: ApplicationCalendar, calendar_id: str
    ) -> None:
        client.upsert_event(account.access_token, calendar_id, EVENT)
        query = {
            "participants": [{"members": [{"sub": account.sub}], "required": "all"}],
            "required_duration": {"minutes": 30},
            "query_periods": [{"start": "2031-06-25T08:30:00Z", "end": "2031-06-25T10:00:00Z"}],
        }

        found = client.availability(query, "overlapping_slots")

        assert [f"{slot.start:%H:%M}-{slot.end:%H:%M}" for slot in found] == ["08:30-09:00", "09:30-10:00"]

    def test_a_scheduling_link_can_be_shared(
        self, client: CronofyClient, account: ApplicationCalendar, calendar_id: str
    ) -> None:
        url = client.create_scheduling_link(scheduling_link(account.sub, calendar_id))

        assert url.startswith("http")

    @pytest.mark.parametrize(
        "ask",
        [
            CronofyClient.check_credentials,
            lambda client: client.upsert_application_calendar("acme:store-42"),
            lambda client: client.element_token({Permission.AGENDA}, [NO_ONE], ORIGIN),
            lambda client: client.refresh("no-such-token"),
            lambda client: client.revoke(NO_ONE),
            lambda client: client.create_scheduling_link({}),
            lambda client: client.availability({}),
        ],
        ids=["check", "calendar", "element token", "refresh", "revoke", "link", "availability"],
    )
    def test_wrong_credentials_are_told_as_such(
        self, stranger: CronofyClient, ask: Callable[[CronofyClient], object]
    ) -> None:
        with pytest.raises(UpstreamRejected, match="WIDGETSVC_CRONOFY_CLIENT_SECRET"):
            ask(stranger)
