/**
 * widgetsvc loader: puts a scheduling calendar where its script tag stands.
 *
 *   <script async src="https://w.example.com/embed.js"
 *           data-key="pk_…" data-element="slot-picker" data-calendar="store-42"></script>
 *
 * data-widget="wgt_…" in place of element and calendar shows a widget that the tenant has stored.
 * Further attributes: data-calendars="a b", data-tzid, data-locale, data-height="500", data-options (JSON),
 * data-assertion (a JWT, or #name for the parameter of that name in the fragment of the page's address).
 * Events, all bubbling from the container (class "widgetsvc"): widgetsvc:ready, widgetsvc:slot-picked
 * {slot}, widgetsvc:empty, widgetsvc:error {code, message, retryable, support_code}. What a widget does after
 * the pick, it does not where a listener of slot-picked calls preventDefault().
 *
 * Styles go through CSSOM only, so that a page's Content-Security-Policy needs no 'unsafe-inline'. Tables
 * and arguments that a browser reads have no prototype: a polluted Object.prototype has no say in them.
 *
 * @typedef {{src: string, integrity: string | null}} Source
 * @typedef {{version: string, bundle: Source}} Service
 * @typedef {{key: string, widget: string, element: string, calendars: string[], assertion: string,
 *   options: object, height: number}} Wish
 * @typedef {{kind: string, text?: string, url?: string}} AfterPick
 * @typedef {{element_token: {token: string}, element: string, options: object, after_pick?: AfterPick,
 *   support_code?: string}} Grant
 * @typedef {Error & {code: string, support_code?: string, retryAfter?: number, reload?: boolean}} Failure
 */
(() => {
  "use strict";

  /** @type {Service} */
  const SERVICE = /*{SERVICE}*/ null;

  const DEADLINE = 15000;
  const RENDER_DEADLINE = 5000;
  const LONGEST_WAIT = 60;

  const ELEMENTS = {
    __proto__: null,
    agenda: { start: "Agenda", height: 500 },
    "availability-rules": { start: "AvailabilityRules", height: 480, narrow: 649 },
    "availability-viewer": { start: "AvailabilityViewer", height: 605, narrow: 640, recovers: true },
    "calendar-sync": { start: "CalendarSync", height: 184, narrow: 269 },
    "date-time-picker": { start: "DateTimePicker", height: 870, narrow: 1333 },
    "slot-picker": { start: "SlotPicker", height: 420, scrolls: true },
  };

  const ELEMENT_NAMES = Object.keys(ELEMENTS).join(", ");

  // A <form name="currentScript"> shadows the property of document, but not the getter behind it.
  const getCurrentScript = Object.getOwnPropertyDescriptor(Document.prototype, "currentScript").get;
  const currentScript = () => getCurrentScript.call(document);

  const ownTag = currentScript();
  if (!ownTag) {
    console.error("widgetsvc: invalid_tag — load embed.js with a plain <script async src>, not as a module.");
    return;
  }
  const serviceUrl = (path) => new URL(path, ownTag.src).href;

  const LOOK_FOR_BLOCKERS =
    "Look for a content blocker, a proxy that alters scripts (integrity), or a failed request above.";
  const LOOK_FOR_MEDDLERS = "Look for an AMD loader, or a script that adds to Object.prototype.";
  const STYLES_BLOCKED =
    "style-src keeps the bundle's styles out. Add their hashes to it, or embed the calendar's /frame page.";

  /** What stays wrong until somebody acts: a sentence for the visitor, and the fix for the developer. */
  const LASTING = {
    __proto__: null,
    invalid_tag: ["This calendar is not set up correctly."],
    invalid_request: ["This calendar was asked for in a way that is not understood."],
    unknown_key: ["This calendar's key is not known.", "Copy the publishable key into data-key again."],
    origin_not_allowed: [
      `This calendar may not be shown on ${window.origin}: its provider has not allowed this address.`,
      "Add this origin to the tenant's allowed origins.",
    ],
    assertion_required: [
      "This calendar is only for visitors who are signed in.",
      "Let your server sign an assertion, and put it into data-assertion (in a frame: #assertion=… of its address).",
    ],
    invalid_assertion: [
      "This calendar was asked for in a way that is not accepted.",
      "Correct how your server signs the assertion.",
    ],
    permission_not_allowed: ["This kind of calendar is not enabled here.", "Add the permission to the tenant."],
    tenant_suspended: ["This calendar is switched off at present.", "Ask the operator to lift the suspension."],
    unknown_widget: ["There is no such calendar.", "Correct data-widget: the tenant has no widget of this id."],
    unknown_calendar: ["There is no such calendar.", "Correct data-calendar, or add it to the tenant."],
    calendar_revoked: ["This calendar is no longer available.", "Name another calendar in data-calendar."],
    blocked_by_policy: ["This page's security settings keep the calendar out."],
    element_rejected: ["This calendar is not set up correctly.", "Correct data-options."],
  };

  /** What time may heal. */
  const PASSING = {
    __proto__: null,
    expired_assertion: "You have been here for a while.",
    rate_limited: "Many people are asking for this calendar just now.",
    upstream_rejected: "The calendar gives no answer at present.",
    upstream_unavailable: "The calendar gives no answer at present.",
    offline: "You are offline. The calendar comes back with your connection.",
    timed_out: "The calendar is taking too long.",
    service_unreachable: "The calendar cannot be reached.",
    bundle_failed: "The calendar could not be loaded. A content blocker may be holding it back.",
    element_not_mounted: "The calendar lost its place on this page.",
    element_failed: "The calendar could not show its dates.",
    element_crashed: "The calendar stopped working.",
    unexpected_answer: "The calendar gives no answer at present.",
  };

  /** @returns {Failure} */
  function failure(code, detail, more) {
    return Object.assign(new Error(detail), { code }, more);
  }

  const tooLate = (url) => failure("timed_out", `${url} took longer than ${DEADLINE / 1000} s.`);
  const own = (object, key) => object && Object.getOwnPropertyDescriptor(object, key)?.value;
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  function parseJson(text) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }

  /** A deep copy of `base` with `over` laid upon it; arrays are replaced, not joined. */
  function merge(base, over) {
    if (!isObject(over)) return Array.isArray(over) ? over.map((item) => merge(undefined, item)) : over;
    const merged = isObject(base) ? merge(undefined, base) : {};
    for (const [key, value] of Object.entries(over)) {
      if (key !== "__proto__") merged[key] = merge(own(merged, key), value);
    }
    return merged;
  }

  /** Runs `work` with a signal that aborts it at the deadline. */
  async function within(ms, work) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), ms);
    try {
      return await work(controller.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the page's Content-Security-Policy has kept from us: directive → address. */
  const violations = new Map();
  document.addEventListener("securitypolicyviolation", (event) => {
    const { blockedURI, effectiveDirective, sourceFile } = event;
    if (event.disposition !== "enforce") return;
    if (blockedURI.startsWith(serviceUrl("/"))) violations.set(effectiveDirective, blockedURI);
    else if (sourceFile === SERVICE.bundle.src) violations.set(effectiveDirective, "the bundle's styles");
  });

  /** The page's policy as the reason for a failure, if it is one. */
  async function blockedBy(directive) {
    // The violation is reported a little later than the failure that it causes.
    await pause(100);
    const [name, address] = [...violations].find(([key]) => key.startsWith(directive)) || [];
    const remedy = `Add ${new URL(ownTag.src).origin} to the page's ${directive}.`;
    return name && failure("blocked_by_policy", `${name} blocks ${address}. ${remedy}`);
  }

  // The bundle

  /** The bundle's own global; elements with the ids "exports" and "module" make it attach itself there. */
  function findElements() {
    const { exports, module } = window;
    const places = [own(window, "CronofyElements"), own(exports, "CronofyElements"), own(module, "exports")];
    return places.find((place) => typeof place?.SlotPicker === "function");
  }

  /** Resolves when a script that somebody else put into the page has had its chance. */
  function settled(script) {
    return new Promise((resolve) => {
      script.addEventListener("load", resolve);
      script.addEventListener("error", resolve);
      // An async script holds back the page's load event: after it there is nothing left to wait for.
      if (document.readyState === "complete") resolve();
      window.addEventListener("load", resolve);
      setTimeout(resolve, DEADLINE);
    });
  }

  /** Hides `define.amd` from this one script: with an AMD loader on the page, the bundle sets no global. */
  function hideAmd(script) {
    const { define } = window;
    const amd = typeof define === "function" && define.amd;
    if (!amd) return () => {};
    const describe = (more) => ({ __proto__: null, configurable: true, enumerable: true, ...more });
    const get = () => (currentScript() === script ? undefined : amd);
    Object.defineProperty(define, "amd", describe({ get }));
    return () => Object.defineProperty(define, "amd", describe({ value: amd, writable: true }));
  }

  let policy;

  function setSource(script, src) {
    try {
      script.src = src;
    } catch {
      // Trusted Types are enforced. Without leave for a policy, only the whole page can be tried again.
      try {
        const rules = { __proto__: null, createScriptURL: (url) => url };
        policy = policy || window.trustedTypes.createPolicy("widgetsvc", rules);
        script.src = policy.createScriptURL(src);
      } catch {
        const detail = `Trusted Types keep ${src} out. Add widgetsvc to the page's trusted-types.`;
        throw failure("bundle_failed", detail, { reload: true });
      }
    }
  }

  function createScript({ src, integrity }, nonce) {
    const script = document.createElement("script");
    script.async = true;
    script.crossOrigin = "anonymous";
    if (integrity) script.integrity = integrity;
    if (nonce) script.nonce = nonce;
    setSource(script, src);
    return script;
  }

  async function run(script) {
    const showAmd = hideAmd(script);
    try {
      await new Promise((resolve, reject) => {
        script.onload = resolve;
        script.onerror = () => reject(failure("bundle_failed", `${script.src} failed. ${LOOK_FOR_BLOCKERS}`));
        setTimeout(reject, DEADLINE, tooLate(script.src));
        document.head.append(script);
      });
    } catch (error) {
      script.remove();
      throw (await blockedBy("script-src")) || error;
    } finally {
      showAmd();
    }
  }

  async function fetchBundle(source, nonce) {
    const present = [...document.querySelectorAll("script[src]")].find(({ src }) => src === source.src);
    if (present) await settled(present);
    if (!findElements()) await run(createScript(source, nonce));
    const elements = findElements();
    if (elements) return elements;
    throw failure("bundle_failed", `${source.src} ran, but left no CronofyElements. ${LOOK_FOR_MEDDLERS}`);
  }

  let bundle = null;

  /** Loads the bundle once for all tags of the page; a failure is forgotten, so that it can be tried again. */
  function loadBundle(source, nonce) {
    if (!bundle) {
      bundle = fetchBundle(source, nonce);
      bundle.catch(() => (bundle = null));
    }
    return bundle;
  }

  /** The one global. As an own property it is neither hidden nor feigned by <a id="WidgetSvc">. */
  function sharedState() {
    const known = own(window, "WidgetSvc");
    if (typeof own(known, "loadBundle") === "function") return known;
    const state = Object.freeze({ __proto__: null, version: SERVICE.version, loadBundle });
    if (known === undefined) Object.defineProperty(window, "WidgetSvc", { __proto__: null, value: state });
    return state;
  }

  // The tag and its token

  function knowsZone(tzid) {
    try {
      return Boolean(new Intl.DateTimeFormat("en", { __proto__: null, timeZone: tzid }));
    } catch {
      return false;
    }
  }

  /** Frames are handed theirs in the fragment of their address, which browsers send to no server. */
  function readAssertion(value) {
    if (!value.startsWith("#")) return value;
    return new URLSearchParams(location.hash.slice(1)).get(value.slice(1)) || "";
  }

  /**
   * What the tag asks for; every fault in it is named at once.
   * @returns {Wish}
   */
  function readTag(tag) {
    const read = (name) => (tag.getAttribute(`data-${name}`) || "").trim();
    const names = ["key", "widget", "element", "calendar", "tzid", "locale"];
    const [key, widget, element, calendar, tzid, locale] = names.map(read);
    const assertion = readAssertion(read("assertion"));
    const calendars = [...new Set([calendar, ...read("calendars").split(/\s+/)])].filter(Boolean);
    const options = parseJson(read("options") || "{}");
    const faults = [
      !key && "data-key is missing: your publishable key (pk_…).",
      !widget && !ELEMENTS[element] && `data-element is “${element}”: use one of ${ELEMENT_NAMES}.`,
      !widget && !calendars.length && "data-calendar is missing: the calendar's id.",
      widget && (element || calendars.length) && "data-widget stands alone: it says which element and calendars.",
      !isObject(options) && "data-options is not a JSON object.",
      tzid && !knowsZone(tzid) && `data-tzid “${tzid}” is no time zone: write it as in Europe/London.`,
    ].filter(Boolean);
    if (faults.length) throw failure("invalid_tag", faults.join(" "));
    const wished = merge(options, { ...(tzid && { tzid }), ...(locale && { locale }) });
    const height = parseInt(read("height"), 10);
    return { key, widget, element, calendars, assertion, options: wished, height };
  }

  /** The pixels that an element takes unless the tag says otherwise; which one a widget is, comes later. */
  function usualHeight(element) {
    const { height, narrow = height } = ELEMENTS[element] || ELEMENTS["slot-picker"];
    return window.innerWidth < 600 ? narrow : height;
  }

  async function isReachable() {
    const probe = { __proto__: null, mode: "no-cors", cache: "no-store", credentials: "omit" };
    try {
      await within(DEADLINE / 3, (signal) => fetch(serviceUrl("healthz"), Object.assign(probe, { signal })));
      return true;
    } catch {
      return false;
    }
  }

  /** Why nothing came back: a refused page may not read the answer, as if the network had failed. */
  async function explainSilence({ name }, { key }) {
    if (name === "AbortError") return tooLate(serviceUrl("embed/token"));
    if (!navigator.onLine) return failure("offline", "The browser is offline.");
    if (await isReachable()) {
      const refusal = `this page's origin ${window.origin} is not allowed for key ${key}`;
      return failure("origin_not_allowed", `${refusal}, or there is no such key.`);
    }
    const silence = `${serviceUrl("")} does not answer. Check that it runs, and that nothing blocks the way.`;
    return (await blockedBy("connect-src")) || failure("service_unreachable", silence);
  }

  /** @returns {Promise<Grant>} */
  async function requestToken(wish) {
    const { key, widget, element, calendars, assertion } = wish;
    const field = calendars.length > 1 ? "calendars" : "calendar";
    // Form fields cost no preflight.
    const body = new URLSearchParams(widget ? { key, widget } : { key, element });
    for (const id of calendars) body.append(field, id);
    if (assertion) body.append("assertion", assertion);
    const request = { method: "POST", body, credentials: "omit", cache: "no-store" };
    let response, text;
    try {
      [response, text] = await within(DEADLINE, async (signal) => {
        const answer = await fetch(serviceUrl("embed/token"), { __proto__: null, ...request, signal });
        return [answer, await answer.text()];
      });
    } catch (error) {
      throw await explainSilence(error, wish);
    }
    const answer = parseJson(text);
    if (response.ok && answer?.element_token?.token && isObject(answer.options)) return answer;
    const code = own(answer, "code") || "unexpected_answer";
    const detail = own(answer, "detail") || `HTTP ${response.status} without a token.`;
    const retryAfter = Number(response.headers.get("Retry-After")) || 0;
    // A new assertion comes with the page: the same one would be over the next time, too.
    const reload = code === "expired_assertion";
    throw failure(String(code), detail, { support_code: own(answer, "support_code"), retryAfter, reload });
  }

  // The place on the page

  const PANEL = {
    display: "grid",
    placeContent: "center",
    placeItems: "center",
    boxSizing: "border-box",
    padding: "20px",
    border: "1px solid",
    // Where a browser knows no color-mix(), the plain border above stays.
    borderColor: "color-mix(in srgb, currentColor 22%, transparent)",
    borderRadius: "8px",
    lineHeight: "1.5",
    textAlign: "center",
  };
  const BUTTON = {
    minHeight: "44px",
    margin: "16px 0 0",
    padding: "0 18px",
    border: "1px solid currentColor",
    borderRadius: "6px",
    outlineOffset: "3px",
    background: "transparent",
    color: "inherit",
    font: "inherit",
    fontWeight: "600",
    cursor: "pointer",
  };

  function create(name, style, text) {
    const node = document.createElement(name);
    Object.assign(node.style, style);
    if (text) node.textContent = text;
    return node;
  }

  function createPanel(role, ...children) {
    const panel = create("div", PANEL);
    panel.setAttribute("role", role);
    panel.lang = "en";
    panel.dir = "ltr";
    panel.append(...children.filter(Boolean));
    return panel;
  }

  function createButton(onclick) {
    const button = create("button", BUTTON, "Try again");
    button.type = "button";
    button.onclick = onclick;
    // Many style sheets take the outline away, and inline styles know no :focus-visible.
    button.onfocus = () => {
      if (button.matches(":focus-visible")) button.style.outline = "2px solid currentColor";
    };
    button.onblur = () => {
      button.style.outline = "";
    };
    return button;
  }

  async function place(box, tag) {
    if (tag.isConnected && !tag.closest("head")) return tag.after(box);
    if (document.readyState === "loading") {
      await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
    }
    document.body.append(box);
  }

  class Widget {
    constructor(tag) {
      this.tag = tag;
      this.failures = 0;
      this.leave = () => {};
      // Panel and Element share one grid cell, so that neither pushes the other about; a notice comes below.
      this.box = create("div", { display: "grid", gridTemplate: "1fr auto / minmax(0, 1fr)" });
      this.box.className = "widgetsvc";
      this.box.tabIndex = -1;
      this.box.style.outline = "none";
      this.box.setAttribute("role", "group");
      this.box.setAttribute("aria-label", "Calendar");
      this.placed = place(this.box, tag);
    }

    /** Whether no listener objects; nothing follows from most events, so that there is nothing to object to. */
    emit(name, detail = {}, cancelable = false) {
      const event = { __proto__: null, bubbles: true, cancelable, detail };
      return this.box.dispatchEvent(new CustomEvent(`widgetsvc:${name}`, event));
    }

    reserve({ height }, element) {
      this.box.style.minHeight = `${height || usualHeight(element)}px`;
    }

    async start(wait = 0) {
      this.leave();
      this.support = undefined;
      const text = wait > 1 ? `Trying again in ${wait} seconds…` : "Loading the calendar…";
      this.show(createPanel("status", create("span", { opacity: 0.75 }, text)));
      this.box.setAttribute("aria-busy", "true");
      try {
        const wish = readTag(this.tag);
        this.reserve(wish, wish.element);
        if (wait) await pause(wait * 1000);
        const loading = sharedState().loadBundle(SERVICE.bundle, this.tag.nonce);
        // Waited for below, because the token's own failure says more.
        loading.catch(() => {});
        const grant = await requestToken(wish);
        this.support = grant.support_code;
        const elements = await loading;
        await this.placed;
        this.reserve(wish, grant.element);
        this.mount(elements, wish, grant);
      } catch (error) {
        await this.placed;
        this.fail(error);
      }
    }

    show(panel, row = 1) {
      this.panel?.remove();
      this.panel = panel;
      if (panel) {
        panel.style.gridArea = `${row} / 1`;
        if (row > 1) panel.style.marginTop = "12px";
        this.box.append(panel);
      }
    }

    retry() {
      // The button goes away: without this the keyboard's place on the page would go with it.
      this.box.focus({ __proto__: null, preventScroll: true });
      this.start(this.wait);
    }

    /** Says what went wrong: to the visitor in place of the Element, or below it where it can go on. */
    fail(error, stays = false) {
      const code = typeof error.code === "string" ? error.code : "unexpected_error";
      const [sentence, fix] = LASTING[code] || [PASSING[code] || "The calendar could not be shown."];
      const retryable = !LASTING[code];
      const support_code = error.support_code || this.support;
      const support = support_code && `Support code ${support_code}`;
      console.error([`widgetsvc: ${code} —`, error.message, fix, support].filter(Boolean).join(" "));

      this.failures += 1;
      const backoff = this.failures > 1 ? 2 ** (this.failures - 2) : 0;
      this.wait = Math.min(Math.max(backoff, error.retryAfter || 0), LONGEST_WAIT);
      if (!stays) this.leave();
      const focused = this.box.contains(document.activeElement);
      const button = createButton(() => (error.reload ? location.reload() : this.retry()));
      const panel = createPanel(
        "alert",
        create("strong", { fontWeight: "600" }, sentence),
        create("span", {}, retryable ? "Please try again in a moment." : "Please tell the owner of this page."),
        button,
        support && create("small", { opacity: 0.75, marginTop: "12px" }, support),
      );
      this.show(panel, stays ? 2 : 1);
      this.box.setAttribute("aria-busy", "false");
      if (focused && !stays) button.focus({ __proto__: null, preventScroll: true });
      if (code === "offline") window.addEventListener("online", () => this.panel === panel && this.start());
      this.emit("error", { code, message: sentence, retryable, support_code });
    }

    mount(elements, { options: wished }, { element, element_token, options: granted, after_pick }) {
      if (!ELEMENTS[element]) throw failure("element_rejected", `This loader does not know ${element}. Reload.`);
      const node = create("div", { gridArea: "1 / 1", minWidth: 0 });
      // The picker's views differ in length by hundreds of pixels: they scroll, and the page keeps still.
      if (ELEMENTS[element].scrolls) Object.assign(node.style, { contain: "size", overflowY: "auto" });
      node.id = `widgetsvc-${Math.random().toString(36).slice(2)}`;
      this.box.prepend(node);
      const over = this.watch(node);

      const heed = this.listener(element, after_pick);
      let complaint;
      let starting = true;
      const options = merge(merge(granted, wished), {
        api_domain: granted.api_domain,
        target_id: node.id,
        element_token: element_token.token,
      });
      // Hours of the widget's zone lie elsewhere in the day of another: all of it has to be drawn.
      if (own(granted.config, "start_time") && options.tzid !== granted.tzid) {
        options.config = merge({ ...options.config, start_time: "00:00", end_time: "00:00" }, wished.config || {});
      }
      options.callback = (message) => {
        const { notification = {} } = message || {};
        if (starting && notification.type === "error") complaint = notification;
        else if (!over.aborted) heed(notification);
      };
      // The Agenda sorts events into the browser's days, whatever zone it is told to write their times in.
      if (!options.tzid) options.tzid = Intl.DateTimeFormat().resolvedOptions().timeZone;

      let handle;
      try {
        handle = elements[ELEMENTS[element].start](options);
      } catch (error) {
        throw failure("element_rejected", complaint?.message || error.message);
      }
      starting = false;
      if (handle === false) throw failure("element_not_mounted", "Keep the container in the document.");
      if (complaint) heed(complaint);
    }

    /** Sees the Element appear in its node, and crash: React then leaves an empty node and says nothing. */
    watch(node) {
      const over = new AbortController();
      let ready = false;
      let crash = "It left its place empty.";
      const look = () => {
        if (over.signal.aborted) return;
        if (!node.hasChildNodes()) {
          this.fail(failure("element_crashed", `${crash} Check data-options, colours above all.`));
        } else if (!ready) {
          ready = true;
          this.ready();
        }
      };
      const observer = new MutationObserver(look);
      observer.observe(node, { __proto__: null, childList: true });
      const timer = setTimeout(look, RENDER_DEADLINE);
      const note = ({ message }) => {
        crash = message;
        setTimeout(look, 500);
      };
      window.addEventListener("error", note, { __proto__: null, signal: over.signal });
      this.leave = () => {
        over.abort();
        observer.disconnect();
        clearTimeout(timer);
        node.remove();
        this.leave = () => {};
      };
      return over.signal;
    }

    ready() {
      this.show(null);
      this.box.setAttribute("aria-busy", "false");
      if ([...violations.keys()].some((name) => name.startsWith("style-src"))) {
        console.warn(`widgetsvc: blocked_by_policy — ${STYLES_BLOCKED}`);
      }
      this.emit("ready");
    }

    /** What the widget wants to follow a pick. */
    follow({ kind, text, url }, { start, end }) {
      if (kind === "message") {
        this.leave();
        const panel = createPanel("status", create("strong", { fontWeight: "600" }, text));
        panel.lang = "";
        panel.dir = "auto";
        this.show(panel);
        this.box.focus({ __proto__: null, preventScroll: true });
      } else if (kind === "redirect") {
        const target = new URL(url);
        target.searchParams.set("slot_start", start);
        target.searchParams.set("slot_end", end);
        // Out of a frame, too: the visitor goes there, not the hole in the page.
        if (target.protocol === "https:") window.open(target.href, "_top");
      }
    }

    /** What to do about an Element's notifications. */
    listener(element, after_pick) {
      let last;
      return ({ type, slot, message, errors }) => {
        if (type === "error") {
          const detail = `${message} ${JSON.stringify(errors || {})} Look at the failed request above.`;
          // The viewer recovers by itself as soon as another week loads.
          this.fail(failure("element_failed", detail), ELEMENTS[element].recovers);
        } else if (type === "slot_selected") {
          // Pressing “Confirm” again reports the same slot again.
          const picked = `${slot?.start}/${slot?.end}`;
          const isNews = picked !== last;
          last = picked;
          if (isNews && this.emit("slot-picked", { slot }, true) && after_pick) this.follow(after_pick, slot);
        } else if (type === "no_slots_found") {
          this.emit("empty");
        }
        if (/slots/.test(type)) this.show(null);
      };
    }
  }

  new Widget(ownTag).start();
})();
