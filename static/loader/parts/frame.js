/** Shows an embed in a frame of the service: the host's side. The element token never enters the page. */

import { atEnd, create, DEADLINE, failure, PATIENCE } from "../page.js";
import { fromGuest, versionOf, VERSIONS } from "../protocol.js";
import { hideFallback, settle, slow, tell } from "../shown.js";
import { Session } from "../tokens.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../wish.js").Wish} Wish
 */

/** Milliseconds that a loaded frame has for a hello that is still on its way; it was said before the page had loaded. */
const GRACE = 500;

/** Heights that grow one after the other before it is taken for a loop. */
const MOST_GROWTHS = 40;

/** @param {Embed} embed @param {Wish} wish @param {AbortSignal} signal Rejects with a Failure. */
export default async function frame(embed, wish, signal) {
  const iframe = create("iframe", { gridArea: "1 / 1", display: "block", width: "100%", border: "0" });
  iframe.title = wish.label || "Calendar";
  iframe.style.height = embed.container.style.minHeight;
  iframe.src = addressOf(embed, wish);
  atEnd(signal, () => iframe.remove());
  // Until it has something to show, it is neither seen nor in the way.
  iframe.style.visibility = "hidden";
  embed.box.append(iframe);
  const patience = setTimeout(() => slow(embed, signal), PATIENCE);
  atEnd(signal, () => clearTimeout(patience));

  const port = await meet(embed, iframe, wish, signal);
  embed.show();
  embed.late = false;
  hideFallback(embed);
  iframe.style.visibility = "";
  const resize = resizer(embed, iframe, wish);
  port.onmessage = ({ data }) => {
    const message = fromGuest(data);
    if (message?.type === "height") resize(message.height);
    else if (message?.type === "pick") relay(embed, port, message);
    else if (message?.type === "event") hear(embed, message, () => clearTimeout(patience));
  };
  atEnd(signal, () => port.close());
}

/** @param {Embed} embed @param {Wish} wish */
function addressOf({ kit: { service } }, { key, widget, element, calendars, options: { tzid, locale } }) {
  const url = new URL(widget ? `frame/widget/${encodeURIComponent(widget)}` : `frame/${element}`, service);
  url.searchParams.set("key", key);
  for (const id of calendars) url.searchParams.append("calendar", id);
  for (const [name, value] of Object.entries({ tzid, locale })) if (value) url.searchParams.set(name, value);
  url.searchParams.set("host", window.origin);
  return url.href;
}

/** What the guest is told of the page, and of what was wished; assertions go over the port only. @param {Wish} wish */
function settingsOf({ assertion, height, label, language, options, simulate, texts }) {
  const { fontFamily } = getComputedStyle(document.body);
  const locale = options.locale || language;
  return { given: { assertion, height: height || "", label, locale, options, simulate, texts }, fontFamily };
}

/**
 * Waits for the guest's hello and hands it a port.
 * @param {Embed} embed @param {HTMLIFrameElement} iframe @param {Wish} wish @param {AbortSignal} signal
 * @returns {Promise<MessagePort>} Rejects with a Failure.
 */
async function meet(embed, iframe, wish, signal) {
  const { origin } = new URL(embed.kit.service);
  const over = new AbortController();
  atEnd(signal, () => over.abort());
  /** @type {ReturnType<typeof setTimeout>[]} */
  const timers = [];
  try {
    const version = await new Promise((resolve, reject) => {
      const give = (/** @type {string} */ code, /** @type {string} */ detail) =>
        reject(failure(code, detail, { blocked: "frame-src" }));
      const listen = (/** @type {MessageEvent} */ event) => {
        if (event.source !== iframe.contentWindow || event.origin !== origin) return;
        const spoken = versionOf(event.data);
        if (spoken) resolve(spoken);
        else if (spoken === 0) give("framed_out", `The frame speaks none of ${VERSIONS}: this loader is older than the service.`);
      };
      window.addEventListener("message", listen, { signal: over.signal });
      const loaded = () => timers.push(setTimeout(give, GRACE, "framed_out", `${iframe.src} loaded, but said nothing.`));
      iframe.addEventListener("load", loaded, { once: true });
      timers.push(setTimeout(give, DEADLINE, "timed_out", `${iframe.src} took longer than ${DEADLINE / 1000} s.`));
      atEnd(over.signal, () => resolve(0));
    });
    const { port1, port2 } = new MessageChannel();
    iframe.contentWindow?.postMessage({ widgetsvc: "connect", version, settings: settingsOf(wish) }, origin, [port2]);
    return port1;
  } catch (error) {
    // A page that the browser refuses to frame says nothing. The service may say why; a token is of no use here.
    if (/** @type {any} */ (error).code === "framed_out") await new Session(wish, signal).obtain().catch(reasonable);
    throw error;
  } finally {
    over.abort();
    timers.forEach(clearTimeout);
  }
}

/** Lets a reason pass that the service gave in so many words. @param {import("../page.js").Failure} error */
function reasonable(error) {
  if (error.support_code) throw error;
}

/**
 * Follows the guest's height, but not into a loop in which each grows because of the other.
 * @param {Embed} embed @param {HTMLIFrameElement} iframe @param {Wish} wish @returns {(height: number) => void}
 */
function resizer(embed, iframe, wish) {
  let last = iframe.clientHeight;
  let width = iframe.clientWidth;
  let growths = 0;
  return (asked) => {
    const height = Math.ceil(asked);
    if (wish.height || height === last) return;
    growths = height > last && iframe.clientWidth === width ? growths + 1 : 0;
    width = iframe.clientWidth;
    if (growths === MOST_GROWTHS) console.warn("widgetsvc: the frame grows and grows; its height is left as it is.");
    if (growths >= MOST_GROWTHS) return;
    last = height;
    iframe.style.height = `${height}px`;
    embed.emit("resized", { height });
  };
}

/**
 * @param {Embed} embed @param {{name: string, detail: Record<string, any>}} message @param {() => void} patient
 */
function hear(embed, { name, detail }, patient) {
  patient();
  if (name === "ready") return settle(embed);
  if (name === "error") {
    embed.box.setAttribute("aria-busy", "false");
    if (!detail.retryable) embed.reject?.(Object.assign(new Error(detail.message), { code: detail.code }));
  }
  embed.emit(name, detail);
  if (name === "error" || name === "booked") reveal(embed.container);
}

/** Something is said at the top of the frame; a visitor far below would not see it. @param {HTMLElement} container */
function reveal(container) {
  if (container.getBoundingClientRect().top >= 0) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  container.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

/**
 * The page hears of a pick, and may object or take it in hand; the frame hears what became of it.
 * @param {Embed} embed @param {MessagePort} port @param {{id: number, slot: {start: string, end: string}}} pick
 */
async function relay(embed, port, { id, slot }) {
  const { prevented, answer } = tell(embed, slot);
  port.postMessage({ type: "picked", id, prevented, answers: Boolean(answer) });
  if (!answer) return;
  try {
    const value = await answer;
    // Only what can be sent is; a page may resolve with anything.
    port.postMessage({ type: "outcome", id, value: JSON.parse(JSON.stringify(value ?? null)) });
  } catch (error) {
    const { code, message = String(error) } = /** @type {any} */ (error) || {};
    port.postMessage({ type: "outcome", id, error: { code, message } });
  }
}
