/**
 * What a page does to scripts that live on it, and how to live with that.
 *
 * What every page view needs is in the core, and small; what few need is in parts that are loaded on demand.
 */

/** @param {any} object @param {string} key @returns {any} */
export const own = (object, key) => object && Object.getOwnPropertyDescriptor(object, key)?.value;

/** @param {unknown} value @returns {value is Record<string, any>} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {string} text @returns {any} undefined for what is no JSON */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A deep copy of `base` with `over` laid upon it; arrays are replaced, not joined.
 * @param {any} base @param {any} over @returns {any}
 */
export function merge(base, over) {
  if (!isObject(over)) return Array.isArray(over) ? over.map((item) => merge(0, item)) : over;
  /** @type {Record<string, any>} */
  const merged = isObject(base) ? merge(0, base) : {};
  for (const key in over) if (key !== "__proto__") merged[key] = merge(own(merged, key), own(over, key));
  return merged;
}

/**
 * An element with inline styles, which go through CSSOM: a Content-Security-Policy has no say in them.
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name @param {Partial<CSSStyleDeclaration>} [style] @param {string} [text]
 */
export function create(name, style, text) {
  const node = document.createElement(name);
  Object.assign(node.style, style);
  if (text) node.textContent = text;
  return node;
}

/** Calls back when a signal aborts. @param {AbortSignal} signal @param {() => void} work */
export const atEnd = (signal, work) => signal.addEventListener("abort", work, { once: true });

// A <form name="currentScript"> shadows the property of document, but not the getter behind it.
const getCurrentScript = /** @type {() => HTMLScriptElement | null} */ (
  Object.getOwnPropertyDescriptor(Document.prototype, "currentScript")?.get
);

export const currentScript = () => getCurrentScript.call(document);

/** This very script. */
export const OWN_TAG = /** @type {HTMLScriptElement} */ (currentScript());

/** The service's address, with a slash at its end: /embed.js and /embed/{version}/{hash}.js lie below it. */
export const SERVICE = OWN_TAG?.src.replace(/embed(\/[^/]+\/[^/]+)?\.js([?#].*)?$/, "");

/**
 * `retryAfter` in seconds; `reload`: only the whole page can be tried again; `stays`: what is shown goes on;
 * `saves`: it kept the visitor's edits from being saved; `waits`: what is late may still come; `blocked`: the
 * policy's directive that may be the reason; `fix`: for the developer; `told`: the code that the page knows it by;
 * `again` does the same once more where it stands.
 * @typedef {{support_code?: string, retryAfter?: number, reload?: boolean, stays?: boolean, saves?: boolean,
 *   waits?: boolean, blocked?: string, fix?: string, told?: string, again?: () => void}} Circumstances
 * @typedef {Error & {code: string} & Circumstances} Failure
 */

/**
 * @param {string} code Stable; the service's page /problems explains each.
 * @param {string} detail For the developer. @param {Circumstances} [more] @returns {Failure}
 */
export const failure = (code, detail, more) => Object.assign(new Error(detail), { code }, more);

/** Milliseconds after which a visitor is told that it takes long, and after which it is given up. */
export const PATIENCE = 4000;
export const DEADLINE = 15000;

/**
 * Fetches an answer whole, within the deadline.
 * @param {typeof fetch} send @param {string} url @param {RequestInit} init @param {AbortSignal | null | undefined} end
 * @param {() => void} slow Called where it takes longer than visitors like to wait.
 * @returns {Promise<Response>} Rejects with a Failure: `timed_out`, or `silence`, whose reason is to be found.
 */
export async function ask(send, url, init, end, slow) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const timers = [setTimeout(slow, PATIENCE), setTimeout(abort, DEADLINE)];
  end?.addEventListener("abort", abort);
  if (end?.aborted) abort();
  try {
    const answer = await Reflect.apply(send, window, [url, { ...init, signal: controller.signal }]);
    const body = await answer.arrayBuffer();
    return new Response(body.byteLength ? body : null, answer);
  } catch (error) {
    const late = controller.signal.aborted;
    throw failure(late ? "timed_out" : "silence", `${url.split("?")[0]}: ${error}`, { blocked: "connect-src" });
  } finally {
    timers.forEach(clearTimeout);
    end?.removeEventListener("abort", abort);
  }
}
