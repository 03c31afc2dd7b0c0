"""The TypeScript declarations: they take what the loader takes, and refuse what it would refuse."""

import json
import re
import subprocess
from pathlib import Path

from widgetsvc.loader import SOURCES

DECLARATIONS = SOURCES / "widgetsvc.d.ts"
COMPILER = Path(__file__).parents[1] / "node_modules" / ".bin" / "tsc"

GOOD = """
const embed: WidgetSvc.Embed = WidgetSvc.mount("#here", {
  key: "pk_1",
  element: "slot-picker",
  calendars: ["store-42", "store-43"],
  configStartTime: "09:00",
  configWeekStartDay: "monday",
  colorsPrimaryLight: "teal",
  stylesPrefix: "Mine",
  availabilityQuery: { required_duration: { minutes: 30 } },
  options: { config: { mode: "no_confirm" }, styles: { colors: { primary: "#0a7" } } },
});
embed.ready.then(({ update }) => update, ({ code }: WidgetSvc.Failure) => code === "unknown_calendar");
embed.update({ tzid: "Europe/London", height: 500 });
WidgetSvc.mount(document.body, { key: "pk_1", widget: "w_1" }).destroy();

document.addEventListener("widgetsvc:slot-picked", (event) => {
  const start: string = event.detail.slot.start;
  event.detail.respondWith(fetch(`/book?at=${start}`).then(() => ({ message: "See you!", booking: 7 })));
  event.preventDefault();
});
window.addEventListener("widgetsvc:error", ({ detail: { code, retryable } }) => {
  if (code === "slot_taken" || code === "of_a_later_service") return retryable;
});
const element = document.querySelector("widgetsvc-embed");
element?.addEventListener("widgetsvc:booked", ({ detail }) => detail.booking);
element?.embed?.destroy();
document.createElement("widgetsvc-embed").dataset.key = WidgetSvc.version;
"""


def compile_sample(folder: Path, sample: str) -> subprocess.CompletedProcess[str]:
    (folder / "page.ts").write_text(sample)
    options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--types", ""]
    command = [str(COMPILER), "--ignoreConfig", *options, str(DECLARATIONS), str(folder / "page.ts")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)


def test_a_page_that_uses_all_of_it_compiles(tmp_path: Path) -> None:
    done = compile_sample(tmp_path, GOOD)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_mistake_is_refused_where_it_stands(tmp_path: Path) -> None:
    mistakes = [
        'WidgetSvc.mount("#here", { element: "agenda", calendar: "a" });',
        'WidgetSvc.mount("#here", { key: "pk_1", element: "clock", calendar: "a" });',
        'WidgetSvc.mount("#here", { key: "pk_1", element: "agenda" });',
        'WidgetSvc.mount("#here", { key: "pk_1", widget: "w_1", element: "agenda" });',
        'WidgetSvc.mount("#here", { key: "pk_1", widget: "w_1", configWeekStartDay: "Monday" });',
        'WidgetSvc.mount("#here", { key: "pk_1", widget: "w_1", colorsPrimery: "teal" });',
        'WidgetSvc.mount("#here", { key: "pk_1", widget: "w_1", mode: "popup" });',
        'document.addEventListener("widgetsvc:booked", ({ detail }) => detail.start);',
        'document.addEventListener("widgetsvc:error", ({ detail }) => detail.code.toFixed());',
        'WidgetSvc.version = "1";',
        "WidgetSvc.mount(null, { key: 'pk_1', widget: 'w_1' });",
    ]

    done = compile_sample(tmp_path, "\n".join(mistakes))

    assert done.returncode != 0
    refused = {int(line) for line in re.findall(r"page\.ts\((\d+),\d+\): error", done.stdout)}
    assert refused == set(range(1, len(mistakes) + 1)), done.stdout


def test_the_codes_are_those_that_the_loader_knows() -> None:
    _, _, union = DECLARATIONS.read_text().partition("type ErrorCode =")

    declared = re.findall(r'\| "(\w+)"', union.partition(";")[0])
    assert declared == list(json.loads((SOURCES / "codes.json").read_text()))


def test_the_options_are_those_that_the_loader_reads() -> None:
    text = DECLARATIONS.read_text()
    config = re.search(r"interface Config \{(.*?)\n  \}", text, re.DOTALL)
    source = re.search(r"const CONFIG = \{(.*?)\n\};", (SOURCES / "options.js").read_text(), re.DOTALL)

    assert config
    assert source
    declared = re.findall(r"^    (\w+)\?:", config[1], re.MULTILINE)
    assert declared == re.findall(r"^  (\w+):", source[1], re.MULTILINE)


def test_the_colours_are_those_that_the_loader_reads() -> None:
    _, _, union = DECLARATIONS.read_text().partition("type ColorName =")
    _, _, source = (SOURCES / "options.js").read_text().partition("const COLORS =")

    declared = re.findall(r'\| "(\w+)"', union.partition(";")[0])
    assert declared == sorted(re.findall(r"\w+", source.partition(";")[0]))
