/** What becomes of a pick: the page books it and says how that went, or what the widget wants follows. */

import { atEnd, failure, PATIENCE } from "../page.js";
import { createOutcome } from "../panel.js";
import { languageOf, wordsFor } from "../words.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../tokens.js").AfterPick} AfterPick
 * @typedef {import("../words.js").Words} Words
 * @typedef {{start: string, end: string}} Slot Times as in RFC 3339.
 * @typedef {{message?: unknown, booking?: unknown} | undefined} Answer
 */

/**
 * @param {Embed} embed @param {Slot} slot
 * @param {Promise<any> | undefined} answer Of the page that books the slot itself; what follows, follows when it is booked.
 * @param {AfterPick | false} after_pick @param {() => void} again Picks the slot once more.
 * @returns {Promise<boolean>} false where the same slot may be picked again
 */
export default async function outcome(embed, slot, answer, after_pick, again) {
  const words = wordsFor(embed);
  if (!answer) return !after_pick || follow(embed, slot, after_pick, await words);
  const lift = cover(embed, await words);
  /** @type {Answer} */
  let value;
  try {
    value = await answer;
  } catch (error) {
    lift();
    if (isAlive(embed)) refused(embed, error, again);
    return false;
  }
  lift();
  if (!isAlive(embed)) return true;
  const { message, booking } = value || {};
  if (after_pick && after_pick.kind === "message") follow(embed, slot, after_pick, await words);
  else conclude(embed, confirmation(embed, slot, message, await words));
  embed.emit("booked", { slot, booking });
  if (after_pick && after_pick.kind === "redirect") follow(embed, slot, after_pick, await words);
  return true;
}

/** Whether it is still on the page: it may have been started anew in the meantime. @param {Embed} embed */
const isAlive = (embed) => embed.kit.embeds.get(embed.container) === embed;

/** Whether the visitor has not gone on to something else on the page. @param {Embed} embed */
function isAttended({ box }) {
  const { activeElement } = document;
  return !activeElement || activeElement === document.body || box.contains(activeElement);
}

/**
 * Lays “Booking…” over the Element, which keeps its state below.
 * @param {Embed} embed @param {Words} words @returns {() => void} takes it away again
 */
function cover(embed, words) {
  const { box, run } = embed;
  const focused = box.contains(document.activeElement)
    ? /** @type {HTMLElement} */ (document.activeElement)
    : undefined;
  const attended = isAttended(embed);
  const covered = /** @type {HTMLElement[]} */ ([...box.children]).filter((node) => node !== embed.panel);
  const before = covered.map(({ style: { opacity } }) => opacity);
  const panel = createOutcome(words, words.text("booking"));
  Object.assign(panel.style, { placeSelf: "center", border: "none" });
  embed.show(panel);
  if (attended) panel.focus({ preventScroll: true });
  for (const node of covered) {
    node.inert = true;
    node.style.opacity = "0.15";
  }
  box.setAttribute("aria-busy", "true");
  const timer = setTimeout(() => panel.append(words.text("slow")), PATIENCE);
  atEnd(run.signal, () => clearTimeout(timer));
  return () => {
    clearTimeout(timer);
    covered.forEach((node, index) => {
      node.inert = false;
      node.style.opacity = before[index];
    });
    box.setAttribute("aria-busy", "false");
    if (embed.panel !== panel) return;
    const held = panel.contains(document.activeElement);
    embed.show();
    if (held && focused?.isConnected) focused.focus({ preventScroll: true });
  };
}

/** @param {Embed} embed @param {any} error The page's own. @param {() => void} again */
function refused(embed, error, again) {
  const detail = String(error?.message || error);
  if (error?.code === "slot_taken") embed.fail(failure("slot_taken", detail));
  else embed.fail(failure("booking_failed", detail, { stays: true, again }));
}

/** Ends the Element: what is said of the pick takes its place. @param {Embed} embed @param {HTMLElement} panel */
function conclude(embed, panel) {
  const attended = isAttended(embed);
  embed.renew();
  embed.late = false;
  embed.show(panel);
  embed.box.setAttribute("aria-busy", "false");
  if (attended) panel.focus({ preventScroll: true });
}

/** @param {Embed} embed @param {Slot} slot @param {unknown} message @param {Words} words */
function confirmation(embed, slot, message, words) {
  const lines = timeInWords(embed, slot);
  if (message) lines.push(String(message));
  return createOutcome(words, words.text("booked"), lines, true);
}

/** @param {string} language A page may name none, or one that is none. @returns {string} */
function spoken(language) {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(language)[0] || "en";
  } catch (error) {
    if (error instanceof RangeError) return "en";
    throw error;
  }
}

/** @param {Embed} embed @param {Slot} slot @returns {string[]} when it is, and in which zone that is */
function timeInWords(embed, slot) {
  const [start, end] = [slot.start, slot.end].map((time) => new Date(time));
  if (isNaN(+start) || isNaN(+end)) return [];
  const language = spoken(languageOf(embed));
  const timeZone = embed.zone || embed.wish?.options.tzid;
  const period = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short", timeZone });
  const named = new Intl.DateTimeFormat(language, { timeZone, timeZoneName: "long" }).formatToParts(start);
  const zone = named.find(({ type }) => type === "timeZoneName")?.value;
  return [period.formatRange(start, end), ...(zone ? [zone] : [])];
}

/**
 * What the widget wants to follow a pick.
 * @param {Embed} embed @param {Slot} slot @param {AfterPick} after_pick @param {Words} words
 * @returns {boolean} whether it followed
 */
function follow(embed, { start, end }, { kind, text, url }, words) {
  if (kind === "message") {
    const panel = createOutcome(words, text || "");
    // The partner's own words, in whatever language.
    panel.lang = "";
    panel.dir = "auto";
    conclude(embed, panel);
    return true;
  }
  if (kind !== "redirect") return true;
  const target = URL.canParse(url || "") ? new URL(url || "") : undefined;
  if (target?.protocol !== "https:") {
    embed.fail(
      failure("unexpected_answer", `The widget leads on to ${url}, which is no https address.`, { stays: true }),
    );
    return false;
  }
  target.searchParams.set("slot_start", start);
  target.searchParams.set("slot_end", end);
  // Out of a frame, too: the visitor goes there, not the hole in the page.
  window.open(target.href, "_top");
  return true;
}
