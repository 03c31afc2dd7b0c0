/** Element tokens: obtained from the service. What renews them is in the part "keeper". */

import { ask, failure, isObject, own, parseJson, SERVICE } from "./page.js";

/**
 * @typedef {{kind: string, text?: string, url?: string}} AfterPick
 * @typedef {{element_token: {token: string, expires_in: number}, element: string, options: Record<string, any>,
 *   bundle?: {src: string, integrity: string | null}, after_pick?: AfterPick, test_mode?: boolean,
 *   support_code?: string}} Grant
 * @typedef {{slow: () => void, heard: () => void, renewed: (grant: Grant) => void}} Heed
 */

/** The part of a token's life after which it is renewed. */
const RENEW_AT = 0.8;

/** The tokens of one embed. */
export class Session {
  /**
   * @param {(typeof import("./embed.js"))["KIT"]} kit @param {import("./wish.js").Wish} wish
   * @param {AbortSignal} signal Ends it: no timer, listener or request is left.
   */
  constructor(kit, wish, signal) {
    this.kit = kit;
    this.wish = wish;
    this.signal = signal;
    /** @type {Partial<Heed>} */
    this.heed = {};
    /** All that it has had: the Element goes on sending the first one. @type {string[]} */
    this.tokens = [];
    /** Sends the Element's calls; undefined is the page's fetch. @type {typeof fetch | undefined} */
    this.send = undefined;
    /** @type {Promise<void> | undefined} */
    this.renewing = undefined;
    /** The current token, where Cronofy refuses it: the service is not to give it again. @type {string | undefined} */
    this.refused = undefined;
    /** Renewals that failed since the last one that did not. */
    this.retries = 0;
    /** When the token came, by the clock that stands still in sleep and by the one that jumps, and its life (s). */
    this.since = [0, 0, 0];
    /** Why the Element's last call failed, which the Element hides. @type {import("./page.js").Failure | undefined} */
    this.note = undefined;
  }

  get token() {
    return this.tokens[this.tokens.length - 1];
  }

  /** @returns {Promise<Grant>} Rejects with a Failure. */
  async obtain() {
    const { key, widget, element, calendars, assertion } = this.wish;
    // Form fields cost no preflight.
    const body = new URLSearchParams(widget ? { key, widget } : { key, element });
    for (const id of calendars) body.append(calendars.length > 1 ? "calendars" : "calendar", id);
    if (assertion) body.append("assertion", assertion);
    if (this.refused) body.append("refused", this.refused);
    /** @type {RequestInit} */
    const init = { method: "POST", body, credentials: "omit", cache: "no-store" };
    const response = await ask(fetch, `${SERVICE}embed/token`, init, this.signal, () => this.heed.slow?.());
    const answer = parseJson(await response.text());
    if (response.ok && answer?.element_token?.token && isObject(answer.options)) return answer;
    const code = own(answer, "code");
    throw failure(code || "unexpected_answer", own(answer, "detail") || `HTTP ${response.status} without a token.`, {
      support_code: own(answer, "support_code"),
      retryAfter: +(response.headers.get("Retry-After") || 0),
      // A new assertion comes with the page: the same one would be over the next time, too.
      reload: code === "expired_assertion",
    });
  }

  /** @returns {Promise<Grant>} Rejects with a Failure. */
  async open() {
    this.signal.addEventListener("abort", () => clearTimeout(this.timer));
    const grant = await this.obtain();
    this.take(grant);
    return grant;
  }

  take(/** @type {Grant} */ { element_token: { token, expires_in } }) {
    this.tokens.push(token);
    this.refused = undefined;
    const life = expires_in || 3600;
    this.since = [performance.now(), Date.now(), life];
    this.plan(RENEW_AT * life);
  }

  /** @param {number} seconds Until it is renewed; as a duration, because visitors' clocks are wrong. */
  plan(seconds) {
    clearTimeout(this.timer);
    const renew = () => this.renew(this.token).catch(() => {});
    // Timers hold no more than 2^31 ms.
    if (!this.signal.aborted) this.timer = setTimeout(renew, Math.min(seconds * 1000, 2e9));
  }

  /** Replaces a token that is old or was refused. @param {string} old Rejects with a Failure. */
  async renew(old) {
    if (old === this.token) await (await this.kit.loadPart("keeper")).renew(this);
  }
}
