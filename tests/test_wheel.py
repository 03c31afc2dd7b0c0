"""The built wheel, installed outside the checkout, serves everything."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, RunningService, clean_environment
from widgetsvc import __version__, elements
from widgetsvc.loader import load_loader


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment({"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that the wheel was installed into; nothing is downloaded.

    The wheel's dependencies are this environment's. A folder that a .pth file names has its own .pth files
    ignored, so the checkout's editable install stays out.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin" / "python"
    install = ("-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, *install, cwd=folder)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    dependencies = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site_packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies))
    return folder


@pytest.fixture(scope="module")
def installed(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [str(environment / "bin" / "widgetsvc")]
    with RunningService(folder / "data", cwd=folder, command=command) as running:
        yield running


@pytest.fixture(scope="module")
def http(installed: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installed.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def key(installed: RunningService) -> str:
    """The publishable key of a tenant with the calendar store-42."""
    created = installed.run(
        "tenant", "create", "acme", "--name", "Acme", "--origin", "https://jobs.example.com"
    )
    installed.run("calendar", "add", "acme", "store-42")
    return str(created["publishable_key"])


@pytest.mark.parametrize("folder", ["templates", "static", "widgetsvc"])
def test_every_file_of_the_service_is_in_the_wheel(wheel: Path, folder: str) -> None:
    inside = "" if folder == "widgetsvc" else "widgetsvc/"
    files = [
        f"{inside}{path.relative_to(ROOT)}"
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]

    names = zipfile.ZipFile(wheel).namelist()

    assert files
    assert [file for file in files if file not in names] == []


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.partition("/")[0] for name in names} == {"widgetsvc", f"widgetsvc-{__version__}.dist-info"}
    assert not [name for name in names if name.endswith((".pyc", ".sqlite3")) or "node_modules" in name]


def test_the_installed_package_is_the_one_that_runs(environment: Path, tmp_path: Path) -> None:
    where = "import widgetsvc, widgetsvc.resources as r; print(widgetsvc.__file__, r.TEMPLATES, r.STATIC)"

    paths = run(environment / "bin" / "python", "-c", where, cwd=tmp_path).split()

    assert len(paths) == 3
    assert all(Path(path).is_relative_to(environment) for path in paths)


def test_the_installed_service_is_alive(http: httpx.Client) -> None:
    response = http.get("/healthz")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "version": __version__}


def test_the_loader_may_load_cronofys_copy_of_the_bundle_where_none_is_installed(http: httpx.Client) -> None:
    response = http.get(load_loader().parts["inline"].path)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert "https://elements.cronofy.com/" in response.text


def test_the_operator_is_told_that_the_bundle_is_not_installed(installed: RunningService) -> None:
    assert elements.CDN_URL in installed.log_text()


def test_a_frame_shows_a_calendar(http: httpx.Client, key: str) -> None:
    response = http.get("/frame/agenda", params={"key": key, "calendar": "store-42"})

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert "frame-ancestors https://jobs.example.com" in response.headers["Content-Security-Policy"]
    assert key in response.text
    assert "store-42" in response.text


def test_a_frame_that_cannot_be_shown_says_why(http: httpx.Client, key: str) -> None:
    response = http.get("/frame/agenda", params={"key": key, "calendar": "store-43"})

    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")
    assert "store-43" in response.text


def test_a_page_gets_its_token(http: httpx.Client, key: str) -> None:
    response = http.post(
        "/embed/token",
        headers={"Origin": "https://jobs.example.com"},
        json={"key": key, "element": "agenda", "calendar": "store-42"},
    )

    assert response.status_code == 200, response.text
    assert response.json()["bundle"]["src"] == elements.CDN_URL
