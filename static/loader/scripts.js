/** Scripts that the loader brings to the page: the UI Elements bundle, and its own parts on demand. */

import { currentScript, DEADLINE, failure, OWN_TAG, own, SERVICE } from "./page.js";

/** @typedef {{src: string, integrity?: string | null}} Source */

/** What was built together with this file: name → SHA-256 (base64). @type {Record<string, string>} */
const PARTS = __PARTS__;

const BUNDLE = { src: SERVICE + __BUNDLE_PATH__, integrity: __BUNDLE_INTEGRITY__ };

/** Cronofy's own copy of the bundle, for services that have none installed. */
const CDN = "https://elements.cronofy.com/";

/** @type {any} */
let policy;

/** Where Trusted Types are enforced, addresses of scripts have to come from a policy. @param {string} src */
function trusted(src) {
  const { trustedTypes } = /** @type {any} */ (window);
  if (!trustedTypes) return src;
  try {
    policy ||= trustedTypes.createPolicy("widgetsvc", { createScriptURL: (/** @type {string} */ url) => url });
    return policy.createScriptURL(src);
  } catch {
    // The page names the policies that there may be. Where it does not enforce them either, text will do.
    return src;
  }
}

/**
 * Runs a script to its end.
 * @param {Source} source @returns {Promise<HTMLScriptElement>}
 */
async function run({ src, integrity }) {
  const script = document.createElement("script");
  script.crossOrigin = "anonymous";
  if (integrity) script.integrity = integrity;
  if (OWN_TAG.nonce) script.nonce = OWN_TAG.nonce;
  const showAmd = hideAmd(script);
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
    showAmd();
  }
}

/** Hides `define.amd` from one script: with an AMD loader on the page, the bundle sets no global. */
function hideAmd(/** @type {HTMLScriptElement} */ script) {
  const { define } = /** @type {any} */ (window);
  const amd = typeof define === "function" && define.amd;
  const set = (/** @type {object} */ more) => amd && Object.defineProperty(define, "amd", { configurable: true, ...more });
  set({ get: () => (currentScript() === script ? undefined : amd) });
  return () => set({ value: amd, writable: true, enumerable: true });
}

/** The bundle's own global; elements with the ids "exports" and "module" make it attach itself there. */
function findElements() {
  const { exports, module } = /** @type {any} */ (window);
  const places = [own(window, "CronofyElements"), own(exports, "CronofyElements"), own(module, "exports")];
  return places.find((place) => typeof place?.SlotPicker === "function");
}

/** Resolves when a script that somebody else put into the page has had its chance. */
const settled = (/** @type {HTMLScriptElement} */ script) =>
  new Promise((resolve) => {
    for (const target of [script, window]) for (const name of ["load", "error"]) target.addEventListener(name, resolve);
    // An async script holds back the page's load event: after it there is nothing left to wait for.
    if (document.readyState === "complete") resolve(0);
    setTimeout(resolve, DEADLINE);
  });

/** @param {() => Promise<Source | undefined>} elsewhere */
async function fetchBundle(elsewhere) {
  const present = [...document.scripts].find(({ src }) => src.includes("/CronofyElements"));
  if (present) await settled(present);
  let { src } = present || BUNDLE;
  if (!findElements()) {
    try {
      await run(BUNDLE);
    } catch (error) {
      // Not installed on this service: then its answer names Cronofy's copy. No other place is believed.
      const other = await elsewhere();
      if (!other?.src.startsWith(CDN)) throw error;
      await run({ src: (src = other.src) });
    }
  } else if (src !== BUNDLE.src) {
    console.warn(`widgetsvc: the page has brought UI Elements of its own (${src}); this loader is made for ${BUNDLE.src}.`);
  }
  const elements = findElements();
  if (elements) return elements;
  throw failure("bundle_failed", `${src} ran, but left no CronofyElements. Look for an AMD loader.`);
}

/** @type {Promise<Record<string, any>> | undefined} */
let bundle;

/**
 * Loads the bundle once for all embeds of the page; a failure is forgotten, so that it can be tried again.
 * @param {() => Promise<Source | undefined>} elsewhere Where the service's answer says the bundle is.
 * @returns {Promise<Record<string, any>>} Rejects with `bundle_failed`.
 */
export function loadBundle(elsewhere) {
  // An older loader on the same page may have it already; a second copy would be a SyntaxError.
  const earlier = own(own(window, "WidgetSvc"), "loadBundle");
  const loading = (bundle ||= earlier ? earlier(BUNDLE, OWN_TAG.nonce) : fetchBundle(elsewhere));
  loading.catch(() => (bundle = undefined));
  return loading;
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
