"""What belongs to another application is answered like what does not exist, and stays as it is.

`REQUESTS` holds, for every endpoint, each way in which a request can name something; a new endpoint has to be
added here, or to `NAMES_NOTHING`.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api, Calendar
from tests.calendars.scheduling import create
from widgetsvc.calendars.api.credentials import Scheme
from widgetsvc.calendars.api.endpoint import Operation, operation_of
from widgetsvc.calendars.requests.page_links import PageLink, Place
from widgetsvc.calendars.requests.reading import ReadingQuery
from widgetsvc.permissions import Permission

PAGE = "https://jobs.example.com"
SECRET_TEXT = "Nobody else is to read this"
PERIOD = {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T12:00:00Z"}
EVENT = {"event_id": "meeting", "summary": "Meeting", **PERIOD}
WEEK = [{"day": "monday", "start_time": "09:00", "end_time": "17:00"}]
RULE = {"availability_rule_id": "work", "tzid": "Europe/London", "weekly_periods": WEEK}
AVAILABILITY = {"required_duration": {"minutes": 60}, "query_periods": [PERIOD]}
LINK = {
    "oauth": {"redirect_uri": f"{PAGE}/back"},
    "event": {"event_id": "interview", "summary": "Interview"},
}


class Asked(NamedTuple):
    """A request in which `{name}` stands for one of the fields of `Belongings`; `{own_…}` for the asker's."""

    view: str
    path: str
    body: Any = None
    query: Any = None


def with_members(*members: Any, **more: Any) -> dict[str, Any]:
    return {"participants": [{"members": list(members), "required": 1}], **AVAILABILITY, **more}


FREE_TIMES = [
    with_members("{sub}"),
    with_members("{own_sub}", "{sub}"),
    with_members({"sub": "{own_sub}", "calendar_ids": ["{calendar_id}"]}),
    with_members(
        {
            "sub": "{own_sub}",
            "managed_availability": True,
            "availability_rule_ids": ["{availability_rule_id}"],
        }
    ),
    with_members("{own_sub}", excluded_events=[{"event_uid": "{event_uid}"}]),
]


def sequence(availability: dict[str, Any]) -> dict[str, Any]:
    of_query = ("excluded_events",)
    item = {name: value for name, value in availability.items() if name not in of_query}
    more = {name: availability[name] for name in of_query if name in availability}
    return {"sequence": [{"sequence_id": 1, **item}], **more}


def link(sub: str, calendar_id: str, availability: dict[str, Any]) -> dict[str, Any]:
    return {
        **LINK,
        "availability": availability,
        "target_calendars": [{"sub": sub, "calendar_id": calendar_id}],
    }


EVENTS = "/v1/calendars/{calendar_id}/events"
OWN_EVENTS = "/v1/calendars/{own_calendar_id}/events"
READ = {"tzid": "Etc/UTC", "include_managed": "true", "calendar_ids[]": "{calendar_id}"}
RULES, PERIODS, LINKS = "/v1/availability_rules", "/v1/available_periods", "/v1/real_time_scheduling"

REQUESTS = [
    Asked(
        "refresh_token", "/oauth/token", {"grant_type": "refresh_token", "refresh_token": "{refresh_token}"}
    ),
    Asked("revoke_authorization", "/oauth/token/revoke", {"token": "{refresh_token}"}),
    Asked("revoke_authorization", "/oauth/token/revoke", {"token": "{access_token}"}),
    Asked("revoke_authorization", "/oauth/token/revoke", {"sub": "{sub}"}),
    Asked("revoke_profile", "/v1/profiles/{profile_id}/revoke"),
    Asked("create_calendar", "/v1/calendars", {"profile_id": "{profile_id}", "name": "Second"}),
    Asked("upsert_event", EVENTS, EVENT),
    Asked("upsert_event", OWN_EVENTS, {**EVENT, "event_uid": "{event_uid}"}),
    Asked("delete_event", EVENTS, {"event_id": "meeting"}),
    Asked("delete_event", OWN_EVENTS, {"event_uid": "{event_uid}"}),
    Asked("delete_events", "/v1/events", {"calendar_ids": ["{calendar_id}"]}),
    Asked("delete_events", "/v1/events", {}, {"calendar_ids[]": "{calendar_id}"}),
    Asked("reply", EVENTS + "/{event_uid}/participation_status", {"status": "accepted"}),
    Asked("reply", OWN_EVENTS + "/{event_uid}/participation_status", {"status": "accepted"}),
    *(
        request
        for name in ("events", "free_busy")
        for request in (
            Asked(f"read_{name}", f"/v1/{name}", query=READ),
            Asked(f"read_{name}_page", f"/v1/{name}/pages/{{page_link}}"),
        )
    ),
    Asked("run_batch", "/v1/batch", {"batch": [{"method": "POST", "relative_url": EVENTS, "data": EVENT}]}),
    Asked(
        "run_batch",
        "/v1/batch",
        {"batch": [{"method": "DELETE", "relative_url": OWN_EVENTS, "data": {"event_uid": "{event_uid}"}}]},
    ),
    Asked("upsert_availability_rule", RULES, {**RULE, "calendar_ids": ["{calendar_id}"]}),
    Asked("read_availability_rule", f"{RULES}/{{availability_rule_id}}"),
    Asked("delete_availability_rule", f"{RULES}/{{availability_rule_id}}"),
    Asked("delete_available_periods", PERIODS, {"available_period_id": "{available_period_id}"}),
    *(Asked("query_availability", "/v1/availability", body) for body in FREE_TIMES),
    *(Asked("query_sequenced_availability", "/v1/sequenced_availability", sequence(x)) for x in FREE_TIMES),
    Asked(
        "mint_element_token",
        "/v1/element_tokens",
        {"version": "1", "permissions": ["agenda"], "subs": ["{own_sub}", "{sub}"], "origin": PAGE},
    ),
    Asked(
        "create_channel",
        "/v1/channels",
        {"callback_url": f"{PAGE}/hook", "filters": {"calendar_ids": ["{own_calendar_id}", "{calendar_id}"]}},
    ),
    Asked("close_channel", "/v1/channels/{channel_id}"),
    *(Asked("create_link", LINKS, link("{own_sub}", "{own_calendar_id}", body)) for body in FREE_TIMES[:4]),
    Asked("create_link", LINKS, link("{sub}", "{calendar_id}", with_members("{own_sub}"))),
    Asked("create_link", LINKS, link("{own_sub}", "{calendar_id}", with_members("{own_sub}"))),
    Asked("read_link", f"{LINKS}/{{link_id}}"),
    Asked("read_link_by_token", LINKS, query={"token": "{link_token}"}),
    Asked("disable_link", f"{LINKS}/{{link_id}}/disable", {"display_message": "Closed"}),
]

NAMES_NOTHING = {
    "upsert_application_calendar",  # but for ids that every application chooses for itself
    "upsert_available_period",
    "userinfo",
    "read_account",
    "profiles",
    "calendars",
    "list_availability_rules",
    "read_available_periods",
    "read_available_periods_page",
    "list_channels",
    "openapi",
    "feed",  # its address is its credentials
}


TELLS_NOTHING = {
    "create_calendar",  # refused whosever the profile is
    "read_events_page",  # a link says from where on to read, and of no calendar
    "read_free_busy_page",
    "reply",  # no event is an invitation
}

# Digits and the letters of hexadecimal numbers among themselves, so that numbers stay numbers.
_SHIFTED = str.maketrans(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "1234567890bcdefahijklmnopqrstuvwxyzgBCDEFGHIJKLMNOPQRSTUVWXYZA",
)


@dataclass(frozen=True)
class Belongings:
    """The names of what an application has."""

    sub: str
    calendar_id: str
    profile_id: str
    access_token: str
    refresh_token: str
    event_uid: str
    page_link: str
    availability_rule_id: str
    available_period_id: str
    channel_id: str
    link_id: str
    link_token: str

    def unknown(self) -> "Belongings":
        """Names of the same form that nobody has."""
        return Belongings(**{name: _other(name, value) for name, value in asdict(self).items()})

    def hidden(self, response: TestResponse) -> tuple[int, str]:
        """An answer with these names written as what they stand for."""
        text = response.text
        for name, value in asdict(self).items():
            text = text.replace(value, f"<{name}>")
        return response.status_code, text


def _other(name: str, value: str) -> str:
    if name == "page_link":
        return _page_link("evt_external_" + "0" * 24)
    return value[:4] + value[4:].translate(_SHIFTED)


def _page_link(event_uid: str) -> str:
    asked = MultiDict({"tzid": "Etc/UTC", "include_managed": "true"})
    return PageLink.after_page(ReadingQuery, 1, 2, asked, Place(0, event_uid)).encode()


class Tenant:
    """An application that has one of everything; both here choose the same ids wherever they can."""

    def __init__(self, api: Api) -> None:
        self.api, self.calendar = api, api.calendar()
        # Read with `own`: what only this one has is called after it.
        self.own = api.credentials.client_id
        fill(self.calendar, f"rule-of-{self.own}", f"period-of-{self.own}")
        fill(self.calendar, "work", "morning")
        channel = self.calendar.post("/v1/channels", {"callback_url": f"{PAGE}/{self.own}"}).json["channel"]
        self.link = create(api, self.calendar, event={"event_id": "interview", "summary": SECRET_TEXT})
        [event] = self.calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true").json["events"]
        self.has = Belongings(
            sub=self.calendar.sub,
            calendar_id=self.calendar.calendar_id,
            profile_id=self.calendar.get("/v1/profiles").json["profiles"][0]["profile_id"],
            access_token=self.calendar.document["access_token"],
            refresh_token=self.calendar.document["refresh_token"],
            event_uid=event["event_uid"],
            page_link=_page_link(event["event_uid"]),
            availability_rule_id=f"rule-of-{self.own}",
            available_period_id=f"period-of-{self.own}",
            channel_id=channel["channel_id"],
            link_id=self.link["real_time_scheduling_id"],
            link_token=self.link["url"].rpartition("/")[2],
        )

    def everything(self) -> list[tuple[int, str]]:
        """All that the application can see of what it has."""
        reads = [
            "/v1/userinfo",
            "/v1/profiles",
            "/v1/calendars",
            "/v1/events",
            RULES,
            PERIODS,
            "/v1/channels",
        ]
        answers = [self.calendar.get(path, tzid="Etc/UTC", include_managed="true") for path in reads]
        answers.append(self.api.http.get(f"{LINKS}/{self.has.link_id}", headers=self.api.api_key))
        return [(answer.status_code, answer.text) for answer in answers]

    def operation(self, view: str) -> Operation:
        return {found.handler.__name__: found for found in operations(self.api)}[view]

    def ask(self, asked: Asked, about: Belongings) -> Iterator[TestResponse]:
        """Send a request with each of the credentials that will do."""
        names = asdict(about) | {f"own_{name}": value for name, value in asdict(self.has).items()}
        path, body, query = (filled(part, names) for part in (asked.path, asked.body, asked.query))
        operation = self.operation(asked.view)
        for scheme in operation.schemes or (None,):
            yield self.api.http.open(
                path,
                method=operation.method,
                json={**body, **self.api.client_fields()} if scheme is None else body,
                headers=self._headers(scheme),
                query_string={**(query or {}), **self._token(scheme)},
            )

    def _headers(self, scheme: Scheme | None) -> dict[str, str]:
        of_scheme = {Scheme.API_KEY: self.api.api_key, Scheme.ACCESS_TOKEN: self.calendar.headers}
        return of_scheme.get(scheme, {"Origin": PAGE}) if scheme else {}

    def _token(self, scheme: Scheme | None) -> dict[str, str]:
        if scheme is not Scheme.ELEMENT_TOKEN:
            return {}
        body = {"permissions": list(Permission), "subs": [self.has.sub], "origin": PAGE}
        minted = self.api.http.post("/v1/element_tokens", headers=self.api.api_key, json=body).json
        return {"et": minted["element_token"]["token"]}


def fill(calendar: Calendar, rule: str, period: str) -> None:
    calendar.write("meeting", PERIOD["start"], PERIOD["end"], description=SECRET_TEXT)
    written = [
        calendar.post(RULES, RULE | {"availability_rule_id": rule}),
        calendar.post(PERIODS, {"available_period_id": period, **PERIOD}),
    ]
    assert all(response.status_code < 300 for response in written)


def filled(part: Any, names: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: filled(value, names) for key, value in part.items()}
    if isinstance(part, list):
        return [filled(entry, names) for entry in part]
    return part.format_map(names) if isinstance(part, str) else part


def operations(api: Api) -> Iterator[Operation]:
    app = api.http.application
    return filter(None, (operation_of(app, rule.endpoint) for rule in app.url_map.iter_rules()))


@pytest.fixture(scope="module")
def theirs(shared: Api) -> Tenant:
    return Tenant(Api(shared.backend, shared.http, "theirs"))


@pytest.fixture(scope="module")
def curious(shared: Api) -> Tenant:
    return Tenant(Api(shared.backend, shared.http, "curious"))


@pytest.fixture
def mine(shared: Api) -> Tenant:
    return Tenant(Api(shared.backend, shared.http, "mine"))


def test_every_endpoint_is_asked_or_has_nothing_to_name(shared: Api) -> None:
    views = {rule.endpoint.rpartition(".")[2] for rule in shared.http.application.url_map.iter_rules()}

    assert {asked.view for asked in REQUESTS} | NAMES_NOTHING == views


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.view)
def test_what_another_application_has_is_answered_like_what_is_not_there(
    curious: Tenant, theirs: Tenant, asked: Asked
) -> None:
    before, unknown = theirs.everything(), theirs.has.unknown()

    of_theirs = list(curious.ask(asked, theirs.has))
    of_nobody = list(curious.ask(asked, unknown))

    assert [theirs.has.hidden(answer) for answer in of_theirs] == [unknown.hidden(x) for x in of_nobody]
    assert theirs.everything() == before


@pytest.mark.parametrize(
    "asked",
    [asked for asked in REQUESTS if asked.view not in TELLS_NOTHING],
    ids=lambda asked: asked.view,
)
def test_what_one_has_oneself_is_not_answered_like_that(mine: Tenant, asked: Asked) -> None:
    """Holds the requests above to finding something where there is something."""
    of_nobody = mine.has.unknown().hidden(next(mine.ask(asked, mine.has.unknown())))
    before = mine.everything()

    of_own = mine.has.hidden(next(mine.ask(asked, mine.has)))

    assert of_own != of_nobody or mine.everything() != before


def test_the_same_ids_are_each_applications_own(mine: Tenant, theirs: Tenant) -> None:
    before = theirs.everything()
    calendar, http = mine.calendar, mine.api.http
    elsewhere = {"start": "2026-12-01T09:00:00Z", "end": "2026-12-01T10:00:00Z"}

    calendar.write("meeting", elsewhere["start"], elsewhere["end"])
    calendar.post(RULES, RULE | {"weekly_periods": []})
    calendar.post(PERIODS, {"available_period_id": "morning", **elsewhere})
    after_changes = theirs.everything()
    headers = calendar.headers
    http.delete(calendar.events_path, headers=headers, json={"event_id": "meeting"})
    http.delete(f"{RULES}/work", headers=headers)
    http.delete(PERIODS, headers=headers, json={"delete_all": True})
    http.delete("/v1/events", headers=headers, json={"delete_all": True})
    http.post("/oauth/token/revoke", json=mine.api.client_fields(sub=calendar.sub))

    assert calendar.get("/v1/userinfo").status_code == 401
    assert after_changes == before
    assert theirs.everything() == before


def test_no_answer_holds_anothers_text(curious: Tenant, theirs: Tenant) -> None:
    answers = [answer.text for asked in REQUESTS for answer in curious.ask(asked, theirs.has)]

    assert SECRET_TEXT in json.dumps(theirs.everything())
    assert not any(theirs.has.access_token in text or theirs.own in text for text in answers)
