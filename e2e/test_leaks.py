"""Embeds that come and go leave nothing behind: no node, no listener, no timer, no memory."""

from dataclasses import dataclass

from playwright.sync_api import CDPSession

from e2e.conftest import PartnerSite, Tenant, Visit

WARM_UP, TIMES = 20, 200

# Timers count from when they are set until they have fired or were cleared.
COUNT_TIMERS = """
window.timers = new Set();
const { setTimeout: set, clearTimeout: clear, setInterval: repeat } = window;
window.setTimeout = (work, ...rest) => {
  const id = set((...given) => { timers.delete(id); work(...given); }, ...rest);
  timers.add(id);
  return id;
};
window.clearTimeout = (id) => { timers.delete(id); clear(id); };
window.setInterval = (...given) => { timers.add("interval"); return repeat(...given); };
"""

COME_AND_GO = """async ([key, times]) => {
  for (let time = 0; time < times; time++) {
    const place = document.createElement("div");
    document.body.append(place);
    const embed = WidgetSvc.mount(place, { key, element: "agenda", calendar: "leaking-1" });
    // Every third one goes before it is there.
    if (time % 3) await embed.ready;
    embed.destroy();
    place.remove();
  }
}"""


@dataclass(frozen=True)
class Footprint:
    """What a page holds after its garbage is collected; the heap in bytes."""

    nodes: int
    listeners: int
    heap: int

    @classmethod
    def of(cls, session: CDPSession) -> "Footprint":
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        return cls(counters["nodes"], counters["jsEventListeners"], int(heap))


def test_two_hundred_embeds_leave_nothing_behind(visit: Visit, partner: PartnerSite, tenant: Tenant) -> None:
    tenant.calendar("leaking-1")
    visit.page.add_init_script(COUNT_TIMERS)
    loader = f'<script src="{tenant.service.url}/embed.js"></script>'
    page = visit.open(partner.origin + partner.put(loader))
    session = page.context.new_cdp_session(page)
    native = page.evaluate("fetch.toString()")

    page.evaluate(COME_AND_GO, [tenant.key, WARM_UP])
    page.wait_for_load_state("networkidle")
    before = Footprint.of(session)
    page.evaluate(COME_AND_GO, [tenant.key, TIMES])
    page.wait_for_load_state("networkidle")
    page.wait_for_function("timers.size === 0")
    after = Footprint.of(session)

    # A few of each are the page's own, and come and go; what leaked once an embed would be hundreds.
    assert after.nodes - before.nodes < TIMES / 4
    assert after.listeners - before.listeners < TIMES / 4
    assert after.heap - before.heap < TIMES * 10_000
    assert page.evaluate("fetch.toString()") == native
    assert page.evaluate("document.body.children.length") == 1
