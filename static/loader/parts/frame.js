/** Shows an embed in a frame of the service: the host's side. The element token never enters the page. */

import { atEnd, create, DEADLINE, failure, PATIENCE } from "../page.js";
import { fromGuest, refusalOf, versionOf, VERSIONS } from "../protocol.js";
import { begin, hideFallback, settle, slow, tell } from "../shown.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../wish.js").Wish} Wish
 */

/** Milliseconds that a loaded frame has for a hello that is still on its way; it was said before the page had loaded. */
const GRACE = 500;

/** Heights that grow one after the other before it is taken for a loop. */
const MOST_GROWTHS = 40;

/** @param {Embed} embed @param {AbortSignal} signal @returns {Promise<void>} Rejects with a Failure. */
export default async function frame(embed, signal) {
  const wish = await begin(embed);
  if (signal.aborted) return;
  const iframe = create("iframe", { gridArea: "1 / 1", display: "block", width: "100%", border: "0" });
  iframe.title = wish.label || "Calendar";
  iframe.style.height = embed.container.style.minHeight;
  iframe.src = addressOf(embed, wish);
  atEnd(signal, () => iframe.remove());
  // Until it has something to show, it is neither seen nor in the way.
  iframe.style.visibility = "hidden";
  embed.box.append(iframe);
  const overdue = () => embed.fail(failure("timed_out", `${iframe.src} took longer than ${DEADLINE / 1000} s.`));
  const timers = [setTimeout(() => slow(embed, signal), PATIENCE), setTimeout(overdue, DEADLINE)];
  atEnd(signal, () => timers.forEach(clearTimeout));

  const settings = settingsOf(wish, embed.container);
  const port = await meet(embed, iframe, settings, signal);
  if (signal.aborted) return;
  atEnd(signal, () => port.close());
  const resize = resizer(embed, iframe, wish);
  let shown = false;
  const appear = () => {
    shown = true;
    // From here on the guest speaks for itself, of what takes long, too.
    timers.forEach(clearTimeout);
    embed.show();
    embed.late = false;
    hideFallback(embed);
    // Of two schemes, browsers would lay a ground of their own below the frame.
    Object.assign(iframe.style, { colorScheme: settings.look.colorScheme, visibility: "" });
  };
  port.onmessage = ({ data }) => {
    const message = fromGuest(data);
    if (message && !shown) appear();
    if (message?.type === "height") resize(message.height);
    else if (message?.type === "pick") relay(embed, port, message);
    else if (message?.type === "event") hear(embed, iframe, message);
  };
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

/**
 * What the guest is told of the page, and of what was wished; assertions go over the port only.
 * @param {Wish} wish @param {HTMLElement} container Whose surroundings the frame is to look like.
 */
function settingsOf({ assertion, height, label, language, options, simulate, texts, theme }, container) {
  const { color, colorScheme, fontFamily } = getComputedStyle(container);
  const locale = options.locale || language;
  const look = { color, colorScheme: schemeOf(colorScheme), fontFamily };
  return { given: { assertion, height: height || "", label, locale, options, simulate, texts, theme }, look };
}

/** @param {string} declared As in CSS: `normal`, or the schemes that a page can be seen in. */
function schemeOf(declared) {
  const [dark, light] = [/\bdark\b/, /\blight\b/].map((name) => name.test(declared));
  return dark && (!light || matchMedia("(prefers-color-scheme: dark)").matches) ? "dark" : "light";
}

/**
 * Waits for the guest's hello and hands it a port.
 * @param {Embed} embed @param {HTMLIFrameElement} iframe @param {object} settings @param {AbortSignal} signal
 * @returns {Promise<MessagePort>} Rejects with a Failure: where the service refuses the frame, with its code.
 */
async function meet(embed, iframe, settings, signal) {
  const { origin } = new URL(embed.kit.service);
  const over = new AbortController();
  atEnd(signal, () => over.abort());
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let grace;
  try {
    const version = await new Promise((resolve, reject) => {
      const give = (/** @type {string} */ detail) => reject(failure("framed_out", detail, { blocked: "frame-src" }));
      const listen = (/** @type {MessageEvent} */ event) => {
        if (event.source !== iframe.contentWindow || event.origin !== origin) return;
        const spoken = versionOf(event.data);
        const refusal = spoken && refusalOf(event.data);
        if (refusal) reject(failure(refusal.code, refusal.message, { support_code: refusal.support_code }));
        else if (spoken) resolve(spoken);
        else if (spoken === 0) give(`The frame speaks none of ${VERSIONS}: this loader is older than the service.`);
      };
      window.addEventListener("message", listen, { signal: over.signal });
      const loaded = () => (grace = setTimeout(give, GRACE, `${iframe.src} loaded, but said nothing.`));
      iframe.addEventListener("load", loaded, { once: true });
      atEnd(over.signal, () => resolve(0));
    });
    const { port1, port2 } = new MessageChannel();
    iframe.contentWindow?.postMessage({ widgetsvc: "connect", version, settings }, origin, [port2]);
    return port1;
  } finally {
    over.abort();
    clearTimeout(grace);
  }
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
 * @param {Embed} embed @param {HTMLIFrameElement} iframe @param {{name: string, detail: Record<string, any>}} message
 */
function hear(embed, iframe, { name, detail }) {
  if (name === "ready") return settle(embed);
  if (name === "error") {
    embed.box.setAttribute("aria-busy", "false");
    if (!detail.retryable) embed.reject?.(Object.assign(new Error(detail.message), { code: detail.code }));
  }
  embed.emit(name, detail);
  // Whoever reads on elsewhere is not to be carried off.
  if (document.activeElement === iframe && (name === "error" || name === "booked")) reveal(embed.container);
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
