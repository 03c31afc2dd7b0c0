"""The official Node SDK against the service, with nothing changed but its base URL.

`cronofy_samples.js` runs once and prints what the SDK returned; here stands what that has to be.
"""

import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, RunningService, clean_environment
from tests.sdks.conftest import Application, FullCalendar

SCRIPT = Path(__file__).with_name("cronofy_samples.js")
SDK = ROOT / "node_modules" / "cronofy" / "package.json"
PINNED = json.loads((ROOT / "package.json").read_text())["devDependencies"]["cronofy"]
NO_PROXY = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.fail(
            "Node.js is not on the PATH; these tests run Cronofy's Node SDK. Install Node 20 or newer."
        )
    if not SDK.is_file():
        pytest.fail(
            f"Cronofy's Node SDK is not installed in {ROOT / 'node_modules'}; run `npm ci` in {ROOT}."
        )
    version = json.loads(SDK.read_text())["version"]
    if version != PINNED:
        pytest.fail(f"Cronofy's Node SDK is {version} instead of {PINNED}; run `npm ci` in {ROOT}.")
    return found


@pytest.fixture(scope="module")
def returned(
    node: str, service: RunningService, application: Application, full_calendar: FullCalendar
) -> dict[str, Any]:
    given = {
        "base": service.url,
        "full_calendar": full_calendar.application_calendar_id,
        **asdict(application),
    }
    done = subprocess.run(
        [node, "--unhandled-rejections=strict", str(SCRIPT)],
        input=json.dumps(given),
        cwd=ROOT,
        env=clean_environment(NO_PROXY),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    samples: dict[str, Any] = json.loads(done.stdout)["returned"]
    return samples


def test_the_sample_creates_an_application_calendar_and_keeps_its_tokens(returned: dict[str, Any]) -> None:
    sample = returned["application_calendar"]
    created = sample["created"]

    assert created["application_calendar_id"] == "my-unique-string"
    assert created["sub"].startswith("apc_")
    assert created["linking_profile"]["provider_name"] == "cronofy"
    assert sample["kept"]["access_token"] == created["access_token"]
    assert sample["kept"]["refresh_token"] == created["refresh_token"]


def test_creating_the_same_calendar_again_returns_it(returned: dict[str, Any]) -> None:
    sample = returned["application_calendar"]
    approximate = {"expires_in": 0}

    assert sample["again"] | approximate == sample["created"] | approximate
    assert returned["application_calendar_with_a_callback"]["sub"] == sample["created"]["sub"]


def test_the_sample_lists_the_one_calendar(returned: dict[str, Any]) -> None:
    sample = returned["list_calendars"]

    (only,) = sample["response"]["calendars"]
    assert only["calendar_id"] == sample["calendar_id"]
    assert only["calendar_primary"] is True


def test_the_sample_writes_an_event_that_reads_back_as_written(returned: dict[str, Any]) -> None:
    sample = returned["create_event"]

    assert sample["answer"] == ""
    (event,) = sample["asked"]["events"]
    assert event.items() >= sample["meeting"].items()
    assert event["calendar_id"] == sample["calendar_id"]


def test_a_read_that_does_not_ask_for_managed_events_finds_none(returned: dict[str, Any]) -> None:
    assert returned["create_event"]["unasked"] == {"pages": {"current": 1, "total": 1}, "events": []}


def test_a_deleted_event_is_gone_but_can_be_asked_for(returned: dict[str, Any]) -> None:
    sample = returned["delete_event"]

    assert sample["answer"] == ""
    assert sample["left"]["events"] == []
    assert [event["deleted"] for event in sample["deleted"]["events"]] == [True]


def test_next_page_leads_to_the_last_event(
    returned: dict[str, Any], service: RunningService, full_calendar: FullCalendar
) -> None:
    sample = returned["read_events_by_pages"]
    first, last = sample["pages"]

    assert sample["event_ids"] == full_calendar.event_ids
    assert (first["current"], first["total"]) == (1, 2)
    assert first["next_page"].startswith(f"{service.url}/v1/events/pages/")
    assert last == {"current": 2, "total": 2}


def test_the_query_holds_on_the_next_page(returned: dict[str, Any]) -> None:
    assert returned["read_events_by_pages"]["last"]["start"]["tzid"] == "Europe/Paris"


def test_a_read_keeps_to_the_calendars_of_its_list(returned: dict[str, Any]) -> None:
    assert returned["read_events_of_some_calendars"] == {"mine": 1, "others": 0}


def test_free_busy_tells_when_but_not_what(returned: dict[str, Any]) -> None:
    sample = returned["free_busy"]

    assert sample["response"] == {
        "pages": {"current": 1, "total": 1},
        "free_busy": [
            {
                "calendar_id": sample["calendar_id"],
                "start": "2024-06-25T15:30:00Z",
                "end": "2024-06-25T17:00:00Z",
                "free_busy_status": "busy",
            }
        ],
    }


@pytest.mark.parametrize("name_of_the_periods", ["available_periods", "query_periods"])
def test_the_sample_query_finds_when_both_calendars_are_free(
    returned: dict[str, Any], name_of_the_periods: str
) -> None:
    sample = returned["availability"]
    both = [{"sub": sub} for sub in sample["subs"]]

    assert sample[name_of_the_periods] == {
        "available_periods": [
            {"start": "2024-06-25T09:00:00Z", "end": "2024-06-25T15:30:00Z", "participants": both},
            {"start": "2024-06-25T17:00:00Z", "end": "2024-06-25T18:00:00Z", "participants": both},
            {"start": "2024-06-26T12:00:00Z", "end": "2024-06-26T18:00:00Z", "participants": both},
        ]
    }


def test_slots_have_the_length_that_is_required(returned: dict[str, Any]) -> None:
    found = returned["availability"]["slots"]["available_slots"]

    assert [(slot["start"][11:16], slot["end"][11:16]) for slot in found] == [
        ("12:00", "13:00"),
        ("13:00", "14:00"),
        ("14:00", "15:00"),
    ]


def test_the_sample_element_token_is_bound_to_its_origin(returned: dict[str, Any]) -> None:
    minted = returned["element_token"]["response"]["element_token"]

    assert set(minted) == {"permissions", "origin", "token", "expires_in"}
    assert (minted["permissions"], minted["origin"]) == (["agenda"], "http://localhost")
    assert minted["expires_in"] > 3600


def test_a_scheduling_link_comes_in_both_shapes(returned: dict[str, Any], service: RunningService) -> None:
    created = returned["real_time_scheduling"]

    assert created["url"] == created["real_time_scheduling"]["url"]
    assert created["url"].startswith(f"{service.url}/schedule/")
    assert created["real_time_scheduling"]["event"]["event_id"] == "interview-1"


def test_a_refresh_keeps_the_refresh_token_and_the_calendar(returned: dict[str, Any]) -> None:
    sample = returned["refresh"]

    assert sample["token"]["refresh_token"] == sample["created"]["refresh_token"]
    assert sample["found"] == sample["calendar_id"]


def test_userinfo_names_the_application_calendar(returned: dict[str, Any]) -> None:
    sample = returned["user_info"]

    assert sample["response"]["sub"] == sample["created"]["sub"]
    assert sample["response"]["email"] == sample["created"]["application_calendar_id"]


def test_the_faults_of_an_event_arrive_in_the_error(
    returned: dict[str, Any], service: RunningService
) -> None:
    refused = returned["faults"]
    entity = refused["error"]["entity"]

    assert refused["statusCode"] == 422
    assert entity["errors"]["event_id"][0]["key"] == "errors.required"
    assert entity["errors"]["summary"][0]["key"] == "errors.required"
    assert json.loads(refused["message"]) == entity
    assert refused["error"]["url"].startswith(f"{service.url}/v1/calendars/")


@pytest.mark.parametrize(
    ("sample", "status"),
    [("unknown_access_token", 401), ("wrong_client_secret", 401), ("unknown_calendar", 404)],
)
def test_refusals_that_need_no_words_have_no_body(returned: dict[str, Any], sample: str, status: int) -> None:
    refused = returned[sample]

    assert (refused["statusCode"], refused["error"]["entity"]) == (status, "")


def test_a_refresh_token_that_is_none_is_an_invalid_grant(returned: dict[str, Any]) -> None:
    refused = returned["wrong_refresh_token"]

    assert (refused["statusCode"], refused["error"]["entity"]["error"]) == (400, "invalid_grant")


# Identity and revocation.


def test_an_application_calendar_has_an_account_and_one_profile(returned: dict[str, Any]) -> None:
    sample = returned["identity"]

    assert sample["account"]["account"]["account_id"] == sample["sub"]
    (profile,) = sample["profiles"]["profiles"]
    assert profile["profile_id"] == sample["calendars"]["calendars"][0]["profile_id"]
    assert profile["profile_connected"] is True


@pytest.mark.parametrize("way", ["by_access_token", "by_refresh_token", "by_sub", "by_nothing"])
def test_each_way_to_revoke_ends_both_tokens(returned: dict[str, Any], way: str) -> None:
    sample = returned["revocations"][way]

    assert sample["answer"] == ""
    assert sample["read"]["statusCode"] == 401
    assert (sample["refresh"]["statusCode"], sample["refresh"]["error"]["entity"]["error"]) == (
        400,
        "invalid_grant",
    )


def test_the_refresh_token_that_the_sdk_adds_does_not_count_before_a_sub(returned: dict[str, Any]) -> None:
    sample = returned["revocation_of_another"]

    assert len(sample["own"]["calendars"]) == 1
    assert sample["other"]["statusCode"] == 401


def test_a_revoked_calendar_comes_back_as_another(returned: dict[str, Any]) -> None:
    sample = returned["upsert_after_revocation"]

    assert sample["again"]["sub"].startswith("apc_")
    assert sample["again"]["sub"] != sample["sub"]


def test_a_rule_is_written_read_and_deleted(returned: dict[str, Any]) -> None:
    sample = returned["availability_rules"]

    assert sample["written"] == sample["read"] == {"availability_rule": sample["rule"]}
    assert sample["listed"] == {"availability_rules": [sample["rule"]]}
    assert sample["deleted"] == ""
    assert (sample["absent"]["statusCode"], sample["absent"]["error"]["entity"]) == (404, "")


def test_available_periods_are_written_read_and_deleted(returned: dict[str, Any]) -> None:
    sample = returned["available_periods"]
    page = {"pages": {"current": 1, "total": 1}}

    assert [sample["written"], sample["deleted"], sample["all"]] == ["", "", ""]
    assert sample["listed"] == page | {"available_periods": [sample["period"]]}
    (localized,) = sample["localized"]["available_periods"]
    assert localized["start"] == {"time": "2024-06-25T11:00:00+02:00", "tzid": "Europe/Paris"}
    assert sample["outside"] == sample["left"] == page | {"available_periods": []}


@pytest.mark.parametrize("credential", ["by_access_token", "by_api_key"])
def test_managed_availability_is_found_with_either_credential(
    returned: dict[str, Any], credential: str
) -> None:
    found = returned["managed_availability"][credential]["available_periods"]

    assert [(period["start"][11:16], period["end"][11:16]) for period in found] == [
        ("09:00", "11:00"),
        ("15:00", "16:00"),
    ]


def test_a_sequence_has_a_time_for_every_step(returned: dict[str, Any]) -> None:
    sample = returned["sequenced_availability"]
    one, other = ([{"sub": sub}] for sub in sample["subs"])

    assert sample["response"] == {
        "sequences": [
            {
                "sequence": [
                    {
                        "sequence_id": "step-1",
                        "start": "2024-06-25T09:00:00Z",
                        "end": "2024-06-25T10:00:00Z",
                        "participants": one,
                    },
                    {
                        "sequence_id": "step-2",
                        "start": "2024-06-25T10:00:00Z",
                        "end": "2024-06-25T11:00:00Z",
                        "participants": other,
                    },
                ]
            }
        ]
    }


def test_a_channel_is_verified_told_of_changes_and_closed(returned: dict[str, Any]) -> None:
    sample = returned["notification_channel"]
    channel = sample["channel"]

    assert (channel["callback_url"], channel["filters"]) == (sample["callback_url"], {})
    assert sample["listed"] == {"channels": [channel]}
    assert sample["left"] == {"channels": []}
    assert [body["notification"]["type"] for body in sample["bodies"]] == ["verification", "change"]
    assert [body["channel"] for body in sample["bodies"]] == [channel] * 2
    assert sample["valid"] == [True, True]


def test_an_event_is_edited_and_deleted_by_its_uid(returned: dict[str, Any]) -> None:
    sample = returned["events_by_uid"]

    assert [event["summary"] for event in sample["edited"]["events"]] == ["Renamed"]
    assert sample["left"]["events"] == []


def test_all_events_are_deleted_at_once(returned: dict[str, Any]) -> None:
    sample = returned["bulk_delete"]

    assert sample["left"] == [0, 0]
    assert list(sample["refused"]["error"]["entity"]["errors"]) == ["delete_all"]


def test_a_batch_tells_what_became_of_every_entry(returned: dict[str, Any]) -> None:
    sample = returned["batch"]

    assert [entry["status"] for entry in sample["response"]["batch"]] == [202, 422, 202]
    assert list(sample["response"]["batch"][1]["data"]["errors"]) == ["end"]
    assert sample["left"]["events"] == []
