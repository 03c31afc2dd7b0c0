/** What is wrong with a tag, in words for the developer who wrote it. */

import { HEIGHTS } from "./elements.js";
import { attribute, OPTION_NAMES, readOptions } from "./options.js";
import { isObject, own, parseJson } from "./page.js";
import { MODES, NAMES, THEMES } from "./wish.js";

/** @typedef {import("./wish.js").Given} Given */

/** Single edits from one word to another (Levenshtein). @param {string} from @param {string} to */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [line, letter] of [...from].entries()) {
    const next = [line + 1];
    for (const [column, other] of [...to].entries()) {
      next.push(Math.min(next[column] + 1, row[column + 1] + 1, row[column] + Number(letter !== other)));
    }
    row = next;
  }
  return row[to.length];
}

/** @param {string} word @param {string[]} known @returns {string | undefined} what was probably meant */
function nearest(word, known) {
  const [[edits, best]] = known
    .map((name) => /** @type {[number, string]} */ ([distance(word.toLowerCase(), name.toLowerCase()), name]))
    .sort(([one], [other]) => one - other);
  // Of short words everything is near.
  return edits <= Math.min(2, best.length / 3) ? best : undefined;
}

/**
 * Attributes that are none, but nearly.
 * @param {Given} given @param {string[]} [more] Names that other parts read. @returns {string[]}
 */
export function misspelt(given, more = []) {
  const known = [...NAMES, ...OPTION_NAMES, ...more];
  return Object.keys(given)
    .filter((name) => !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name, known);
      return meant ? [`${attribute(name)} is not known: did you mean ${attribute(meant)}?`] : [];
    });
}

/** @param {string} tzid */
function isZone(tzid) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: tzid }));
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** @param {string} key */
function faultsOfKey(key) {
  if (key.startsWith("sk_")) {
    return "data-key is a secret key, which anybody can read here: revoke it now, and use the publishable key (pk_…).";
  }
  if (key.startsWith("pk_")) return "";
  return key
    ? `data-key “${key}” is no publishable key: those begin with pk_.`
    : "data-key is missing: your publishable key (pk_…).";
}

/** @param {string} element */
function faultsOfElement(element) {
  const names = Object.keys(HEIGHTS);
  if (names.includes(element)) return "";
  const meant = element && nearest(element, names);
  const remedy = meant ? `did you mean ${meant}?` : `use one of ${names.join(", ")}.`;
  return element ? `data-element “${element}” is not known: ${remedy}` : `data-element is missing: ${remedy}`;
}

/**
 * Every fault of a tag at once.
 * @param {Given} given @param {HTMLElement} container Whose JSON script is read, too. @returns {string[]}
 */
export function faultsOf(given, container) {
  const read = (/** @type {string} */ name) => String(own(given, name) ?? "").trim();
  const json = (/** @type {any} */ value) => (typeof value === "string" ? parseJson(value || "{}") : (value ?? {}));
  const isJson = (/** @type {any} */ value) => isObject(json(value));
  const [key, widget, element, mode, theme, height, tzid] = "key widget element mode theme height tzid"
    .split(" ")
    .map(read);
  const calendars = read("calendar") || read("calendars");
  const script = container.querySelector(':scope > script[type="application/json"]');
  const zones = [own(given, "options"), script?.textContent].map((value) => json(value)?.tzid);
  return [
    faultsOfKey(key),
    !widget && faultsOfElement(element),
    !widget && !calendars && "data-calendar is missing: the calendar's id.",
    widget && (element || calendars) && "data-widget stands alone: it says which element and calendars.",
    mode && !MODES.includes(mode) && `data-mode “${mode}” is not known: use one of ${MODES.join(", ")}.`,
    theme && !THEMES.includes(theme) && `data-theme “${theme}” is not known: use one of ${THEMES.join(", ")}.`,
    /\D/.test(height) && `data-height “${height}” is no number of pixels: write it as in 500.`,
    tzid && !isZone(tzid) && `data-tzid “${tzid}” is no time zone: write it as in Europe/London.`,
    !isJson(own(given, "options")) && "data-options is not a JSON object.",
    !isJson(own(given, "texts")) && "data-texts is not a JSON object.",
    script && !isJson(script.textContent) && "The JSON script in the container does not hold a JSON object.",
    ...zones
      .filter((zone) => zone !== undefined && !isZone(zone))
      .map((zone) => `The options’ tzid “${zone}” is no time zone: write it as in Europe/London.`),
    ...readOptions(given).faults,
    ...misspelt(given),
  ].flatMap((fault) => fault || []);
}
