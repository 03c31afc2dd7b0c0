/** The six Elements, by the names that tags have for them. */

import { own } from "./page.js";

/** The pixels that each usually takes, on wide pages and on narrow ones. @type {Record<string, [number, number]>} */
export const HEIGHTS = {
  agenda: [500, 500],
  "availability-rules": [480, 649],
  "availability-viewer": [605, 640],
  "calendar-sync": [184, 269],
  "date-time-picker": [870, 1333],
  "slot-picker": [420, 420],
};

/** What an element takes unless the tag says otherwise; which one a widget is, comes later. */
export const usualHeight = (/** @type {string} */ element, /** @type {number} */ width) =>
  (own(HEIGHTS, element) || [420, 420])[Number(width < 600)];

/** The bundle's name: `SlotPicker` for `slot-picker`. @param {string} element */
export const startOf = (element) =>
  own(HEIGHTS, element) && element.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase());
