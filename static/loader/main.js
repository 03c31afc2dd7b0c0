/**
 * widgetsvc loader: puts a scheduling calendar where its tag stands.
 *
 *   <script async src="https://w.example.com/embed.js"
 *           data-key="pk_…" data-element="slot-picker" data-calendar="store-42"></script>
 *
 * Or, with the script anywhere on the page: <div data-widgetsvc data-key=…>, <widgetsvc-embed data-key=…>, and
 * <a data-widgetsvc="popup" data-key=…>. README.md describes attributes, events and the API.
 */

import { Embed, embeds, KIT } from "./embed.js";
import { create, currentScript, failure, OWN_TAG, own } from "./page.js";
import { loadPart } from "./scripts.js";

const CONTAINER = '[data-widgetsvc]:not([data-widgetsvc="popup"])';

/** Puts an embed beside a script tag, or where that stands in the head, into the body. */
async function adopt(/** @type {HTMLScriptElement} */ tag) {
  const { element, form, key, widget } = tag.dataset;
  if (!(key || element || widget)) return;
  const floats = form === "floating";
  const inPlace = !floats && tag.isConnected && !tag.closest("head");
  if (!inPlace) await parsed();
  if (floats) return (await loadPart("popup")).float(Embed, tag);
  const container = create("div");
  container.className = "widgetsvc";
  if (inPlace) tag.after(container);
  else document.body.append(container);
  new Embed(container, tag.dataset, () => container.remove());
}

const parsed = () =>
  document.readyState === "loading" && new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));

/**
 * @param {string | HTMLElement} target A selector or an element. @param {import("./wish.js").Given} given
 * @returns {Embed} Throws a Failure where there is no such element.
 */
function mount(target, given) {
  const container = typeof target === "string" ? document.querySelector(target) : target;
  if (!(container instanceof HTMLElement)) throw failure("invalid_target", `There is no element ${target}.`);
  return new Embed(container, given);
}

/** Starts an embed in what is marked as its container. @param {Node} node */
function follow(node) {
  if (!(node instanceof Element)) return;
  const within = [...node.querySelectorAll(CONTAINER)];
  if (node.matches(CONTAINER)) within.push(node);
  for (const container of /** @type {HTMLElement[]} */ (within)) {
    if (!embeds.has(container)) new Embed(container, container.dataset);
  }
}

/** Containers come to single-page apps late, and leave when they like. */
function followChanges() {
  new MutationObserver((records) => {
    for (const { addedNodes } of records) addedNodes.forEach(follow);
    if (records.some(({ removedNodes }) => removedNodes.length)) {
      for (const [container, embed] of embeds) if (!container.isConnected) embed.destroy();
    }
  }).observe(document, { childList: true, subtree: true });
}

class EmbedElement extends HTMLElement {
  connectedCallback() {
    // React's strict mode takes it out and in again at once; attributes may be set after it is in.
    queueMicrotask(() => {
      if (this.isConnected && !embeds.has(this)) new Embed(this, this.dataset);
    });
  }

  /** The embed in it, for its `ready`, `update` and `destroy`. */
  get embed() {
    return embeds.get(this);
  }
}

function start() {
  const api = Object.freeze({ version: __VERSION__, mount, adopt });
  // An older loader may hold the name; then this one works without.
  if (!own(window, "WidgetSvc")) Object.defineProperty(window, "WidgetSvc", { value: api });
  if (!customElements.get("widgetsvc-embed")) customElements.define("widgetsvc-embed", EmbedElement);
  followChanges();
  document.addEventListener("click", openPopup);
  // Somebody who comes near a popup's trigger may well open it.
  for (const near of ["pointerover", "focusin"]) {
    document.addEventListener(near, ({ target }) => triggerOf(target) && loadPart("popup").catch(() => {}));
  }
  follow(document.documentElement);
  if (/\bwidgetsvc=doctor\b/.test(location.search)) {
    if (document.readyState === "complete") examine();
    else addEventListener("load", examine);
  }
}

/** What opens a popup, at or around a node. @param {EventTarget | null} target @returns {HTMLElement | null} */
const triggerOf = (target) => (target instanceof Element ? target.closest('[data-widgetsvc="popup"]') : null);

/** Tells the page's developer what keeps calendars from it. */
const examine = async () => (await loadPart("keeper")).doctor(KIT);

/** @param {MouseEvent} event A click that means the link itself, such as into a new tab, is left to the browser. */
async function openPopup(event) {
  const { target, defaultPrevented, button, ctrlKey, metaKey, shiftKey } = event;
  const trigger = triggerOf(target);
  if (!trigger || defaultPrevented || button || ctrlKey || metaKey || shiftKey) return;
  event.preventDefault();
  try {
    (await loadPart("popup")).open(Embed, trigger);
  } catch (error) {
    const { code = "unexpected_error", message } = /** @type {import("./page.js").Failure} */ (error);
    console.error(`widgetsvc: ${code} — ${message}`);
    // What it links to is the next best thing.
    if (trigger instanceof HTMLAnchorElement) location.assign(trigger.href);
  }
}

const known = own(window, "WidgetSvc");
const tag = currentScript();
if (!tag) {
  console.error("widgetsvc: invalid_tag — embed.js is no module: use <script async>.");
} else if (known?.adopt) {
  known.adopt(tag);
} else {
  start();
  adopt(OWN_TAG);
}
