/** What a part loads by a table of its own: the core's, which every page view has to load, is shorter for it. */

import { own } from "./page.js";

/** Name → SHA-256 (base64). @type {Record<string, string>} */
const PARTS = __PARTS__;

/**
 * @param {Pick<import("./embed.js").Embed, "kit">} embed @param {string} name
 * @returns {Promise<any>} What the part exports as default, or undefined where there is no such part.
 */
export async function kept({ kit }, name) {
  const hash = own(PARTS, name);
  // The core's own loader, because a page's Trusted Types may let it have its policy only once.
  return hash && kit.loadPart(name, hash);
}
