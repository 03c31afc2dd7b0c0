/**
 * Keeps embeds alive: renews tokens, finds out why something failed, says so in words, and tries again.
 *
 * It is loaded at leisure when an Element is there, or when something goes wrong before.
 */

import { atEnd, create, failure } from "../page.js";
import { loadPart } from "../scripts.js";

/**
 * @typedef {import("../embed.js").Embed} Embed
 * @typedef {import("../page.js").Failure} Failure
 * @typedef {import("../tokens.js").Session} Session
 */

/** Renews a token; several who ask at once share one request. @param {Session} session @returns {Promise<void>} */
function renew(session) {
  session.renewing ||= session
    .obtain()
    .then(
      (grant) => {
        if (session.signal.aborted) return;
        session.retries = 0;
        session.take(grant);
        session.heed.renewed?.(grant);
      },
      (error) => {
        // Jitter: all the pages of a service that was down would else come back as one.
        const backoff = Math.min(60, 2 * 2 ** session.retries++) * (0.75 + Math.random() / 2);
        session.plan(Math.max(backoff, error.retryAfter || 0));
        throw error;
      },
    )
    .finally(() => (session.renewing = undefined));
  return session.renewing;
}

/** @param {Embed} embed @param {Failure} error */
async function fail(embed, error) {
  const { signal } = embed.run;
  const { code } = error;
  console.error(`widgetsvc: ${code} — ${error.message}`);
  const panel = create("div", { display: "grid", placeContent: "center", padding: "20px" }, code);
  panel.setAttribute("role", "alert");
  const button = create("button", { font: "inherit" }, "Try again");
  button.onclick = () => embed.start();
  panel.append(button);
  embed.show(panel, error.stays ? 2 : 1);
  embed.emit("error", { code, message: error.message, retryable: true, support_code: error.support_code });
  atEnd(signal, () => panel.remove());
}

export default { renew, fail, loading() {}, watch() {}, simulate() {} };
