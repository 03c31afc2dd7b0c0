/**
 * The Element's calls to the API: window.fetch is wrapped for as long as there is an embed on the page.
 *
 * The Elements can change a token only by starting over, blame the token for every failure, and wait for ever. So
 * their calls (they alone carry the header Cronofy-Element) get the current token and a deadline, are repeated once
 * after a 401, and leave behind in `session.note` why they failed. All other calls pass untouched.
 */

import { ask, atEnd, failure, isObject, own, parseJson } from "./page.js";

/** @typedef {import("./tokens.js").Session} Session */

/** @type {Set<Session>} */
const sessions = new Set();

/** @type {typeof fetch} */
let theirs;

/** @type {typeof fetch} */
function wrapper(input, init) {
  const session = init?.headers && new Headers(init.headers).has("Cronofy-Element") && sessionOf(input);
  // @ts-ignore -- passed on as it came
  return session ? call(session, new URL(input), init) : Reflect.apply(theirs, this, arguments);
}

/** The session whose token an address carries. @param {any} input */
function sessionOf(input) {
  const token = new URL(input, location.href).searchParams.get("et");
  return [...sessions].find(({ tokens }) => tokens.includes(token || ""));
}

/** @param {Session} session @param {AbortSignal} signal Takes the wrapper off again. */
export function attend(session, signal) {
  if (!sessions.size && window.fetch !== wrapper) {
    theirs = window.fetch;
    window.fetch = wrapper;
  }
  sessions.add(session);
  atEnd(signal, () => {
    sessions.delete(session);
    // Where another script has wrapped the wrapper since, it stays in between and passes all on.
    if (!sessions.size && window.fetch === wrapper) window.fetch = theirs;
  });
}

/** @type {Record<number, string>} */
const CODES = { 401: "expired_token", 403: "permission_not_allowed", 422: "query_rejected", 429: "rate_limited" };

/** Without one of these, an Element draws its error box and may say nothing. @type {Record<string, string[]>} */
const EXPECTED = {
  availability: ["available_slots", "available_periods", "available_bookable_events"],
  events: ["events"],
  free_busy: ["free_busy"],
  sequenced_availability: ["sequences"],
};

/** @param {URL} url @param {Response} answer */
async function isUsable({ pathname }, answer) {
  const expected = own(EXPECTED, pathname.slice(pathname.lastIndexOf("/") + 1));
  if (!expected) return true;
  const body = parseJson(await answer.clone().text());
  return isObject(body) && expected.some((/** @type {string} */ name) => Array.isArray(own(body, name)));
}

/** @param {Session} session @param {URL} url @param {RequestInit} init @returns {Promise<Response>} */
async function call(session, url, init) {
  // An unsaved rule is the one failure that can leave the visitor's edits in place, if it reads like a bad request.
  const saves = init.method === "POST" && url.pathname.endsWith("/availability_rules");
  let used = "";
  const attempt = () => {
    url.searchParams.set("et", (used = session.token));
    return ask(session.send || theirs, url.href, init, init.signal, () => session.heed.slow?.());
  };
  try {
    let answer = await attempt();
    if (answer.status === 401) {
      session.refused = used;
      await session.renew(used);
      answer = await attempt();
    }
    session.heed.heard?.();
    session.note = undefined;
    const { ok, status, headers } = answer;
    // A rule that does not exist yet is no failure.
    if (status === 404 || (ok && (await isUsable(url, answer)))) return answer;
    const code = CODES[status] || (ok ? "unexpected_answer" : status < 500 ? "element_failed" : "upstream_unavailable");
    const detail = `${url.pathname} was answered with ${status}: ${(await answer.text()).slice(0, 500)}`;
    throw failure(code, detail, { retryAfter: +(headers.get("Retry-After") || 0) });
  } catch (error) {
    session.note = Object.assign(/** @type {import("./page.js").Failure} */ (error), { stays: saves, saves });
    // Every other failure reads alike to the Elements; some statuses would leave one silent, or spinning for ever.
    return new Response('{"errors":{}}', { status: saves ? 422 : 500 });
  }
}
