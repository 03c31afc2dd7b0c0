/** What visitors read: in the page's language where it is known, and in the page's own words where it has some. */

import english from "./words/en.json";
import { kept } from "./kept.js";
import { own, parseJson } from "./page.js";

/**
 * @typedef {import("./embed.js").Embed} Embed
 * @typedef {{language: string, dir: string, text: (name: string) => string}} Words
 */

/** Milliseconds that a failure waits for its language; until then English says as much. */
const LANGUAGE_DEADLINE = 2000;

/** @param {Embed} embed @returns {string} such as de-AT; the one that is spoken around the embed */
export function languageOf({ container, wish }) {
  const speaking = /** @type {HTMLElement | null} */ (container.closest("[lang]"));
  return wish?.language || speaking?.lang || navigator.language || "en";
}

/** @param {Embed} embed @returns {Promise<[string, Record<string, string>]>} What there is of its language, or English. */
async function vocabulary(embed) {
  const [language] = languageOf(embed).toLowerCase().split(/[-_]/);
  const words = await kept(embed, `words/${language}`);
  return words ? [language, words] : ["en", english];
}

/** Has the words at hand for when the network is not. @param {Embed} embed */
export const learn = (embed) => void vocabulary(embed).catch(() => {});

/** @param {Embed} embed @returns {Promise<Words>} */
export async function wordsFor(embed) {
  /** @type {any} */
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, LANGUAGE_DEADLINE)));
  const known = /** @type {Awaited<ReturnType<typeof vocabulary>> | undefined} */ (
    await Promise.race([vocabulary(embed).catch(() => undefined), late])
  );
  clearTimeout(timer);
  const [language, words] = known || ["en", english];
  const given = own(embed.given, "texts");
  const theirs = embed.wish?.texts || (typeof given === "string" ? parseJson(given) : given);
  /** @param {string} name */
  const text = (name) => {
    const written = own(theirs, name) ?? own(words, name) ?? own(english, name);
    return written === undefined ? "" : String(written).replace("{origin}", window.origin);
  };
  return { language, dir: language === "ar" ? "rtl" : "ltr", text };
}
