/** Scripts that the loader brings to the page: the UI Elements bundle, and its own parts on demand. */

import { create, DEADLINE, failure, OWN_TAG, SERVICE } from "./page.js";

/** @typedef {{src: string, integrity?: string | null}} Source */

/** What was built together with this file: name → SHA-256 (base64). @type {Record<string, string>} */
const PARTS = __PARTS__;

export const BUNDLE = { src: SERVICE + __BUNDLE_PATH__, integrity: __BUNDLE_INTEGRITY__ };

/** @type {any} */
let policy;

/** Where Trusted Types are enforced, addresses of scripts have to come from a policy. @param {string} src */
function trusted(src) {
  try {
    policy ||= /** @type {any} */ (window).trustedTypes.createPolicy("widgetsvc", {
      createScriptURL: (/** @type {string} */ url) => url,
    });
    return policy.createScriptURL(src);
  } catch {
    // A browser without them, or a page that names the policies there may be: unless it enforces them, text will do.
    return src;
  }
}

/** @param {HTMLScriptElement | HTMLLinkElement} node @param {string | null} [integrity] */
function dress(node, integrity) {
  node.crossOrigin = "anonymous";
  if (integrity) node.integrity = integrity;
  if (OWN_TAG.nonce) node.nonce = OWN_TAG.nonce;
}

/** Has the bundle on its way while all else is; the part "inline" runs it. */
export function preloadBundle() {
  if (document.querySelector('[src*="/CronofyElements"], [href*="/CronofyElements"]')) return undefined;
  const link = create("link");
  link.rel = "preload";
  link.as = "script";
  dress(link, BUNDLE.integrity);
  link.href = BUNDLE.src;
  document.head.append(link);
  return link;
}

/**
 * Runs a script to its end.
 * @param {Source} source @param {HTMLScriptElement} [script] @returns {Promise<HTMLScriptElement>}
 * Rejects with `bundle_failed`.
 */
export async function run({ src, integrity }, script = create("script")) {
  dress(script, integrity);
  /** @type {any} */
  let timer;
  try {
    script.src = trusted(src);
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = reject;
      timer = setTimeout(reject, DEADLINE);
      document.head.append(script);
    });
    return script;
  } catch {
    script.remove();
    throw failure("bundle_failed", `${src} failed.`, { blocked: "script-src" });
  } finally {
    clearTimeout(timer);
  }
}

/** @type {Record<string, Promise<any>>} */
const loaded = {};

/** The file of a part, whose name says its content. @param {string} hash */
const fileOf = (hash) => `embed/${__VERSION__}/${hash.slice(0, 16).replace(/[+/]/g, "-")}.js`;

/**
 * Loads a part of the loader that most page views do not need.
 * @param {string} name @param {string} [hash] Of a part that only another part knows.
 * @returns {Promise<any>} What it exports as default; rejects with `bundle_failed`.
 */
export function loadPart(name, hash = PARTS[name]) {
  const source = { src: SERVICE + fileOf(hash), integrity: `sha256-${hash}` };
  const part = (loaded[name] ||= run(source).then((script) => {
    script.remove();
    // Where parts leave what they have: a property of their own tag, so that the page sees no global.
    return /** @type {any} */ (script).exported;
  }));
  part.catch(() => delete loaded[name]);
  return part;
}
