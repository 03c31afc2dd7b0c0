"""The command that lists refused origins."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.conftest import NOON
from tests.shell import Shell
from widgetsvc.config import Settings
from widgetsvc.wiring import build_operations

STAGE = "https://stage.example.com"


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    shutil.copyfile(migrated, tmp_path / "widgetsvc.sqlite3")
    return Shell(tmp_path)


def test_refused_origins_are_listed(shell: Shell, clock: FakeClock) -> None:
    shell.create_tenant("acme", "Acme", "--origin", "https://jobs.example.com")
    assert "No origin has been refused." in shell("origin", "refused", "acme")

    with closing(build_operations(Settings.from_environment({}, data_dir=shell.data_dir), clock)) as service:
        tenant = service.tenants.by_slug("acme")
        nearest_rule = "https://jobs.example.com"
        service.refused_origins.note(tenant, STAGE, nearest_rule=nearest_rule, referer=f"{STAGE}/a")
        service.refused_origins.flush()

    assert shell.json("origin", "refused", "acme") == [
        {
            "origin": STAGE,
            "count": 1,
            "first_seen_at": int(NOON),
            "last_seen_at": int(NOON),
            "page": f"{STAGE}/a",
            "nearest_rule": "https://jobs.example.com",
        }
    ]
    assert "2026-11-22 12:00 UTC" in shell("origin", "refused", "acme")
