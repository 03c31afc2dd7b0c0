/** What the ways of showing an Element, in the page and in a frame, have in common. Parts have a copy each. */

import { kept } from "./kept.js";
import { failure } from "./page.js";
import { readWish } from "./wish.js";

/** @typedef {import("./embed.js").Embed} Embed */

/**
 * Reads what is wished, and names the place for it.
 * @param {Embed} embed @returns {Promise<import("./wish.js").Wish>} Rejects with `invalid_tag`.
 */
export async function begin(embed) {
  const wish = (embed.wish = await readWish(embed));
  embed.box.setAttribute("aria-label", wish.label || "Calendar");
  embed.reserve(wish.element);
  return wish;
}

/** Puts the container's own children away. @param {Embed} embed */
export function hideFallback(embed) {
  const { box, container } = embed;
  embed.hidden ||= [...container.childNodes]
    .filter((node) => node !== box)
    .map((node) => {
      const holder = /** @type {any} */ (node);
      const [place, key, nothing] = holder.style ? [holder.style, "display", "none"] : [holder, "nodeValue", ""];
      const before = place[key];
      place[key] = nothing;
      return () => (place[key] = before);
    });
  embed.uncover();
}

/** The Element is there. @param {Embed} embed */
export function settle(embed) {
  embed.late = false;
  embed.show();
  hideFallback(embed);
  embed.box.setAttribute("aria-busy", "false");
  embed.resolve?.(embed);
  embed.emit("ready");
  // At leisure, so that it is at hand when the network is not.
  const { signal } = embed.run;
  const idle = window.requestIdleCallback || ((/** @type {() => void} */ work) => setTimeout(work, 1000));
  idle(() => signal.aborted || embed.say("watch", signal));
}

/** Something takes long, but goes on. @param {Embed} embed @param {AbortSignal} signal */
export function slow(embed, signal) {
  if (signal.aborted || embed.late) return;
  embed.fail(failure("timed_out", "No answer yet; it is still awaited.", { stays: true, waits: true }));
}

/** An answer came, whatever was said before. @param {Embed} embed */
export function heard(embed) {
  if (embed.late) embed.show();
  embed.late = false;
}

/**
 * @typedef {{prevented: boolean, answer?: Promise<any>}} Told
 * Whether a listener objects to what the widget does next, and the promise of one that has taken the pick in hand.
 */

/**
 * Tells the page of a pick. @param {Embed} embed @param {{start: string, end: string}} slot @returns {Told}
 */
export function tell(embed, slot) {
  /** @type {Promise<any> | undefined} */
  let answer;
  const respondWith = (/** @type {any} */ promise) => (answer = Promise.resolve(promise));
  const prevented = !embed.emit("slot-picked", { slot, respondWith }, true);
  return { prevented, answer };
}

/**
 * A visitor has picked a slot: the page is told. What the widget wants to follow, follows unless a listener of the
 * event objects; a listener that books the slot itself says so by `detail.respondWith(promise)`, which resolves to
 * `{message?, booking?}`, or rejects with something whose `code` may be `slot_taken`.
 * @param {Embed} embed @param {{start: string, end: string}} slot @param {import("./tokens.js").AfterPick} [after_pick]
 * @returns {Promise<boolean>} false where nothing has come of it, so that the same slot may be picked again
 */
export async function pick(embed, slot, after_pick) {
  const { prevented, answer } = await (embed.relay ? embed.relay(slot) : tell(embed, slot));
  const follows = prevented ? undefined : after_pick;
  if (!answer && !follows) return true;
  // It is waited for in its turn; until then it must not pass for a failure that nobody hears.
  answer?.catch(() => {});
  try {
    return await (
      await kept(embed, "outcome")
    )(embed, slot, answer, follows, () => void pick(embed, slot, after_pick));
  } catch (error) {
    embed.fail(Object.assign(/** @type {import("./page.js").Failure} */ (error), { stays: true }));
    return false;
  }
}
