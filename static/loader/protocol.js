/**
 * What a page and a frame that its loader manages say to each other.
 *
 * The guest (the frame's page) says hello to the one origin that its address names; the host (the partner's page)
 * answers with a port, to the service's origin only. Both look at origin and source; all else goes over the port.
 * What is not understood is passed over in silence.
 *
 * @typedef {{type: "height", height: number} | {type: "event", name: string, detail: Record<string, any>} |
 *   {type: "pick", id: number, slot: {start: string, end: string}}} FromGuest
 * @typedef {{type: "picked", id: number, prevented: boolean, answers: boolean} |
 *   {type: "outcome", id: number, value?: any, error?: {code?: string, message: string}}} FromHost
 * @typedef {{code: string, message: string, support_code: string}} Refusal
 */

import { isObject } from "./page.js";

/** Versions of the protocol that this loader speaks, the best one last. */
export const VERSIONS = [1];

/** Events of the guest that the host hears from its own container, too. */
export const RELAYED = ["ready", "booked", "empty", "error", "renewed"];

/** @param {unknown} data @returns {number | undefined} the best version that both sides speak, if it is a hello */
export function versionOf(data) {
  if (!isObject(data) || data.widgetsvc !== "hello" || !Array.isArray(data.versions)) return undefined;
  return VERSIONS.filter((version) => data.versions.includes(version)).pop() ?? 0;
}

/** @param {any} data @returns {Refusal | undefined} why the service has no calendar for this page, if a hello says so */
export function refusalOf(data) {
  const { code, message, support_code } = isObject(data.refusal) ? data.refusal : {};
  const sound = /^[a-z_]+$/.test(code) && [message, support_code].every((text) => typeof text === "string");
  return sound ? { code, message, support_code } : undefined;
}

/** @param {any} data @returns {FromGuest | undefined} */
export function fromGuest(data) {
  if (!isObject(data)) return undefined;
  const { type, height, name, detail, id, slot } = data;
  const sound =
    (type === "height" && Number.isFinite(height) && height > 0) ||
    (type === "event" && RELAYED.includes(name) && isObject(detail)) ||
    (type === "pick" && Number.isInteger(id) && isObject(slot));
  return sound ? /** @type {FromGuest} */ (data) : undefined;
}

/** @param {any} data @returns {FromHost | undefined} */
export function fromHost(data) {
  if (!isObject(data)) return undefined;
  const { type, id } = data;
  const sound = ["picked", "outcome"].includes(type) && Number.isInteger(id);
  return sound ? /** @type {FromHost} */ (data) : undefined;
}
