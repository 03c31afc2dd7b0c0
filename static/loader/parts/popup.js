/** A dialog with an embed in it, opened by a link, a button, or a button that floats at the page's corner. */

import { create } from "../page.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {new (container: HTMLElement, given: Record<string, any>, gone: () => void) => Embed} EmbedClass
 */

/** What the button that closes it is called. @type {Record<string, string>} */
const CLOSE = { ar: "إغلاق", de: "Schließen", en: "Close", es: "Cerrar", fr: "Fermer", ja: "閉じる" };

/** Milliseconds. */
const APPEARING = 160;

const DIALOG_CLASS = "widgetsvc-dialog";
const BACKDROP = `dialog.${DIALOG_CLASS}::backdrop { background: rgb(12 18 24 / 55%) }`;

const DIALOG = {
  boxSizing: "border-box",
  width: "min(60rem, 100vw - 16px)",
  maxWidth: "none",
  maxHeight: "calc(100dvh - 16px)",
  margin: "auto",
  padding: "12px 16px 16px",
  border: "0",
  borderRadius: "12px",
  // The Elements are drawn for a light ground.
  colorScheme: "light",
  background: "#fff",
  color: "#1d2327",
  overflow: "auto",
  overscrollBehavior: "contain",
};
const HEADER = {
  display: "flex",
  alignItems: "center",
  justifyContent: "space-between",
  gap: "12px",
  minHeight: "44px",
};
const CLOSER = {
  minWidth: "44px",
  minHeight: "44px",
  border: "0",
  borderRadius: "8px",
  background: "transparent",
  color: "inherit",
  font: "inherit",
  fontSize: "24px",
  lineHeight: "1",
  cursor: "pointer",
};
const FLOATING = {
  position: "fixed",
  insetInlineEnd: "calc(16px + env(safe-area-inset-right, 0px))",
  insetBlockEnd: "calc(16px + env(safe-area-inset-bottom, 0px))",
  zIndex: "2147483000",
  maxWidth: "calc(100vw - 32px)",
  minHeight: "48px",
  padding: "0 20px",
  border: "0",
  borderRadius: "24px",
  boxShadow: "0 2px 12px rgb(0 0 0 / 25%)",
  font: "inherit",
  fontWeight: "600",
  cursor: "pointer",
};
const GROUND = "#0b6b5f";

const languageOf = (/** @type {Element} */ node) =>
  /** @type {HTMLElement | null} */ (node.closest("[lang]"))?.lang || navigator.language || "en";

/**
 * Opens the dialog of a trigger; it is thrown away when it is closed, and the focus goes back.
 * @param {EmbedClass} Embed @param {HTMLElement} trigger What it wants stands in its data- attributes.
 */
export function open(Embed, trigger) {
  // Clicks that were made while this part was on its way, all arrive.
  if (document.querySelector(`dialog.${DIALOG_CLASS}[open]`)) return;
  const { widgetsvc, form, ...given } = trigger.dataset;
  const language = given.locale || languageOf(trigger);
  const label = given.label || trigger.textContent?.trim() || "Calendar";
  const dialog = create("dialog", DIALOG);
  dialog.className = DIALOG_CLASS;
  dialog.setAttribute("aria-label", label);
  const title = create("strong", { fontSize: "18px", lineHeight: "1.3" }, label);
  const close = create("button", CLOSER, "×");
  close.type = "button";
  close.setAttribute("aria-label", CLOSE[language.slice(0, 2)] || CLOSE.en);
  close.onclick = () => dialog.close();
  const header = create("div", HEADER);
  header.append(title, close);
  const container = create("div");
  dialog.append(header, container);
  dialog.onclick = ({ target, clientX, clientY }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const outside = clientX < left || clientX > right || clientY < top || clientY > bottom;
    if (target === dialog && outside) dialog.close();
  };

  const release = holdPage();
  document.body.append(dialog);
  dialog.showModal();
  close.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!calm)
    dialog.animate({ opacity: [0, 1], translate: ["0 8px", "0 0"] }, { duration: APPEARING, easing: "ease-out" });
  // The core destroys the embed, too, where the page throws the dialog away.
  const embed = new Embed(container, { label, ...given }, () => {
    dialog.remove();
    release();
    // A dialog gives the focus back by itself, but not to what has moved or was focused by a script.
    if (trigger.isConnected) trigger.focus({ preventScroll: true });
  });
  dialog.onclose = () => embed.destroy();
}

/** Keeps the page behind the dialog still, without a shift where its scrollbar was. @returns {() => void} */
function holdPage() {
  const { style, clientWidth } = document.documentElement;
  const { overflow, paddingInlineEnd } = style;
  const scrollbar = window.innerWidth - clientWidth;
  style.overflow = "hidden";
  if (scrollbar > 0) style.paddingInlineEnd = `${scrollbar}px`;
  // A style sheet that is made by a script; no policy has a say in it.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(BACKDROP);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return () => {
    Object.assign(style, { overflow, paddingInlineEnd });
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  };
}

/** Puts a button at the corner of the page that opens a dialog. @param {EmbedClass} Embed @param {HTMLScriptElement} tag */
export function float(Embed, tag) {
  const { colorsPrimary, label } = tag.dataset;
  const button = create("button", FLOATING, label || "Book a time");
  button.type = "button";
  button.className = "widgetsvc-floating";
  Object.assign(button.dataset, tag.dataset);
  button.style.background = GROUND;
  if (colorsPrimary) button.style.background = colorsPrimary;
  document.body.append(button);
  button.style.color = inkOn(getComputedStyle(button).backgroundColor);
  button.onclick = () => open(Embed, button);
  // Tag managers take tags out again at once; that ends nothing.
  if (!tag.isConnected) return;
  new MutationObserver((_records, observer) => {
    if (tag.isConnected) return;
    observer.disconnect();
    button.remove();
  }).observe(document, { childList: true, subtree: true });
}

/** Black or white, whichever is read better (WCAG 2.2, relative luminance). @param {string} color As computed: rgb(…). */
function inkOn(color) {
  const linear = (/** @type {number} */ part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = (color.match(/[\d.]+/g) || []).map((part) => linear(Number(part) / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

export default { open, float };
