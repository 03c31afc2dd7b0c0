/**
 * Keeps embeds alive: renews tokens, finds out why something failed, says so in words, and tries again.
 *
 * It is loaded at leisure when an Element is there, or when something goes wrong before.
 */

import codes from "../codes.json";
import { diagnose } from "../diagnosis.js";
import { misspelt } from "../faults.js";
import { kept } from "../kept.js";
import { atEnd, own } from "../page.js";
import { createAlert, createStatus } from "../panel.js";
import { learn, wordsFor } from "../words.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../page.js").Failure} Failure
 * @typedef {import("../tokens.js").Session} Session
 * @typedef {import("../words.js").Words} Words
 *
 * What is known about a code: `says` names its sentence among the words; `retry`: time heals it; `hosted` is false
 * where the hosted page would fail alike; `fix` is for the developer.
 * @typedef {{says: string, retry?: boolean, hosted?: boolean, fix: string}} Entry
 */

/** @type {Record<string, Entry>} */
const CODES = codes;
/** A code that only a later service knows. @type {Entry} */
const UNKNOWN = { says: "unavailable", fix: "The service's page on its codes says more." };

const PICKERS = ["availability-viewer", "date-time-picker", "slot-picker"];

/** Sentences that leave nothing to add, and what their button says. @type {Record<string, string>} */
const COMPLETE = { taken: "another", unbooked: "retry" };

/** Seconds. */
const LONGEST_WAIT = 60;
/** Milliseconds after a failure in which another one is counted on: the longest wait and attempt together. */
const REMEMBERED = 90_000;
/** The part of a token's life after which it is renewed when the page wakes up. */
const RENEW_AT = 0.8;

/** Failures in a row, and when the last was. @type {WeakMap<Embed, {count: number, at: number}>} */
const tallies = new WeakMap();
/** What is being said. @type {WeakMap<Embed, {panel: HTMLElement, code: string, language: string}>} */
const sayings = new WeakMap();
/** Embeds that hold something of the visitor's, which starting anew would lose. @type {WeakSet<Embed>} */
const touched = new WeakSet();

/** Seconds to wait, later and later; jitter: all the pages of a service that was down would else come back as one. */
const backoff = (/** @type {number} */ failures) => Math.min(LONGEST_WAIT, 2 ** failures) * (0.75 + Math.random() / 2);

/** Renews a token; several who ask at once share one request. @param {Session} session @returns {Promise<void>} */
function renew(session) {
  session.renewing ||= session
    .obtain()
    .then(
      (grant) => {
        if (session.signal.aborted) return;
        session.retries = 0;
        session.take(grant);
        session.heed.renewed?.(grant);
      },
      (error) => {
        session.plan(Math.max(backoff(++session.retries), error.retryAfter || 0));
        throw error;
      },
    )
    .finally(() => (session.renewing = undefined));
  return session.renewing;
}

/** The address of the page that shows the same and nothing else. @param {Embed} embed @returns {string | undefined} */
function hostedPage({ kit: { service }, wish }) {
  if (!wish || location.href.startsWith(`${service}frame/`)) return undefined;
  const { assertion, calendars, element, key, widget } = wish;
  const { tzid, locale, ...options } = wish.options;
  const url = new URL(widget ? `frame/widget/${encodeURIComponent(widget)}` : `frame/${element}`, service);
  url.searchParams.set("key", key);
  for (const calendar of calendars) url.searchParams.append("calendar", calendar);
  const more = { tzid, locale, options: Object.keys(options).length ? JSON.stringify(options) : "" };
  for (const [name, value] of Object.entries(more)) if (value) url.searchParams.set(name, value);
  // In the fragment, which browsers send to no server.
  if (assertion) url.hash = new URLSearchParams({ assertion }).toString();
  return url.href;
}

/** @param {Embed} embed @param {Failure} error @returns {string} the name of the sentence on what has become of it all */
function leadOf({ element, hidden }, { saves }) {
  if (saves) return "not_saved";
  if (!hidden) return "not_loaded";
  return PICKERS.includes(element) ? "not_checked" : "not_current";
}

/**
 * Starts anew when it may help: after a while, but not in a tab that nobody looks at, and when the network is back.
 * @param {Embed} embed @param {HTMLElement} panel Where it is gone, all is well. @param {number} [seconds]
 */
function tryAgain(embed, panel, seconds) {
  const { signal } = embed.run;
  const start = () => {
    if (signal.aborted || embed.panel !== panel) return;
    if (document.hidden) document.addEventListener("visibilitychange", start, { once: true, signal });
    else embed.start();
  };
  window.addEventListener("online", start, { once: true, signal });
  if (seconds === undefined) return;
  const timer = setTimeout(start, seconds * 1000);
  atEnd(signal, () => clearTimeout(timer));
}

/** @param {Embed} embed @param {number} [retryAfter] @returns {number} seconds */
function nextWait(embed, retryAfter = 0) {
  const now = performance.now();
  const last = tallies.get(embed);
  const count = last && now - last.at < REMEMBERED ? last.count + 1 : 1;
  tallies.set(embed, { count, at: now });
  return Math.max(backoff(count), retryAfter);
}

/** The visitor asks for another try, and sees that it is made. @param {Embed} embed @param {Words} words */
function retry(embed, words) {
  embed.show(createStatus(words, words.text("again"), embed.container.clientHeight));
  embed.start();
}

/** @param {Embed} embed @param {Words} words @param {Failure} error @param {Entry} entry @param {boolean} again */
function compose(embed, words, error, entry, again) {
  const complete = own(COMPLETE, entry.says);
  const sentence = words.text(error.code) || words.text(entry.says);
  const lead = complete ? sentence : words.text(leadOf(embed, error));
  const lines = complete || error.saves ? [] : [sentence];
  if (again) lines.push(words.text(error.code === "offline" ? "back" : "tries"));
  else if (!complete && !entry.retry && !error.reload) lines.push(words.text("tell"));
  return createAlert(words, {
    lead,
    lines: lines.filter(Boolean),
    button: buttonFor(embed, words, error, complete || "retry"),
    link: complete || entry.hosted === false ? undefined : hostedPage(embed),
    support: error.support_code,
    slim: error.stays,
  });
}

/** @param {Embed} embed @param {Words} words @param {Failure} error @param {string} name Of its text. */
function buttonFor(embed, words, error, name) {
  // What could not be saved would be lost; it is saved again where it stands.
  if (error.saves) return undefined;
  if (!error.reload) return { text: words.text(name), act: error.again || (() => retry(embed, words)) };
  // A frame would come back with the same address; its page has to be reloaded.
  return window.top === window ? { text: words.text("reload"), act: () => location.reload() } : undefined;
}

/** @param {Embed} embed @param {Failure} error */
async function fail(embed, error) {
  const speech = wordsFor(embed);
  if (error.waits) return wait(embed, error, await speech, embed.run.signal);
  // What goes on for the visitor's sake alone, need not where there is nothing of the visitor's in it.
  if (error.stays && !error.saves && !error.again && !touched.has(embed)) {
    error.stays = embed.late = false;
    embed.renew();
  }
  const { signal } = embed.run;
  // Finding the cause may take seconds, in which there is nothing else to be seen.
  if (!error.stays && !embed.panel) loading(embed);
  const [cause, words] = await Promise.all([diagnose(embed, error), speech]);
  // What goes on may have had its answer in the meantime.
  if (signal.aborted || (cause.stays && !embed.late)) return;
  const entry = own(CODES, cause.code) || UNKNOWN;
  const again = Boolean(entry.retry) && !cause.stays;
  const said = sayings.get(embed);
  // What was tried again by itself and failed alike is no news.
  const isNews = !said || embed.panel !== said.panel || said.code !== cause.code;
  if (isNews || said.language !== words.language) {
    const panel = compose(embed, words, cause, entry, again);
    const focused = !cause.stays && embed.box.contains(document.activeElement);
    sayings.set(embed, { panel, code: cause.code, language: words.language });
    embed.show(panel, cause.stays ? 2 : 1);
    if (focused) panel.querySelector("button")?.focus({ preventScroll: true });
    if (isNews && cause.told !== cause.code) report(embed, cause, entry, panel);
  }
  if (!entry.retry) embed.reject?.(cause);
  const { panel } = embed;
  if (again && panel) tryAgain(embed, panel, cause.code === "offline" ? undefined : nextWait(embed, cause.retryAfter));
}

/**
 * Tells the developer on the console, and the page in an event.
 * @param {Embed} embed @param {Failure} error @param {Entry} entry @param {HTMLElement} panel
 */
function report(embed, error, entry, panel) {
  const { code, support_code } = error;
  const fix = error.fix || entry.fix;
  const docs = `${embed.kit.service}problems#${code}`;
  const support = support_code && `Support code ${support_code}.`;
  console.error([`widgetsvc: ${code} —`, error.message, fix, docs, support].filter(Boolean).join(" "));
  const message = [...panel.querySelectorAll("strong, strong + span")].map((node) => node.textContent).join(" ");
  const retryable = Boolean(entry.retry || error.reload);
  embed.emit("error", { code, message, fix, docs, retryable, support_code });
}

/**
 * Says something without taking the place of what is there.
 * @param {Embed} embed @param {Words} words @param {string} text
 */
function beside(embed, words, text) {
  const panel = createStatus(words, text, 0);
  panel.style.marginTop = "12px";
  embed.show(panel, embed.hidden ? 2 : 1);
}

/**
 * Says that it takes long; the answer takes that away.
 * @param {Embed} embed @param {Failure} error @param {Words} words @param {AbortSignal} signal
 */
function wait(embed, error, words, signal) {
  // Where a failure is still being told, its next try is none of the visitor's business.
  if (signal.aborted || !embed.late || (embed.panel && sayings.get(embed)?.panel === embed.panel)) return;
  const text = words.text("slow");
  if (embed.hidden || hasFallback(embed)) beside(embed, words, text);
  else embed.show(createStatus(words, text, embed.container.clientHeight));
  if (error.told) return;
  const { code, message } = error;
  const { fix } = CODES[code];
  const docs = `${embed.kit.service}problems#${code}`;
  console.warn(`widgetsvc: ${code} — ${message} ${docs}`);
  embed.emit("error", { code, message: text, fix, docs, retryable: true, support_code: error.support_code });
}

/** Says that no day has a free time; the next answer takes that away. @param {Embed} embed */
const none = (embed) => tellNone(embed, ["empty"]);

/** Says that only other days than those shown have free times. @param {Embed} embed */
const noneShown = (embed) => tellNone(embed, ["empty", "further"]);

/** @param {Embed} embed @param {string[]} names Of sentences. */
async function tellNone(embed, names) {
  const { signal } = embed.run;
  const words = await wordsFor(embed);
  if (!signal.aborted && embed.late) beside(embed, words, names.map((name) => words.text(name)).join(" "));
}

/** Whether the page shows something of its own in the meantime. @param {Embed} embed */
function hasFallback({ box, container, hidden }) {
  if (hidden) return false;
  return [...container.childNodes].some(
    (node) => node !== box && !(node instanceof HTMLScriptElement) && node.textContent?.trim(),
  );
}

/** A quiet picture of what is to come. @param {Embed} embed */
async function loading(embed) {
  const { signal } = embed.run;
  if (embed.panel || hasFallback(embed)) return;
  const words = await wordsFor(embed);
  // A frame has no children here; it is hidden until it has something to show.
  const isSeen = (/** @type {Element} */ child) =>
    child instanceof HTMLIFrameElement && child.style.visibility !== "hidden";
  const isBare = () => ![...embed.box.children].some((child) => child.hasChildNodes() || isSeen(child));
  if (signal.aborted || embed.panel || !isBare()) return;
  embed.show(createStatus(words, words.text("loading"), embed.container.clientHeight));
}

/** The Element is there: has the words at hand, tells what may be wrong, and sees the page wake up. @param {Embed} embed */
function watch(embed) {
  const { box, given, session } = embed;
  const { signal } = embed.run;
  learn(embed);
  advise(embed, given);
  const touch = () => touched.add(embed);
  for (const name of ["keydown", "pointerdown"]) box.addEventListener(name, touch, { once: true, signal });
  atEnd(signal, () => touched.delete(embed));
  if (!session) return;
  const wake = () => {
    const [started, clock, life] = session.since;
    // In sleep the first stands still; the other may be set back, which counts for nothing.
    const age = Math.max(performance.now() - started, Date.now() - clock) / 1000;
    if (!document.hidden && age > RENEW_AT * life) session.renew(session.token).catch(() => {});
  };
  for (const name of ["online", "pageshow"]) window.addEventListener(name, wake, { signal });
  document.addEventListener("visibilitychange", wake, { signal });
}

/** What has been told of the page; several embeds would repeat it. @type {Set<string>} */
const advised = new Set();

/** @param {Embed} embed @param {import("../wish.js").Given} given */
function advise({ kit: { violations } }, given) {
  const advice = misspelt(given);
  const ids = [...document.querySelectorAll("[id][data-key]")].map(({ id }) => id);
  const shared = ids.find((id, at) => ids.indexOf(id) < at);
  if (shared) advice.push(`Several tags have the id “${shared}”: give each one of its own, or none.`);
  if (document.compatMode === "BackCompat") advice.push("The page is in quirks mode: begin it with <!doctype html>.");
  const styles = violations.some(
    ({ disposition, effectiveDirective }) => disposition === "enforce" && effectiveDirective.startsWith("style-src"),
  );
  if (styles)
    advice.push(
      "The page's style-src keeps the Element's styles out: use data-mode auto or frame, or add their hashes.",
    );
  for (const line of advice.filter((each) => !advised.has(each))) {
    advised.add(line);
    console.warn(`widgetsvc: ${line}`);
  }
}

/** Acts out the failure that the tag asks for. @param {Session} session @param {Embed} embed */
async function simulate(session, embed) {
  (await kept(embed, "simulate"))(session, embed);
}

/** Examines the page itself. @param {(typeof import("../embed.js"))["KIT"]} kit */
async function doctor(kit) {
  return (await kept({ kit }, "doctor"))(kit);
}

export default { renew, fail, loading, none, noneShown, watch, simulate, doctor };
