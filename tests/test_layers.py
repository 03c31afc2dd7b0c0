"""The walls of the house: imports run downwards, and outside things have one door each."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "widgetsvc"
FLOOR = {
    "errors",
    "clock",
    "limits",
    "metrics",
    "localtime",
    "naming",
    "outbound",
    "permissions",
    "repeating",
    "retry_after",
    "timezones",
    "urls",
}

# What each part may import of the package, beside itself and the floor.
ALLOWED: dict[str, set[str]] = {
    "cronofy": set(),
    "gateway": {"cronofy"},
    "shared": {"gateway"},
    "calendars": set(),
    "loader": {"elements", "resources"},
    "snippets": {"elements", "loader"},
    "inspection": {"elements", "gateway", "snippets"},
    "elements": set(),
    "resources": set(),
    "config": set(),
    "database": {"dialects", "postgresql"},
    "dialects": set(),
    "postgresql": {"dialects"},
    "logs": set(),
    "migrations": {"calendars", "gateway"},
    "reencryption": {"calendars", "gateway"},
    "services": {"gateway", "elements", "loader"},
    "web": {"services", "gateway", "elements", "loader"},
    "wiring": {
        "services",
        "gateway",
        "cronofy",
        "calendars",
        "config",
        "database",
        "elements",
        "loader",
        "resources",
        "shared",
    },
    "rsgi": set(),
    "app": {"wiring", "web", "services", "config", "resources"},
    "server": {"app", "rsgi", "config", "logs", "wiring"},
    "demo": {"server", "wiring", "gateway", "config", "resources"},
    "cli": {
        "server",
        "demo",
        "wiring",
        "gateway",
        "calendars",
        "config",
        "database",
        "elements",
        "inspection",
        "loader",
        "reencryption",
        "snippets",
    },
    "__main__": {"cli"},
    **{part: set() for part in FLOOR},
}

# Outside things, and the only places that may import them.
DOORS: dict[str, set[str]] = {
    "babel": {"web"},
    "authlib": {"calendars", "cronofy"},
    "httpcore": {"cronofy", "outbound"},
    "httpx": {"cronofy", "wiring"},
    "prometheus_client": {"metrics"},
    "psycopg": {"postgresql"},
    "sqlalchemy": {
        "calendars",
        "cli",
        "config",
        "database",
        "dialects",
        "gateway",
        "migrations",
        "postgresql",
        "reencryption",
        "web",
        "wiring",
    },
    "alembic": {"database", "migrations", "cli"},
    "icalendar": {"calendars"},
    "joserfc": {"gateway", "calendars"},
    "recurring_ical_events": {"calendars"},
    "granian": {"server"},
    "click": {"cli", "demo"},
    "platformdirs": {"config"},
    "redis": {"cli", "cronofy", "shared", "wiring"},
}


def modules() -> Iterator[tuple[Path, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield path, parts[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            yield from (
                (f"{module}.{alias.name}" for alias in node.names) if module == "widgetsvc" else [module]
            )


MODULES = list(modules())
IDS = [str(path.relative_to(PACKAGE)) for path, _ in MODULES]


@pytest.mark.parametrize(("path", "part"), MODULES, ids=IDS)
def test_imports_run_downwards(path: Path, part: str) -> None:
    reached = {name.split(".")[1] for name in imports(path) if name.startswith("widgetsvc.")}

    assert reached - {part, "__version__"} - FLOOR <= ALLOWED[part]


@pytest.mark.parametrize(("path", "part"), MODULES, ids=IDS)
def test_outside_things_are_imported_at_their_doors_only(path: Path, part: str) -> None:
    roots = {name.split(".")[0] for name in imports(path)}

    assert {root for root in roots if part not in DOORS.get(root, {part})} == set()


@pytest.mark.parametrize(("path", "part"), MODULES, ids=IDS)
def test_the_environment_is_read_by_the_settings_only(path: Path, part: str) -> None:
    names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}

    assert part == "config" or not names & {"environ", "getenv"}


# The same inside the backend: what each of its folders may import of the others.
INSIDE_CALENDARS: dict[str, set[str]] = {
    "engine": set(),
    "store": {"engine"},
    "requests": {"engine", "store"},
    "ics": {"engine"},
    "api": {"engine", "store", "requests", "ics"},
    "pages": {"engine", "store", "requests", "ics", "api"},
}


@pytest.mark.parametrize("folder", INSIDE_CALENDARS)
def test_imports_run_downwards_inside_the_backend(folder: str) -> None:
    # api/app.py puts all of them together.
    files = sorted(set((PACKAGE / "calendars" / folder).glob("*.py")) - {PACKAGE / "calendars/api/app.py"})
    reached = {name for path in files for name in imports(path) if name.startswith("widgetsvc.calendars.")}
    folders = {name.split(".")[2] for name in reached} & INSIDE_CALENDARS.keys()

    assert files
    assert folders - {folder} <= INSIDE_CALENDARS[folder]


def test_every_part_of_the_package_is_known() -> None:
    assert {part for _, part in MODULES} <= ALLOWED.keys()
