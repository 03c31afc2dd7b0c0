/** Why something failed, where browsers do not say: a refused page may not read the answer, as if there were none. */

import { failure } from "./page.js";
import { faultsOf } from "./faults.js";
import { faultsOfOptions } from "./options.js";

/**
 * @typedef {import("./embed.js").Embed} Embed
 * @typedef {import("./page.js").Failure} Failure
 */

/** Milliseconds. */
const PROBE_DEADLINE = 3000;
const VIOLATION_DELAY = 100;

/** Failures whose cause may be another than it seems. */
const UNCLEAR = ["silence", "bundle_failed", "framed_out", "timed_out"];

/** What an Element makes of an option that it cannot use. */
const REJECTIONS = ["element_crashed", "element_rejected"];

/** @param {string} service */
async function isReachable(service) {
  /** @type {RequestInit} */
  const init = { mode: "no-cors", cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PROBE_DEADLINE) };
  return fetch(`${service}healthz`, init).then(
    () => true,
    () => false,
  );
}

/** @param {Embed} embed @param {string} directive @returns {Failure | undefined} the page's policy as the reason */
function blockedBy({ kit: { service, violations } }, directive) {
  const violation = violations.findLast(
    ({ disposition, effectiveDirective }) => disposition === "enforce" && effectiveDirective.startsWith(directive),
  );
  if (!violation) return undefined;
  const { blockedURI, effectiveDirective } = violation;
  const fix = `Add ${new URL(service).origin} to the page's ${directive}.`;
  return failure("blocked_by_policy", `${effectiveDirective} blocks ${blockedURI}.`, { fix });
}

/**
 * @param {Embed} embed @param {Failure} error
 * @returns {Promise<Failure>} The same with its true code, detail and remedy.
 */
export async function diagnose(embed, error) {
  const { container, given, kit } = embed;
  const become = (/** @type {Failure} */ found) => {
    const { code, message, fix } = found;
    return Object.assign(new Error(message), error, { code, fix });
  };
  if (error.code === "invalid_tag" || error.code === "unexpected_error") {
    const faults = faultsOf(given, container);
    return faults.length ? become(failure("invalid_tag", faults.join(" "))) : error;
  }
  if (REJECTIONS.includes(error.code) && embed.wish) {
    const faults = faultsOfOptions(embed.wish.options, embed.element);
    return faults.length ? become(failure("invalid_tag", faults.join(" "))) : error;
  }
  if (error.waits || !UNCLEAR.includes(error.code)) return error;
  if (!navigator.onLine) return become(failure("offline", "The browser is offline."));
  if (error.code === "timed_out") return error;
  const reachable = await isReachable(kit.service);
  if (error.blocked && !blockedBy(embed, error.blocked)) {
    // The violation is reported a little later than the failure that it causes.
    await new Promise((resolve) => setTimeout(resolve, VIOLATION_DELAY));
  }
  const blocked = error.blocked && blockedBy(embed, error.blocked);
  if (blocked) return become(blocked);
  if (!reachable) return become(failure("service_unreachable", `${kit.service} does not answer.`));
  if (error.code !== "silence") return error;
  if (!error.message.startsWith(`${kit.service}embed/token`)) {
    return become(
      failure("upstream_unavailable", `An answer was cut off, or is not for this page to read. ${error.message}`),
    );
  }
  const { origin } = window;
  return become(
    failure("origin_not_allowed", `${kit.service}embed/token gives the origin ${origin} no answer to read.`),
  );
}
