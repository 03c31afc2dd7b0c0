"""The custom element in applications of React, Vue and Svelte, as it is."""

import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import PartnerSite, Tenant, Visit
from e2e.elements import SLOT
from tests.processes import ROOT

# Each shows the element while `shown`, of the kind `element`; the page drives it by `window.app`.
REACT = """
import { createElement as h, StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
const App = () => {
  const [state, setState] = useState({ shown: true, element: "slot-picker" });
  window.app = setState;
  const given = { "data-key": KEY, "data-calendar": CALENDAR, "data-element": state.element };
  return state.shown ? h("widgetsvc-embed", given, h("a", { href: "/there" }, "There")) : null;
};
createRoot(document.querySelector("#app")).render(h(StrictMode, null, h(App)));
"""
VUE = """
import { createApp, h, reactive } from "vue";
const state = reactive({ shown: true, element: "slot-picker" });
window.app = (next) => Object.assign(state, next);
createApp({
  render() {
    const given = { "data-key": KEY, "data-calendar": CALENDAR, "data-element": state.element };
    return state.shown ? h("widgetsvc-embed", given, [h("a", { href: "/there" }, "There")]) : null;
  },
}).mount("#app");
"""
SVELTE = """
<script>
  let state = $state({ shown: true, element: "slot-picker" });
  window.app = (next) => Object.assign(state, next);
</script>
{#if state.shown}
  <widgetsvc-embed data-key={KEY} data-calendar={CALENDAR} data-element={state.element}>
    <a href="/there">There</a>
  </widgetsvc-embed>
{/if}
"""
SVELTE_MAIN = """
import { mount } from "svelte";
import App from "./App.js";
mount(App, { target: document.querySelector("#app") });
"""
COMPILE_SVELTE = """
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "svelte/compiler";
const [, , source, target] = process.argv;
writeFileSync(target, compile(readFileSync(source, "utf8"), { filename: "App.svelte", dev: false }).js.code);
"""


@pytest.fixture(scope="module")
def calendar(tenant: Tenant) -> str:
    tenant.calendar("apps-1")
    return "apps-1"


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def application(framework: str, folder: Path, tenant: Tenant, calendar: str) -> str:
    """The application of a framework as one script, with nothing left to load."""
    # Below the checkout, where packages are found.
    main = folder / "main.js"
    if framework == "svelte":
        (folder / "App.svelte").write_text(SVELTE)
        compiler = folder / "compile.mjs"
        compiler.write_text(COMPILE_SVELTE)
        run("node", compiler, folder / "App.svelte", folder / "App.js")
        main.write_text(SVELTE_MAIN)
    else:
        main.write_text({"react": REACT, "vue": VUE}[framework])
    defined = [f'--define:KEY="{tenant.key}"', f'--define:CALENDAR="{calendar}"']
    features = ["__VUE_OPTIONS_API__=true", "__VUE_PROD_DEVTOOLS__=false"]
    features += ["__VUE_PROD_HYDRATION_MISMATCH_DETAILS__=false"]
    defined += [f"--define:{feature}" for feature in features]
    built = folder / "built.js"
    bundle = ["--bundle", "--conditions=browser", '--define:process.env.NODE_ENV="development"']
    run(ROOT / "node_modules/.bin/esbuild", main, *bundle, *defined, f"--outfile={built}")
    return built.read_text().replace("</script", "<\\/script")


@pytest.fixture
def page(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    visit: Visit,
    partner: PartnerSite,
    tenant: Tenant,
    calendar: str,
) -> Page:
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    built = application(request.param, tmp_path, tenant, calendar)
    loader = f'<script async src="{tenant.service.url}/embed.js"></script>'
    return visit.open(partner.origin + partner.put(f'<div id="app"></div>{loader}<script>{built}</script>'))


@pytest.mark.parametrize("page", ["react", "vue", "svelte"], indirect=True)
def test_the_custom_element_lives_with_its_application(page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    expect(page.locator(SLOT).first).to_be_visible()
    expect(page.locator("widgetsvc-embed > [role=group]")).to_have_count(1)
    page.evaluate("app({ shown: true, element: 'agenda' })")
    expect(page.locator(".CronofyAgenda").first).to_be_visible()
    page.evaluate("app({ shown: false, element: 'agenda' })")
    expect(page.locator("widgetsvc-embed")).to_have_count(0)
    page.evaluate("app({ shown: true, element: 'slot-picker' })")
    expect(page.locator(SLOT).first).to_be_visible()

    assert errors == []
