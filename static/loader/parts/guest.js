/** Shows an embed in a frame of the service: the guest's side. It runs in the service's own page, after the loader. */

import { isObject } from "../page.js";
import { fromHost, RELAYED, VERSIONS } from "../protocol.js";

/** Milliseconds that the host has to answer; then the frame does as one does that nobody manages. */
const PATIENCE = 3000;

const container = /** @type {HTMLElement} */ (document.querySelector("[data-host]"));
const { host = "", refusal: code, support } = container.dataset;

/** @param {Record<string, any>} [given] @returns {import("../embed.js").Embed} */
const mount = (given) => /** @type {any} */ (window).WidgetSvc.mount(container, { ...container.dataset, ...given });

/** Only what was wished says something; an empty wish leaves what the address says. @param {Record<string, any>} given */
const wished = (given) =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== "" && value !== null));

/** The page's words for why there is no calendar. */
function refuse() {
  const message = container.querySelector("h1 + p")?.textContent || "";
  const refusal = { code, message, support_code: support || "" };
  parent.postMessage({ widgetsvc: "hello", versions: VERSIONS, refusal }, host);
}

function start() {
  const over = new AbortController();
  const alone = setTimeout(() => {
    over.abort();
    mount();
  }, PATIENCE);
  const listen = (/** @type {MessageEvent} */ { data, origin, ports, source }) => {
    if (source !== parent || origin !== host || !isObject(data) || data.widgetsvc !== "connect" || !ports[0]) return;
    if (!VERSIONS.includes(data.version) || !isObject(data.settings?.given)) return;
    over.abort();
    clearTimeout(alone);
    connect(ports[0], data.settings);
  };
  window.addEventListener("message", listen, { signal: over.signal });
  parent.postMessage({ widgetsvc: "hello", versions: VERSIONS }, host);
}

/** @param {MessagePort} port @param {{given: Record<string, any>, look?: Record<string, string>}} settings */
function connect(port, { given, look: { color = "", colorScheme = "", fontFamily = "" } = {} }) {
  Object.assign(document.body.style, { color, fontFamily });
  document.documentElement.style.colorScheme = colorScheme;
  for (const name of RELAYED) {
    container.addEventListener(`widgetsvc:${name}`, (event) => {
      const { detail } = /** @type {CustomEvent} */ (event);
      port.postMessage({ type: "event", name, detail: JSON.parse(JSON.stringify(detail)) });
    });
  }
  /** @type {Map<number, (told: {prevented: boolean, answer?: Promise<any>}) => void>} */
  const picks = new Map();
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: any) => void}>} */
  const outcomes = new Map();
  port.onmessage = ({ data }) => {
    const message = fromHost(data);
    if (message?.type === "picked") {
      const { id, prevented, answers } = message;
      const answer = answers ? new Promise((resolve, reject) => outcomes.set(id, { resolve, reject })) : undefined;
      picks.get(id)?.({ prevented, answer });
      picks.delete(id);
    } else if (message?.type === "outcome") {
      const { id, value, error } = message;
      if (error) outcomes.get(id)?.reject(Object.assign(new Error(error.message), { code: error.code }));
      else outcomes.get(id)?.resolve(value);
      outcomes.delete(id);
    }
  };
  let last = 0;
  const embed = mount(wished(given));
  embed.relay = (slot) =>
    new Promise((resolve) => {
      picks.set(++last, resolve);
      port.postMessage({ type: "pick", id: last, slot });
    });
  followTimes(embed);
  watchHeight(port);
}

/**
 * A time of the server's list that is picked before the Element is there counts as one of the Element's: the page
 * hears of it. Where the Element fails to come, the link leads where it leads without scripts.
 * @param {import("../embed.js").Embed} embed
 */
function followTimes(embed) {
  /** @type {HTMLAnchorElement | null | undefined} */
  let picked;
  container.addEventListener("click", (event) => {
    const { target, button, ctrlKey, metaKey, shiftKey } = event;
    const link = target instanceof Element && target.closest("a[data-start]");
    if (!(link instanceof HTMLAnchorElement) || button || ctrlKey || metaKey || shiftKey) return;
    // It leaves the whole page, which browsers allow only while the click is fresh.
    if (link.target) return;
    event.preventDefault();
    picked?.removeAttribute("aria-busy");
    picked = link;
    link.setAttribute("aria-busy", "true");
  });
  container.addEventListener("widgetsvc:ready", () => {
    if (picked) embed.pick?.({ start: picked.dataset.start, end: picked.dataset.end });
    picked = null;
  });
  container.addEventListener("widgetsvc:error", () => picked && location.assign(picked.href));
}

/** Tells the height of what is shown, which does not depend on the frame's. @param {MessagePort} port */
function watchHeight(port) {
  let told = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(container.getBoundingClientRect().height);
    if (height && height !== told) port.postMessage({ type: "height", height: (told = height) });
  }).observe(container);
}

if (code) refuse();
else start();

export default {};
