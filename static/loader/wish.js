/** What an embed is asked for: read from the data- attributes of a tag, or from the options of mount(). */

import { HEIGHTS } from "./elements.js";
import { kept } from "./kept.js";
import { failure, isObject, merge, own, parseJson } from "./page.js";

/** What attributes may say; the first is what they mean unsaid. */
export const MODES = ["auto", "inline", "frame"];
export const THEMES = ["auto", "light", "page"];

/** What is read here; any other attribute is the business of a part. */
export const NAMES =
  "key widget element calendar calendars assertion mode form label height simulate theme tzid locale options texts widgetsvc host".split(
    " ",
  );

/**
 * @typedef {Record<string, any>} Given Attributes as in a dataset (`availabilityQuery`), or mount()'s options.
 * @typedef {{key: string, widget: string, element: string, calendars: string[], assertion: string, mode: string,
 *   form: string, label: string, language: string, height: number, simulate: string, theme: string,
 *   texts: Record<string, any>, options: Record<string, any>}} Wish
 */

/**
 * Reads what an embed is given now; the JSON script in its container holds options, too, and its language is spoken.
 * @param {import("./embed.js").Embed} embed @returns {Promise<Wish>} Rejects with `invalid_tag`.
 */
export async function readWish({ container, given, kit }) {
  const read = (/** @type {string} */ name) => String(own(given, name) ?? "").trim();
  const json = (/** @type {any} */ value) => (typeof value === "string" ? parseJson(value || "{}") : (value ?? {}));
  const [key, widget, element, calendar, mode, theme, tzid, locale, reference] =
    "key widget element calendar mode theme tzid locale assertion".split(" ").map(read);
  const many = own(given, "calendars");
  const calendars = [...new Set([calendar, ...(many?.map ? many : read("calendars").split(/\s+/))])].filter(Boolean);
  const script = container.querySelector(':scope > script[type="application/json"]');
  const options = [own(given, "options"), script?.textContent].map(json);
  const texts = json(own(given, "texts"));
  const height = read("height");
  // What may be wrong is told by the part that has all the words for it.
  const sound =
    key.startsWith("pk_") &&
    (widget ? !element && !calendars.length : own(HEIGHTS, element) && calendars.length) &&
    [MODES, THEMES].every((known, at) => known.includes([mode, theme][at] || "auto")) &&
    !/\D/.test(height) &&
    [...options, texts].every(isObject);
  if (!sound) throw failure("invalid_tag", "");
  const others = Object.keys(given).some((name) => !NAMES.includes(name));
  const more = others ? (await kept({ kit }, "options"))(given) : {};
  const wished = [options[1], more, { ...(tzid && { tzid }), ...(locale && { locale }) }].reduce(merge, options[0]);
  // An Element would take another zone than the page has asked for, and not say so; this throws.
  Intl.DateTimeFormat("en", { timeZone: wished.tzid });
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
    theme,
    texts,
    options: wished,
  };
}

/** @param {string} name Of a parameter in the page's fragment. */
const fragment = (name) => new URLSearchParams(location.hash.slice(1)).get(name) || "";
