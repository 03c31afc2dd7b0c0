/**
 * What keeps a calendar from this very page, told line by line: for a developer who opens it with
 * `?widgetsvc=doctor`. Everything is tried rather than guessed; `widgetsvc doctor URL` reads the same page from outside.
 */

import { create, failure, own, parseJson } from "../page.js";

/**
 * @typedef {"ok" | "warning" | "fault"} Status
 * @typedef {{check: string, status: Status, detail: string, fix?: string}} Finding
 * @typedef {(typeof import("../embed.js"))["KIT"]} Kit
 */

const PATIENCE = 5000;

/** Milliseconds that the browser has to report a violation. */
const REPORTED = 1000;
const OTHERS = 50;

/** What stands in for a directive that is not there, from the nearest on; `default-src` comes after them. @type {Record<string, string>} */
const FALLBACKS = { "frame-src": "child-src" };

const STYLES = "frames, or the three hashes of the bundle";

/** Waits for what a trial does to the page's policy. @param {() => Promise<unknown>} trial */
async function violationsOf(trial) {
  /** @type {SecurityPolicyViolationEvent[]} */
  const seen = [];
  const over = new AbortController();
  // Violations are reported a little later than what they keep from happening; on a busy machine, much later. Those
  // of a page's other policies follow at once.
  const reported = new Promise((resolve) => {
    const note = (/** @type {SecurityPolicyViolationEvent} */ event) => setTimeout(resolve, OTHERS, seen.push(event));
    document.addEventListener("securitypolicyviolation", note, { signal: over.signal });
  });
  await trial();
  await Promise.race([reported, new Promise((resolve) => setTimeout(resolve, REPORTED))]);
  over.abort();
  return seen.filter(({ disposition }) => disposition === "enforce");
}

/** A policy with a source added to the directive that governs. @param {string} policy @param {string} directive @param {string} source */
function corrected(policy, directive, source) {
  const parts = policy
    .split(";")
    .map((part) => part.trim())
    .filter(Boolean);
  const named = (/** @type {string} */ name) => parts.findIndex((part) => part.split(/\s+/)[0].toLowerCase() === name);
  const at = named(directive);
  if (at >= 0) parts[at] = `${parts[at].replace(/\s+'none'/g, "")} ${source}`;
  else {
    const fallback = [FALLBACKS[directive], "default-src"].map(named).find((place) => place >= 0);
    const inherited = fallback === undefined ? "" : parts[fallback].replace(/^\S+/, "").replace(/\s+'none'/g, "");
    parts.push(`${directive}${inherited} ${source}`);
  }
  return parts.join("; ");
}

/** @param {Promise<unknown>} work */
const within = (work) =>
  Promise.race([work, new Promise((_, reject) => setTimeout(reject, PATIENCE, failure("timed_out", "")))]);

/** @param {Kit} kit @returns {AsyncGenerator<Finding>} */
async function* examine(kit) {
  const service = new URL(kit.service).origin;
  const headers = await within(fetch(location.href, { cache: "no-store" })).then(
    (answer) => /** @type {Response} */ (answer).headers,
    () => new Headers(),
  );
  /** @param {string} check @param {string} directive @param {string} source @param {SecurityPolicyViolationEvent[]} seen @param {string} fine @returns {Finding} */
  const judged = (check, directive, source, seen, fine) =>
    seen.length
      ? {
          check,
          status: "fault",
          detail: `${seen[0].effectiveDirective} keeps ${seen[0].blockedURI} out.`,
          // A page may have several policies, of headers and of its markup; each has to let it in.
          fix: [...new Set(seen.map(({ originalPolicy }) => originalPolicy))]
            .map((policy) => `Content-Security-Policy: ${corrected(policy, directive, source)}`)
            .join("\n"),
        }
      : { check, status: "ok", detail: fine };

  yield location.protocol === "https:" && service.startsWith("http:")
    ? {
        check: "https",
        status: "fault",
        detail: `Browsers keep ${service} out of a page that came by https.`,
        fix: "Serve widgetsvc by https, and set WIDGETSVC_PUBLIC_URL.",
      }
    : { check: "https", status: "ok", detail: "No mixed content." };
  yield document.compatMode === "CSS1Compat"
    ? { check: "doctype", status: "ok", detail: "Standards mode." }
    : {
        check: "doctype",
        status: "warning",
        detail: "The page is in quirks mode: sizes may be off.",
        fix: "Begin it with <!doctype html>.",
      };

  let reached = false;
  const calls = await violationsOf(() =>
    within(fetch(`${kit.service}healthz`, { mode: "no-cors", cache: "no-store", credentials: "omit" })).then(
      () => (reached = true),
      () => {},
    ),
  );
  const connect = judged("connect-src", "connect-src", service, calls, `${service} can be asked.`);
  yield reached || connect.status === "fault"
    ? connect
    : {
        check: "service",
        status: "fault",
        detail: `${service} does not answer.`,
        fix: "Check that it runs, and that nothing blocks the way.",
      };

  const frame = create("iframe", { display: "none" });
  const frames = await violationsOf(async () => {
    const wish = [...kit.embeds.values()].map((embed) => embed.wish).find(Boolean);
    // Only a frame that this page may show is a fair trial; others are refused by themselves.
    if (!wish || wish.widget) return;
    const asked = new URLSearchParams({ key: wish.key, calendar: wish.calendars[0] });
    frame.src = `${kit.service}frame/${wish.element}?${asked}`;
    document.body.append(frame);
  });
  frame.remove();
  yield judged("frame-src", "frame-src", service, frames, "Frames of the service may be shown.");

  const empty = create("iframe", { display: "none" });
  document.body.append(empty);
  const inner = /** @type {Document} */ (empty.contentDocument);
  const style = inner.createElement("style");
  inner.head.append(style);
  const styled = Boolean(style.sheet);
  empty.remove();
  yield styled
    ? { check: "style-src", status: "ok", detail: "The Elements' styles work in the page." }
    : {
        check: "style-src",
        status: "warning",
        detail: `style-src keeps the Elements' styles out: they are shown in frames. For the page itself it takes ${STYLES}.`,
      };

  const referrer = headers.get("Referrer-Policy");
  yield { check: "Referrer-Policy", status: "ok", detail: `${referrer || "none"}: nothing here depends on it.` };
  const embedder = headers.get("Cross-Origin-Embedder-Policy") || "none";
  yield { check: "COEP", status: "ok", detail: `${embedder}: loader, bundle and frames allow it.` };

  const tags = [...document.querySelectorAll("script[src]")].filter((tag) =>
    /** @type {HTMLScriptElement} */ (tag).src.startsWith(kit.service),
  );
  for (const each of tags) {
    const { src, integrity } = /** @type {HTMLScriptElement} */ (each);
    const pinned = /\/embed\/([^/]+)\//.exec(src);
    if (pinned || src.includes("/embed.js"))
      yield {
        check: "loader",
        status: pinned && !integrity ? "warning" : "ok",
        detail: pinned
          ? `Pinned to ${pinned[1]}${integrity ? "" : ", without integrity"}.`
          : `${__VERSION__}, always the latest.`,
        ...(pinned && !integrity && { fix: "Let `widgetsvc snippet` print the tag with its integrity." }),
      };
  }
  for (const [container, embed] of kit.embeds) yield* examineEmbed(kit, container, embed);
  if (!kit.embeds.size)
    yield {
      check: "embed",
      status: "fault",
      detail: "There is no embed on this page.",
      fix: "Let `widgetsvc snippet` print one.",
    };
}

/**
 * @param {Kit} kit @param {Element} container @param {import("../embed.js").Embed} embed @returns {AsyncGenerator<Finding>}
 */
async function* examineEmbed(kit, container, embed) {
  const wish = embed.wish;
  const check = `${wish?.element || wish?.widget || "embed"}${container.id && ` #${container.id}`}`;
  if (!wish) {
    yield {
      check,
      status: "fault",
      detail: "Its attributes are not understood.",
      fix: "See the message above on the console.",
    };
    return;
  }
  const { key, widget, element, calendars, assertion } = wish;
  const body = new URLSearchParams(widget ? { key, widget } : { key, element });
  for (const id of calendars) body.append(calendars.length > 1 ? "calendars" : "calendar", id);
  if (assertion) body.append("assertion", assertion);
  try {
    const sent = fetch(`${kit.service}embed/token`, { method: "POST", body, credentials: "omit", cache: "no-store" });
    const answer = /** @type {Response} */ (await within(sent));
    const document = parseJson(await answer.text());
    yield answer.ok
      ? {
          check,
          status: "ok",
          detail: `${window.origin} gets its token (support code ${own(document, "support_code")}).`,
        }
      : {
          check,
          status: "fault",
          detail: `${own(document, "code")}: ${own(document, "detail")}`,
          fix: `${kit.service}problems#${own(document, "code")}`,
        };
  } catch {
    const refusal = `${window.origin} gets no readable answer: its origin is not among those that the tenant allows.`;
    yield { check, status: "fault", detail: refusal, fix: `widgetsvc origin add TENANT ${window.origin}` };
  }
}

const MARKS = { ok: "✓", warning: "!", fault: "✗" };

/** Examines the page, and tells it on the console and in a dialog. @param {Kit} kit @returns {Promise<Finding[]>} */
export default async function doctor(kit) {
  const dialog = create("dialog", {
    maxWidth: "46rem",
    padding: "20px 24px",
    font: "14px/1.5 system-ui, sans-serif",
    border: "1px solid",
    borderRadius: "8px",
  });
  dialog.setAttribute("aria-label", "widgetsvc doctor");
  dialog.lang = "en";
  dialog.dir = "ltr";
  const list = create("dl", { margin: "0" });
  const close = create("button", { font: "inherit", minHeight: "44px", padding: "0 16px", marginTop: "16px" }, "Close");
  close.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  dialog.append(
    create("h2", { margin: "0 0 12px", fontSize: "18px" }, "What widgetsvc finds on this page"),
    list,
    close,
  );
  document.body.append(dialog);
  dialog.showModal();
  const findings = [];
  for await (const finding of examine(kit)) {
    const { check, status, detail, fix } = finding;
    findings.push(finding);
    console[status === "fault" ? "error" : status === "warning" ? "warn" : "info"](
      `widgetsvc doctor: ${check} — ${[detail, fix].filter(Boolean).join(" ")}`,
    );
    list.append(
      create("dt", { fontWeight: "600", marginTop: "8px" }, `${MARKS[status]} ${check}`),
      create("dd", { margin: "0 0 0 1.4em", overflowWrap: "anywhere" }, detail),
    );
    if (fix)
      list.append(
        create(
          "dd",
          {
            margin: "4px 0 0 1.4em",
            fontFamily: "ui-monospace, monospace",
            fontSize: "12px",
            overflowWrap: "anywhere",
            userSelect: "all",
          },
          fix,
        ),
      );
  }
  return findings;
}
