/** Mounts an Element in the page, and heeds what it says. */

import { loadBundle } from "../bundle.js";
import { attend } from "../calls.js";
import { startOf } from "../elements.js";
import { hoursOf } from "../hours.js";
import { atEnd, create, failure, merge, PATIENCE } from "../page.js";
import { begin, heard, pick, settle, slow } from "../shown.js";
import { Session } from "../tokens.js";

const RENDER_DEADLINE = 5000;

/** On dark pages: the Elements are drawn for a light ground. */
const SHEET = { background: "#fff", color: "#1d2327", colorScheme: "light", borderRadius: "8px", padding: "8px" };

/** Whether what surrounds a node is dark, as its ink is light. @param {Element} node */
function isDark(node) {
  const [red, green, blue] = (getComputedStyle(node).color.match(/[\d.]+/g) || []).map(Number);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 140;
}

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../tokens.js").Grant} Grant
 */

/** @param {Embed} embed @param {AbortSignal} signal @returns {Promise<void>} Rejects with a Failure. */
export default async function inline(embed, signal) {
  const wish = await begin(embed);
  if (signal.aborted) return;
  const session = (embed.session = new Session(embed.kit, wish, signal));
  if (wish.simulate) await (await embed.kit.loadPart("keeper")).simulate(session, embed);
  const opening = session.open();
  // It is waited for in its turn; until then a failure must not pass for one that nobody hears.
  opening.catch(() => {});
  const late = () => slow(embed, signal);
  session.heed = {
    slow: late,
    heard: () => heard(embed),
    renewed: ({ element_token: { expires_in } }) => embed.emit("renewed", { expires_in }),
  };
  const patience = setTimeout(late, PATIENCE);
  atEnd(signal, () => clearTimeout(patience));
  const loading = loadBundle(embed.kit, () => opening.then(({ bundle }) => bundle));
  loading.catch(() => {});
  // The token first: its failure says more.
  const grant = await opening;
  embed.support = grant.support_code;
  const elements = await loading;
  clearTimeout(patience);
  if (signal.aborted) return;
  attend(session, signal);
  embed.reserve(grant.element);
  mount(embed, wish, grant, elements, session, signal);
}

/**
 * @param {Embed} embed @param {import("../wish.js").Wish} wish @param {Grant} grant
 * @param {Record<string, any>} elements @param {Session} session @param {AbortSignal} signal
 */
function mount(
  embed,
  { options: wished, theme },
  { element, options: granted, after_pick },
  elements,
  session,
  signal,
) {
  const start = elements[startOf(element)];
  if (!start) throw failure("element_rejected", `There is no ${element} here. Reload the page.`);
  const node = create("div", { gridArea: "1 / 1", minWidth: "0" });
  // The picker's views differ in length by hundreds of pixels: they scroll, and the page keeps still.
  if (element === "slot-picker") Object.assign(node.style, { contain: "size", overflowY: "auto" });
  if (theme === "light" || (theme !== "page" && isDark(embed.box))) Object.assign(node.style, SHEET);
  node.id = `widgetsvc-${Math.random().toString(36).slice(2)}`;
  embed.box.prepend(node);
  atEnd(signal, () => node.remove());
  watch(embed, node, signal);

  const heed = listener(embed, session, element, after_pick);
  /** @type {any} */
  let complaint;
  let starting = true;
  const options = merge(merge(granted, wished), {
    api_domain: granted.api_domain,
    target_id: node.id,
    element_token: session.token,
  });
  // Hours of the tenant's or widget's zone lie elsewhere in the day of another.
  const periods = granted.availability_query?.query_periods || [];
  if (
    element === "availability-viewer" &&
    options.tzid !== granted.tzid &&
    periods.length &&
    !wished.availability_query
  ) {
    options.config = merge({ ...options.config, ...hoursOf(periods, options.tzid) }, wished.config || {});
  }
  // The Agenda sorts events into the browser's days, whatever zone it is told to write their times in.
  options.tzid ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
  embed.zone = options.tzid;
  options.callback = (/** @type {any} */ message) => {
    const { notification = {} } = message || {};
    if (starting && notification.type === "error") complaint = notification;
    else if (!signal.aborted) heed(notification);
  };

  let handle;
  try {
    handle = start(options);
  } catch (error) {
    throw failure("element_rejected", complaint?.message || /** @type {Error} */ (error).message);
  }
  starting = false;
  if (handle === false) throw failure("element_not_mounted", "Keep the container in the document.");
  if (complaint) heed(complaint);
}

/**
 * Sees the Element appear in its node, and crash: React then leaves an empty node and says nothing.
 * @param {Embed} embed @param {HTMLElement} node @param {AbortSignal} signal
 */
function watch(embed, node, signal) {
  let ready = false;
  let crash = "It left its place empty.";
  const look = () => {
    if (signal.aborted) return;
    if (!node.hasChildNodes()) embed.fail(failure("element_crashed", crash));
    else if (!ready) {
      ready = true;
      settle(embed);
    }
  };
  const observer = new MutationObserver(look);
  observer.observe(node, { childList: true });
  const timer = setTimeout(look, RENDER_DEADLINE);
  const note = (/** @type {ErrorEvent} */ { message }) => {
    crash = message;
    setTimeout(look, 500);
  };
  window.addEventListener("error", note, { signal });
  atEnd(signal, () => {
    observer.disconnect();
    clearTimeout(timer);
  });
}

/**
 * What to do about an Element's notifications.
 * @param {Embed} embed @param {Session} session @param {string} element @param {Grant["after_pick"]} after_pick
 */
function listener(embed, session, element, after_pick) {
  /** @type {string | undefined} */
  let last;
  embed.pick = (slot) => {
    // Pressing “Confirm” again reports the same slot again.
    const picked = `${slot?.start}/${slot?.end}`;
    if (picked !== last) pick(embed, slot, after_pick).then((counts) => counts || (last = undefined));
    last = picked;
  };
  return (/** @type {any} */ { type, slot, tzid, message, errors }) => {
    if (type === "error") {
      const why = session.note || failure("element_failed", `${message} ${JSON.stringify(errors || {})}`);
      // The viewer recovers by itself as soon as another week loads.
      why.stays ||= element === "availability-viewer";
      embed.fail(why);
    } else if (type === "slot_selected") {
      // The visitor may have chosen another zone in the Element.
      embed.zone = tzid || embed.zone;
      embed.pick?.(slot);
    } else if (type === "no_slots_found") embed.emit("empty");
    if (!/slots/.test(type)) return;
    heard(embed);
    // The viewer draws its days without a word.
    if (element !== "availability-viewer" || !type.startsWith("no_")) return;
    embed.late = true;
    embed.say(type === "no_visible_slots" ? "noneShown" : "none", embed.run.signal);
  };
}
