/**
 * What stands in place of an Element, or below it. It takes the page's font and colours, and leaves the page's
 * layout as it is. Styles go through CSSOM, motion through the Web Animations API: no policy has a say in them.
 */

import { create } from "./page.js";

/** @typedef {import("./words.js").Words} Words */

/** @param {number} percent */
const faint = (percent) => `color-mix(in srgb, currentColor ${percent}%, transparent)`;

const PANEL = {
  display: "grid",
  placeContent: "center",
  justifyItems: "center",
  gap: "4px",
  boxSizing: "border-box",
  minWidth: "0",
  padding: "24px 20px",
  border: "1px solid",
  // Where a browser knows no color-mix(), the plain border above stays.
  borderColor: faint(22),
  borderRadius: "8px",
  lineHeight: "1.5",
  textAlign: "center",
  overflowWrap: "anywhere",
};
const ACTION = {
  display: "inline-flex",
  alignItems: "center",
  minHeight: "44px",
  outlineOffset: "3px",
  font: "inherit",
};
const BUTTON = {
  ...ACTION,
  margin: "0",
  padding: "0 18px",
  border: "1px solid currentColor",
  borderRadius: "6px",
  background: "transparent",
  color: "inherit",
  fontWeight: "600",
  cursor: "pointer",
};
const LINK = { ...ACTION, color: "inherit", textDecoration: "underline", textUnderlineOffset: "3px" };
const QUIET = { maxWidth: "44ch", opacity: "0.8", textWrap: "balance" };

/** Pixels from one bone of the skeleton to the next, and that the text above and the padding take. */
const PITCH = 48;
const HEAD = 90;

const STILL = "(prefers-reduced-motion: reduce)";

/** @param {string} role @param {Words} words @param {Partial<CSSStyleDeclaration>} [style] */
function createPanel(role, { language, dir }, style) {
  const panel = create("div", PANEL);
  Object.assign(panel.style, style);
  panel.setAttribute("role", role);
  panel.lang = language;
  panel.dir = dir;
  return panel;
}

/** Many style sheets take the outline away, and inline styles know no :focus-visible. @param {HTMLElement} node */
function outlined(node) {
  node.onfocus = () => node.matches(":focus-visible") && (node.style.outline = "2px solid currentColor");
  node.onblur = () => (node.style.outline = "");
  return node;
}

/** @param {string} text @param {() => void} onclick */
function createButton(text, onclick) {
  const button = create("button", BUTTON, text);
  button.type = "button";
  button.onclick = onclick;
  return outlined(button);
}

/** @param {string} text @param {string} href */
function createLink(text, href) {
  const link = create("a", LINK, text);
  Object.assign(link, { href, target: "_blank", rel: "noopener" });
  return outlined(link);
}

const EXCLAMATION = "M14 16v3M14 22v.5";
const TICK = "M10 18.5l3 3l6-6";

/** A calendar's sheet with a sign on it, drawn in the text's colour. @param {string} sign */
function createMark(sign) {
  const [svg, path] = ["svg", "path"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  const drawing = {
    d: "M5 7h18a2 2 0 0 1 2 2v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zM3 13h22M9 3v7M19 3v7" + sign,
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.5",
    "stroke-linecap": "round",
  };
  for (const [name, value] of Object.entries(drawing)) path.setAttribute(name, value);
  for (const [name, value] of Object.entries({
    width: "28",
    height: "28",
    viewBox: "0 0 28 28",
    "aria-hidden": "true",
  })) {
    svg.setAttribute(name, value);
  }
  Object.assign(/** @type {SVGElement} */ (svg).style, { opacity: "0.55", marginBottom: "8px" });
  svg.append(path);
  return svg;
}

/**
 * @param {Words} words
 * @param {{lead: string, lines: string[], button?: {text: string, act: () => void}, link?: string,
 *   support?: string, slim?: boolean}} content `slim` is for a notice beside an Element that goes on.
 */
export function createAlert(words, { lead, lines, button, link, support, slim }) {
  const panel = createPanel("alert", words, slim ? { marginTop: "12px", padding: "12px 16px" } : {});
  if (!slim) panel.append(createMark(EXCLAMATION));
  panel.append(create("strong", { fontWeight: "600", maxWidth: "40ch", textWrap: "balance" }, lead));
  for (const line of lines) panel.append(create("span", QUIET, line));
  const actions = create("div", {
    display: "flex",
    flexWrap: "wrap",
    justifyContent: "center",
    gap: "4px 20px",
    marginTop: slim ? "4px" : "12px",
  });
  if (button) actions.append(createButton(button.text, button.act));
  if (link) actions.append(createLink(words.text("open"), link));
  if (actions.hasChildNodes()) panel.append(actions);
  if (support) {
    const small = create("small", { ...QUIET, marginTop: "8px" }, `${words.text("support")} `);
    small.append(create("bdi", { fontVariantNumeric: "tabular-nums" }, support));
    panel.append(small);
  }
  return panel;
}

/**
 * Says what has become of a pick; it can be given the keyboard's place.
 * @param {Words} words @param {string} lead @param {string[]} [lines] @param {boolean} [done] It is as the visitor wanted.
 */
export function createOutcome(words, lead, lines = [], done = false) {
  const panel = createPanel("status", words, { outline: "none" });
  panel.tabIndex = -1;
  if (done) panel.append(createMark(TICK));
  panel.append(create("strong", { fontWeight: "600", maxWidth: "40ch", textWrap: "balance" }, lead));
  for (const line of lines) {
    const node = create("span", QUIET, line);
    // Written by the page or by the browser, in whatever language.
    node.dir = "auto";
    panel.append(node);
  }
  return panel;
}

/**
 * Says that the calendar is awaited.
 * @param {Words} words @param {string} text
 * @param {number} height Pixels of the place that a skeleton takes; 0 is for a notice beside something else.
 */
export function createStatus(words, text, height) {
  const slim = !height;
  const panel = createPanel(
    "status",
    words,
    slim ? { padding: "12px 16px" } : { placeContent: "stretch", gap: "16px" },
  );
  panel.append(create("span", { ...QUIET, justifySelf: "center" }, text));
  if (slim) return panel;
  const bones = create("div", { display: "grid", alignContent: "start", gap: "12px", width: "100%" });
  bones.setAttribute("aria-hidden", "true");
  const widths = ["40%", ...Array(Math.max(1, Math.floor((height - HEAD) / PITCH) - 2)).fill("100%"), "70%"];
  for (const width of widths) {
    // Grey shows on any ground where a browser knows no color-mix().
    const bone = create("div", {
      width,
      height: "36px",
      borderRadius: "6px",
      backgroundColor: "rgba(128, 128, 128, 0.15)",
    });
    bone.style.backgroundColor = faint(9);
    bones.append(bone);
  }
  panel.append(bones);
  panel.style.gridTemplateRows = "auto 1fr";
  if (!window.matchMedia(STILL).matches) {
    bones.animate({ opacity: [1, 0.45, 1] }, { duration: 1800, iterations: Infinity, easing: "ease-in-out" });
  }
  return panel;
}
