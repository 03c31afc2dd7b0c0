/** What an embed is asked for: read from the data- attributes of a tag, or from the options of mount(). */

import { failure, isObject, merge, own, parseJson } from "./page.js";
import { loadPart } from "./scripts.js";

/** Of each Element: the bundle's name for it, and the pixels that it usually takes; the last on narrow pages. */
export const ELEMENTS = /** @type {Record<string, [string, number, number]>} */ ({
  agenda: ["Agenda", 500, 500],
  "availability-rules": ["AvailabilityRules", 480, 649],
  "availability-viewer": ["AvailabilityViewer", 605, 640],
  "calendar-sync": ["CalendarSync", 184, 269],
  "date-time-picker": ["DateTimePicker", 870, 1333],
  "slot-picker": ["SlotPicker", 420, 420],
});

/** What is read here; any other attribute is the business of a part. */
export const NAMES =
  "key widget element calendar calendars assertion mode form label height simulate theme tzid locale options texts widgetsvc host".split(" ");

/**
 * @typedef {Record<string, any>} Given Attributes as in a dataset (`availabilityQuery`), or mount()'s options.
 * @typedef {{key: string, widget: string, element: string, calendars: string[], assertion: string, mode: string,
 *   form: string, label: string, language: string, height: number, simulate: string, theme: string,
 *   texts: Record<string, any>, options: Record<string, any>}} Wish
 */

/**
 * @param {Given} given @param {HTMLElement} container Whose JSON script holds options, too, and whose language is spoken.
 * @returns {Promise<Wish>} Rejects with `invalid_tag`.
 */
export async function readWish(given, container) {
  const read = (/** @type {string} */ name) => String(own(given, name) ?? "").trim();
  const json = (/** @type {any} */ value) => (typeof value === "string" ? parseJson(value || "{}") : (value ?? {}));
  const [key, widget, element, calendar, mode, tzid, locale, reference] =
    "key widget element calendar mode tzid locale assertion".split(" ").map(read);
  const many = own(given, "calendars");
  const calendars = [...new Set([calendar, ...(many?.map ? many : read("calendars").split(/\s+/))])].filter(Boolean);
  const script = container.querySelector(':scope > script[type="application/json"]');
  const options = [own(given, "options"), script?.textContent].map(json);
  const texts = json(own(given, "texts"));
  const height = read("height");
  // What may be wrong is told by the part that has all the words for it.
  const sound =
    key.startsWith("pk_") &&
    (widget ? !element && !calendars.length : own(ELEMENTS, element) && calendars.length) &&
    ["", "auto", "inline", "frame"].includes(mode) &&
    !/\D/.test(height) &&
    [...options, texts].every(isObject);
  if (!sound) throw failure("invalid_tag", "");
  // An Element would take another zone than the page has asked for, and not say so; this throws.
  if (tzid) Intl.DateTimeFormat("en", { timeZone: tzid });
  const others = Object.keys(given).some((name) => !NAMES.includes(name));
  const more = others ? (await loadPart("options"))(given) : {};
  /** @type {HTMLElement | null} */
  const speaking = container.closest("[lang]");
  return {
    key,
    widget,
    element,
    calendars,
    // Frames are handed theirs in the fragment of their address, which browsers send to no server.
    assertion: reference[0] === "#" ? fragment(reference.slice(1)) : reference,
    mode,
    form: read("form"),
    label: read("label"),
    language: locale || speaking?.lang || navigator.language || "en",
    height: Number(height),
    simulate: read("simulate"),
    theme: read("theme"),
    texts,
    options: [options[1], more, { ...(tzid && { tzid }), ...(locale && { locale }) }].reduce(merge, options[0]),
  };
}

/** @param {string} name Of a parameter in the page's fragment. */
const fragment = (name) => new URLSearchParams(location.hash.slice(1)).get(name) || "";

/** The pixels that an element takes unless the tag says otherwise; which one a widget is, comes later. */
export const usualHeight = (/** @type {string} */ element, /** @type {number} */ width) =>
  (own(ELEMENTS, element) || ELEMENTS["slot-picker"])[width < 600 ? 2 : 1];
