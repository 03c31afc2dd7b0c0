/**
 * One embed: a container on the page, what is shown in it, and what becomes of it.
 *
 * A container's own children (a link to the hosted page, the first free slots) are shown until the Element is.
 */

import { usualHeight } from "./elements.js";
import { atEnd, create, failure, OWN_TAG, own, SERVICE } from "./page.js";
import { BUNDLE, loadPart, preloadBundle, run } from "./scripts.js";

/** @typedef {import("./page.js").Failure} Failure */

/** What parts need of the core, and cannot have a copy of. */
export const KIT = {
  bundle: BUNDLE,
  embeds: /** @type {Map<Element, Embed>} */ (new Map()),
  loadPart,
  run,
  service: SERVICE,
  tag: OWN_TAG,
  /** What the page's Content-Security-Policy has kept from us, or would if it were enforced. */
  violations: /** @type {SecurityPolicyViolationEvent[]} */ ([]),
};

export const { embeds } = KIT;

document.addEventListener("securitypolicyviolation", (event) => {
  // Of frames, browsers tell the origin only, without a slash.
  if (`${event.blockedURI}/ ${event.sourceFile}`.includes(SERVICE)) KIT.violations.push(event);
});

/** Milliseconds: that a page with nothing to show says nothing, and that a failure waits for its words. */
const SILENCE = 800;
const WORDS_DEADLINE = 2500;

export class Embed {
  kit = KIT;
  /** Whether a notice is shown that the next answer does away with. */
  late = false;
  /** What is shown, as far as it is known. */
  element = "";
  /** What is under way, until it is tried again or has failed. */
  run = new AbortController();
  /** @type {string | undefined} */
  support;
  /** The time zone that the Element shows, as far as it is known. @type {string | undefined} */
  zone;
  /** What is said in place of the Element or below it. @type {HTMLElement | undefined} */
  panel;
  /** @type {import("./wish.js").Wish | undefined} */
  wish;
  /** @type {import("./tokens.js").Session | undefined} */
  session;
  /** In a managed frame, picks are told to the page around it. @type {((slot: any) => Promise<any>) | undefined} */
  relay;
  /** What follows when a visitor has picked a slot, as far as it is known. @type {((slot: any) => void) | undefined} */
  pick;
  /** How to bring the container's own children back. @type {(() => void)[] | undefined} */
  hidden;
  /** Resolves when the Element is there; rejects with a Failure that no retry heals. @type {Promise<Embed>} */
  ready = new Promise((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
  #style;
  #gone;
  #observer = new MutationObserver((records) => {
    if (records.some(({ attributeName }) => /^data-/.test(attributeName || ""))) this.start();
  });

  /**
   * @param {HTMLElement} container @param {import("./wish.js").Given} given Read anew at each start.
   * @param {() => void} [gone] Called when it is destroyed.
   */
  constructor(container, given, gone) {
    embeds.get(container)?.destroy();
    embeds.set(container, this);
    this.container = container;
    this.given = given;
    this.#gone = gone;
    this.ready.catch(() => {});

    this.#style = container.getAttribute("style");
    Object.assign(container.style, { display: "grid", gridTemplate: "auto / minmax(0, 1fr)" });
    // Panel and Element share one cell, so that neither pushes the other about; a notice comes below.
    this.box = create("div", { display: "grid", gridTemplate: "1fr auto / minmax(0, 1fr)", outline: "none" });
    this.box.tabIndex = -1;
    this.box.role = "group";
    // Over the container's own children, which are seen until the Element is there: nothing moves when it comes.
    if (container.innerText.trim()) {
      Object.assign(this.box.style, { position: "absolute", inset: "0", visibility: "hidden" });
      if (getComputedStyle(container).position === "static") container.style.position = "relative";
    }
    container.append(this.box);
    // What mount() was given does not change by itself.
    if (given === container.dataset) this.#observer.observe(container, { attributes: true });
    this.start();
  }

  /**
   * Emits `widgetsvc:{name}` from the container.
   * @param {string} name @param {object} [detail] @returns {boolean} whether no listener objects
   */
  emit(name, detail = {}, cancelable = false) {
    return this.container.dispatchEvent(new CustomEvent(`widgetsvc:${name}`, { bubbles: true, cancelable, detail }));
  }

  async start() {
    const { signal } = this.renew();
    this.late = false;
    this.box.ariaBusy = "true";
    this.reserve(this.given.element);
    const timer = setTimeout(() => this.say("loading", signal), SILENCE);
    atEnd(signal, () => clearTimeout(timer));
    try {
      const mode = own(this.given, "mode");
      // Both are on their way while the trial of styles takes its time; the bundle is called back where a frame has it.
      const hopes = mode !== "frame" && styled !== false;
      const preload = hopes && preloadBundle();
      if (hopes) loadPart("inline").catch(() => {});
      const framed = mode === "frame" || (mode !== "inline" && !stylesWork());
      if (framed && preload) preload.remove();
      const show = await loadPart(framed ? "frame" : "inline");
      if (!signal.aborted) await show(this, signal);
    } catch (error) {
      if (!signal.aborted) this.fail(/** @type {Failure} */ (error));
    }
  }

  /** Ends what is under way. */
  renew() {
    this.#keepFocus(() => this.run.abort());
    return (this.run = new AbortController());
  }

  /** Keeps the place for what will come. @param {string} [element] */
  reserve(element = "") {
    const { container, wish } = this;
    this.element = element;
    container.style.minHeight = `${wish?.height || usualHeight(element, container.clientWidth)}px`;
  }

  /** Lets the part with the words speak. @param {string} what @param {AbortSignal} signal @param {Failure} [error] */
  async say(what, signal, error) {
    const timer = setTimeout(() => this.#stammer(signal, error), WORDS_DEADLINE);
    const keeper = await loadPart("keeper").catch(() => {});
    clearTimeout(timer);
    if (signal.aborted) return;
    if (keeper) keeper[what](this, error);
    else this.#stammer(signal, error);
  }

  /** The words are out of reach, as the service may be. @param {AbortSignal} signal @param {Failure} [error] */
  #stammer(signal, error) {
    if (signal.aborted || !error || error.told) return;
    const code = error.code === "silence" ? (navigator.onLine ? "service_unreachable" : "offline") : error.code;
    error.told = code;
    const message = `The calendar ${error.waits ? "takes long" : "could not be loaded"}.`;
    console.error(`widgetsvc: ${code} — ${error.message}`);
    const panel = create("div", { margin: "auto", padding: "20px", textAlign: "center" }, message);
    panel.role = "alert";
    const again = () => this.start();
    const button = create("button", { font: "inherit", minHeight: "44px" }, "Try again");
    button.onclick = again;
    panel.append(" ", button);
    this.show(panel);
    this.emit("error", { code, message, retryable: true, support_code: error.support_code });
    if (!error.stays) window.addEventListener("online", again, { once: true, signal });
  }

  /** The keyboard's place on the page does not go with what goes. @param {() => void} work */
  #keepFocus(work) {
    const holds = () => this.box.contains(document.activeElement);
    const held = holds();
    work();
    if (held && !holds()) this.box.focus({ preventScroll: true });
  }

  /** Gives the box a place of its own, below the container's own children. */
  uncover() {
    Object.assign(this.box.style, { position: "", visibility: "" });
  }

  /** @param {HTMLElement} [panel] In place of what stood there. @param {number} [row] 2 is below the Element. */
  show(panel, row = 1) {
    this.#keepFocus(() => this.panel?.remove());
    this.panel = panel;
    if (!panel) return;
    this.uncover();
    panel.style.gridArea = `${row} / 1`;
    this.box.append(panel);
  }

  /**
   * Says what went wrong: to the visitor in place of the Element (or below it where that goes on), to the page in
   * an event, to the developer on the console. What time may heal is tried again, later and later.
   * @param {Failure} error
   */
  fail(error) {
    error.code ||= "unexpected_error";
    error.support_code ||= this.support;
    const { signal } = error.stays ? this.run : this.renew();
    this.late = Boolean(error.stays);
    this.box.ariaBusy = "false";
    return this.say("fail", signal, error);
  }

  /** @param {import("./wish.js").Given} given Laid over what was asked for; starts anew. */
  update(given) {
    this.given = { ...this.given, ...given };
    this.start();
  }

  /** Leaves no timer, listener, node or style behind. */
  destroy() {
    if (embeds.get(this.container) !== this) return;
    embeds.delete(this.container);
    this.run.abort();
    this.#observer.disconnect();
    this.hidden?.forEach((restore) => restore());
    this.box.remove();
    // Chromium would leave an empty attribute, were it only removed.
    this.container.setAttribute("style", this.#style || "");
    if (this.#style === null) this.container.removeAttribute("style");
    this.reject?.(failure("destroyed", "Destroyed."));
    this.#gone?.();
  }
}

/** @type {boolean | undefined} */
let styled;

/** A style element of the page itself, with text in it and no nonce. */
const isPlain = (/** @type {HTMLStyleElement} */ { nonce, textContent }) => !nonce && textContent?.trim();

/**
 * Whether the bundle's styles will work on this page. It is tried with an empty style element, for which the page's
 * policy has to have leave, too, in an empty frame, which has the page's policy but not its listeners. A failed try
 * is seen on the console; it is spared pages that show by their own styles, or by a nonce, that it would fail.
 */
function stylesWork() {
  const plain = [...document.querySelectorAll("style")].filter(isPlain);
  // Of another type they may have no sheet at all.
  const likely = plain.length ? plain.every(({ sheet, type }) => sheet || type) : !OWN_TAG.nonce;
  return (styled ??= likely && tryStyle());
}

function tryStyle() {
  const frame = create("iframe", { display: "none" });
  document.body.append(frame);
  const inner = /** @type {Document} */ (frame.contentDocument);
  const style = inner.createElement("style");
  inner.head.append(style);
  const works = Boolean(style.sheet);
  frame.remove();
  return works;
}
