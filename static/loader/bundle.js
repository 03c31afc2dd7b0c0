/** The UI Elements bundle, on a page that may be full of traps for it. */

import { currentScript, DEADLINE, failure, own } from "./page.js";

/**
 * @typedef {import("./scripts.js").Source} Source
 * @typedef {(typeof import("./embed.js"))["KIT"]} Kit
 */

/** Cronofy's own copy of the bundle, for services that have none installed. */
const CDN = "https://elements.cronofy.com/";

/**
 * Hides `define.amd` from one script: with an AMD loader on the page, the bundle sets no global.
 * @param {HTMLScriptElement} script @returns {() => void} what shows it again
 */
function hideAmd(script) {
  const { define } = /** @type {any} */ (window);
  const amd = typeof define === "function" && define.amd;
  const set = (/** @type {object} */ more) =>
    amd && Object.defineProperty(define, "amd", { configurable: true, ...more });
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

/** @param {Kit} kit @param {Source} source */
async function runOnce(kit, source) {
  const script = document.createElement("script");
  const showAmd = hideAmd(script);
  await kit.run(source, script).finally(showAmd);
}

/** @param {Kit} kit @param {() => Promise<Source | undefined>} elsewhere */
async function fetchBundle(kit, elsewhere) {
  const present = [...document.scripts].find(({ src }) => src.includes("/CronofyElements"));
  if (present) await settled(present);
  let { src } = present || kit.bundle;
  if (!findElements()) {
    try {
      await runOnce(kit, kit.bundle);
    } catch (error) {
      // Not installed on this service: then its answer names Cronofy's copy. No other place is believed.
      const other = await elsewhere();
      if (!other?.src.startsWith(CDN)) throw error;
      await runOnce(kit, { src: (src = other.src) });
    }
  } else if (src !== kit.bundle.src) {
    console.warn(
      `widgetsvc: the page has brought UI Elements of its own (${src}); this loader is made for ${kit.bundle.src}.`,
    );
  }
  const elements = findElements();
  if (elements) return elements;
  throw failure("bundle_failed", `${src} ran, but left no CronofyElements. Look for an AMD loader.`);
}

/** @type {Promise<Record<string, any>> | undefined} */
let bundle;

/**
 * Loads the bundle once for all embeds of the page; a failure is forgotten, so that it can be tried again.
 * @param {Kit} kit @param {() => Promise<Source | undefined>} elsewhere Where the service's answer says it is.
 * @returns {Promise<Record<string, any>>} Rejects with `bundle_failed`.
 */
export function loadBundle(kit, elsewhere) {
  // An older loader on the same page may have it already; a second copy would be a SyntaxError.
  const earlier = own(own(window, "WidgetSvc"), "loadBundle");
  const loading = (bundle ||= earlier ? earlier(kit.bundle, kit.tag.nonce) : fetchBundle(kit, elsewhere));
  loading.catch(() => (bundle = undefined));
  return loading;
}
