"""The loader that partners' pages run: its current files, and those of earlier versions, which pages pin.

`static/loader/build.mjs` builds `static/embed/{version}/{hash}.js` and a manifest of the current files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from widgetsvc.elements import Encoded
from widgetsvc.errors import ConfigurationError
from widgetsvc.resources import STATIC

FOLDER = STATIC / "embed"
SOURCES = STATIC / "loader"


@dataclass(frozen=True, slots=True)
class Script:
    """A file whose name says its content: `path` on the service, and its integrity (W3C SRI)."""

    path: str
    integrity: str


class _File(BaseModel):
    file: str
    integrity: str


class _Manifest(BaseModel):
    version: str
    core: _File
    parts: Mapping[str, _File]


@dataclass(frozen=True, slots=True)
class Loader:
    """The current loader. `parts` are what its core loads on demand, by name."""

    version: str
    core: Script
    parts: Mapping[str, Script]
    files: Mapping[str, Path]
    """What is served, of all versions: path on the service to file."""

    def current(self) -> Encoded:
        """The core, as `/embed.js` serves it."""
        return _encoded(self.files[self.core.path])

    def declarations(self) -> Encoded:
        """Its API in TypeScript, as `/embed.d.ts` serves it."""
        return _encoded(SOURCES / "widgetsvc.d.ts")

    def file(self, path: str) -> Encoded | None:
        """A file of any version, None where there is none."""
        return _encoded(self.files[path]) if path in self.files else None


def load_loader(folder: Path = FOLDER) -> Loader:
    """Read which files make up the current loader. Raises ConfigurationError where they are not there."""
    manifest = folder / "manifest.json"
    try:
        read = _Manifest.model_validate_json(manifest.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise ConfigurationError(
            [f"{manifest} does not describe a loader; reinstall widgetsvc or `npm run build` ({error})"]
        ) from error

    def script(file: _File) -> Script:
        return Script(f"/embed/{read.version}/{file.file}", file.integrity)

    loader = Loader(
        version=read.version,
        core=script(read.core),
        parts={name: script(file) for name, file in read.parts.items()},
        files={f"/embed/{path.parent.name}/{path.name}": path for path in folder.glob("*/*.js")},
    )
    missing = [each.path for each in (loader.core, *loader.parts.values()) if each.path not in loader.files]
    if missing:
        raise ConfigurationError(
            [f"{folder} lacks {', '.join(missing)}; reinstall widgetsvc or `npm run build`"]
        )
    return loader


class _Code(BaseModel):
    model_config = ConfigDict(extra="forbid")

    says: str
    fix: str
    title: str | None = None
    retry: bool = False
    hosted: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the loader makes of a code. `title` is None for codes that the service has a title for."""

    title: str | None
    fix: str
    sentence: str
    """What visitors read, in English; `{origin}` stands for the page's."""
    retried: bool


@cache
def explanations() -> Mapping[str, Explanation]:
    """Every code that embeds know, the service's and their own."""
    codes = TypeAdapter(dict[str, _Code]).validate_json((SOURCES / "codes.json").read_bytes())
    words = TypeAdapter(dict[str, str]).validate_json((SOURCES / "words" / "en.json").read_bytes())
    return {
        code: Explanation(known.title, known.fix, words[known.says], known.retry)
        for code, known in codes.items()
    }


@cache
def _encoded(path: Path) -> Encoded:
    return Encoded.of(path.read_bytes())
