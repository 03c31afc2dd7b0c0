/**
 * The switchboard of failures: acts out, in place of the service, what a page should be seen to get through.
 *
 * The token is asked for in earnest first; nothing follows unless its answer says that the tenant is in test mode.
 * What would pass passes here, too: the failure is acted out once, and a further try goes well.
 */

import { atEnd, failure } from "../page.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../tokens.js").Session} Session
 * @typedef {{session: Session, embed: Embed, argument: string}} Scene
 * @typedef {(scene: Scene) => void} Act May throw what the request for the token shall fail with.
 */

const SLOW = 6000;
const RETRY_AFTER = 2;
const DEFAULT_SKEW = "1d";
/** @type {Record<string, number>} Milliseconds. */
const UNITS = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

/** What has been acted out. @type {WeakMap<Embed, string>} */
const acted = new WeakMap();

/** @param {number} status @param {unknown} body @param {Record<string, string>} [headers] */
const answer = (status, body, headers) => async () => new Response(JSON.stringify(body), { status, headers });

/** A call that the loader's wrapper does not see: it takes the others for its own by this header. @type {typeof fetch} */
function pass(input, init) {
  const headers = new Headers(init?.headers);
  headers.delete("Cronofy-Element");
  return fetch(input, { ...init, headers });
}

/** @param {AbortSignal | null | undefined} signal */
const pause = (signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, SLOW);
    if (signal) atEnd(signal, () => (clearTimeout(timer), reject(signal.reason)));
  });

/** What a visitor's clock that jumps, or is wrong, must not change. @param {Scene} scene */
function skew({ session: { signal }, embed: { container }, argument }) {
  const [, sign, amount, unit] = /^([+-]?)(\d+)([smhd])$/.exec(argument || DEFAULT_SKEW) || [];
  if (!unit) throw failure("invalid_tag", `data-simulate “skew:${argument}” is no time: write it as in skew:-5m.`);
  const by = Number(`${sign}${amount}`) * UNITS[unit];
  const { now } = Date;
  const skewed = () => now() + by;
  Date.now = skewed;
  atEnd(signal, () => {
    if (Date.now === skewed) Date.now = now;
  });
  const say = () =>
    console.info(`widgetsvc: data-simulate: the clock is wrong by ${argument || DEFAULT_SKEW}; nothing depends on it.`);
  container.addEventListener("widgetsvc:ready", say, { once: true, signal });
}

/** @type {Record<string, Act>} */
const ACTS = {
  csp({ embed: { kit } }) {
    const { origin } = new URL(kit.service);
    const fix = `Add ${origin} to the page's connect-src.`;
    throw failure("blocked_by_policy", `connect-src blocks ${kit.service}embed/token (simulated).`, { fix });
  },
  origin({ embed: { kit } }) {
    throw failure("silence", `${kit.service}embed/token: refused (simulated)`);
  },
  offline() {
    throw failure("offline", "The browser is offline (simulated).");
  },
  expired({ session }) {
    session.send = answer(401, {});
  },
  429({ session }) {
    session.send = answer(429, {}, { "Retry-After": String(RETRY_AFTER) });
  },
  500({ session }) {
    session.send = answer(500, {});
  },
  slow({ session }) {
    session.send = async (input, init) => {
      await pause(init?.signal);
      session.send = undefined;
      return pass(input, init);
    };
  },
  noslots({ session }) {
    const nothing = answer(200, { available_slots: [], available_periods: [], sequences: [] });
    session.send = (input, init) => (/availability(\?|$)/.test(String(input)) ? nothing() : pass(input, init));
  },
  skew,
  taken({ session: { signal }, embed: { container } }) {
    const refuse = (/** @type {any} */ { detail }) => {
      detail.respondWith(Promise.reject(failure("slot_taken", "Somebody else took the slot (simulated).")));
    };
    container.addEventListener("widgetsvc:slot-picked", refuse, { once: true, signal });
  },
};

/** What goes on for as long as nobody acts. */
const LASTING = ["csp", "origin"];

/** @param {Session} session Whose requests are answered from here. @param {Embed} embed */
export default function simulate(session, embed) {
  const { simulate: asked } = session.wish;
  const [name, argument = ""] = asked.split(":");
  const act = Object.hasOwn(ACTS, name) ? ACTS[name] : undefined;
  if (!act)
    return console.warn(
      `widgetsvc: data-simulate “${asked}” is not known: use one of ${Object.keys(ACTS).join(", ")}.`,
    );
  if (acted.get(embed) === asked && !LASTING.includes(name)) return undefined;
  session.obtain = async () => {
    // The instance's own method hides the class's only once.
    delete (/** @type {Partial<Session>} */ (session).obtain);
    const grant = await session.obtain();
    if (grant.test_mode) {
      acted.set(embed, asked);
      act({ session, embed, argument });
    } else console.warn("widgetsvc: data-simulate is ignored: the tenant is not in test mode.");
    return grant;
  };
  return undefined;
}
