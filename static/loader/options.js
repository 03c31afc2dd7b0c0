/**
 * The Elements' options (cronofy-elements 1.67) as attributes: `data-config-start-time` is `config.start_time`,
 * `data-colors-primary` is `styles.colors.primary`, `data-availability-query` is `availability_query`.
 */

import { isObject, own, parseJson } from "./page.js";

/**
 * @typedef {import("./wish.js").Given} Given
 * @typedef {"any" | "boolean" | "color" | "date" | "function" | "integer" | "list" | "object" | "text" | "time"} Sort
 * @typedef {Sort | readonly (string | number)[] | Readonly<Record<string, readonly string[]>>} Kind
 * What an option has to be: of a sort, one of a list, or one of the list of each element.
 */

const DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/** @type {Readonly<Record<string, Kind>>} */
const CONFIG = {
  allow_expansion: "boolean",
  auto_create_rules: "boolean",
  bounds_control: "boolean",
  default_weekly_periods: "list",
  display_slot_navigation: "boolean",
  display_slot_timezone: "boolean",
  duration: [15, 30, 60],
  end_time: "time",
  interval: "integer",
  keyboard_support: "text",
  logs: ["none", "error", "warn", "info", "log"],
  max_selection_count: "integer",
  mode: {
    agenda: ["default", "only_managed", "free_busy", "free_busy_managed"],
    "availability-viewer": ["confirm", "no_confirm", "multi_select", "free_select"],
    "date-time-picker": ["confirm", "no_confirm"],
    "slot-picker": ["confirm", "no_confirm"],
  },
  month_view_mode: ["overflow", "minimal_overflow", "single"],
  revoke_mode: ["trigger_and_callback", "callback_only"],
  selected_date: "date",
  slot_button_mode: ["summary", "detailed"],
  slot_selection: ["available", "unrestricted"],
  start_time: "time",
  tz_list: "list",
  week_start_day: DAYS,
};

/** Of all Elements; the second line is the date-time-picker's. */
const COLORS =
  "available availableActive availableHover background black booked bookedSelected green greenLight grey greyLight greyMid greyPale hairline primary primaryLight red redDark redLight secondary unavailable unavailableActive unavailableHover white yellow " +
  "button buttonActive buttonActiveText buttonConfirm buttonHover buttonText buttonTextHover neutral neutralDark neutralLight";

/** @type {Readonly<Record<string, Kind>>} */
const OTHERS = {
  authorization: "object",
  authorization_url: "text",
  availability_query: "object",
  availability_rule_id: "text",
  config: "object",
  demo: "boolean",
  end_date: "date",
  locale_modifiers: "object",
  on_month_changed: "function",
  single_profile: "boolean",
  start_date: "date",
  styles: "object",
  translations: "object",
};

/** Path within the options, joined by dots → what has to be there. @type {Readonly<Record<string, Kind>>} */
const KINDS = {
  ...OTHERS,
  "styles.colors": "object",
  "styles.colors.calendars": "any",
  "styles.prefix": "text",
  ...Object.fromEntries(Object.entries(CONFIG).map(([name, kind]) => [`config.${name}`, kind])),
  ...Object.fromEntries(COLORS.split(" ").map((name) => [`styles.colors.${name}`, /** @type {Kind} */ ("color")])),
};

const toCamel = (/** @type {string} */ text) => text.replace(/[._]([a-zA-Z])/g, (_, letter) => letter.toUpperCase());
const toSnake = (/** @type {string} */ text) => text.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Every attribute that is an option, as in a dataset. */
export const OPTION_NAMES = Object.keys(KINDS).map((path) => toCamel(path.replace("styles.colors", "colors")));

/** @param {string} name As in a dataset. @returns {string} as it is written in HTML */
export const attribute = (name) => `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** @param {string} name As in a dataset. @returns {string | undefined} the path within the options */
function pathOf(name) {
  const [, group, letter, rest] = /^(config|colors)([A-Z])(.*)$/.exec(name) || [];
  const key = group && letter.toLowerCase() + rest;
  if (group === "config") return `config.${toSnake(key)}`;
  if (group) return `styles.colors.${key}`;
  if (name === "colors") return "styles.colors";
  if (name === "stylesPrefix") return "styles.prefix";
  return own(OTHERS, toSnake(name)) && toSnake(name);
}

/** @param {any} value Of an attribute: text. @param {Kind | undefined} kind @returns {any} what the text stands for */
function typed(value, kind) {
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (kind === "text") return text;
  if (/^[[{]/.test(text)) return parseJson(text) ?? text;
  // As in HTML, the attribute alone says yes.
  if (kind === "boolean" && !text) return true;
  if (text === "true" || text === "false") return text === "true";
  const isNumber = kind === "integer" || (Array.isArray(kind) && typeof kind[0] === "number");
  return isNumber && /^\d+$/.test(text) ? Number(text) : text;
}

/** @param {Kind} kind @param {string} element May be unknown. @returns {readonly any[] | undefined} what there is to choose from */
function choices(kind, element) {
  if (typeof kind === "string") return undefined;
  if (Array.isArray(kind)) return kind;
  return own(kind, element) || [...new Set(Object.values(kind).flat())];
}

/** @param {any} value @param {string} element */
function isColor(value, element) {
  if (typeof value !== "string" || !CSS.supports("color", value)) return false;
  // It hands them on to the style sheet; the others read them, and crash where they cannot.
  if (element === "date-time-picker") return true;
  const word = /^[a-z]+$/i.test(value) && !/^(currentcolor|inherit|initial|unset|revert)$/i.test(value);
  return word || /^(#|rgba?\(|hsla?\()(?!.*var\()/i.test(value);
}

/** @param {any} value */
function isDate(value) {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00:00Z` : NaN);
  // 31 February is taken for a day in March.
  return !isNaN(+date) && date.toISOString().startsWith(value);
}

/** Of each sort: its test, and what to write. @type {Record<Sort, [(value: any, element: string) => boolean, string]>} */
const SORTS = {
  any: [() => true, ""],
  boolean: [(value) => typeof value === "boolean", "true or false"],
  color: [isColor, "a colour such as #0a7755, rgb(10, 119, 85) or teal, without var()"],
  date: [isDate, "a date such as 2027-01-31"],
  function: [(value) => typeof value === "function", "a function, which only WidgetSvc.mount() can be given"],
  integer: [(value) => Number.isInteger(value) && value > 0, "a whole number above 0"],
  list: [Array.isArray, "a JSON array"],
  object: [isObject, "a JSON object"],
  text: [(value) => typeof value === "string", "text"],
  time: [(value) => /^([01]\d|2[0-3]):[0-5]\d$/.test(value), "a time of day such as 09:30"],
};

/**
 * @param {string} label How the developer calls it. @param {any} value @param {Kind | undefined} kind @param {string} element
 * @returns {string[]} none where it is as it has to be, or not known here
 */
function faultsOfValue(label, value, kind, element) {
  if (kind === undefined) return [];
  const among = choices(kind, element);
  const [holds, wanted] = among
    ? [among.includes(value), `one of ${among.join(", ")}`]
    : [SORTS[/** @type {Sort} */ (kind)][0](value, element), SORTS[/** @type {Sort} */ (kind)][1]];
  return holds ? [] : [`${label} “${isObject(value) ? JSON.stringify(value) : value}” will not do: write ${wanted}.`];
}

/**
 * What is wrong with an Element's options, of which only those that are known here are looked at.
 * @param {Record<string, any>} options @param {string} element May be unknown. @param {string} [at] @returns {string[]}
 */
export function faultsOfOptions(options, element, at = "") {
  return Object.entries(options).flatMap(([name, value]) => {
    const path = `${at}${name}`;
    const faults = faultsOfValue(`The option ${path}`, value, own(KINDS, path), element);
    const within = !faults.length && ["config", "styles", "styles.colors"].includes(path);
    return within ? faultsOfOptions(value, element, `${path}.`) : faults;
  });
}

/**
 * @param {Given} given @returns {{options: Record<string, any>, faults: string[]}}
 * What its attributes say of the Element's options, and what is wrong with them.
 */
export function readOptions(given) {
  /** @type {Record<string, any>} */
  const options = {};
  /** @type {string[]} */
  const faults = [];
  const element = String(own(given, "element") ?? "");
  // A whole group first, so that what is named by itself is laid over it.
  for (const name of Object.keys(given).sort((one, other) => one.length - other.length)) {
    const path = pathOf(name);
    const kind = path && own(KINDS, path);
    const value = path && typed(own(given, name), kind);
    // Templates write an empty attribute for what they have not.
    if (!path || value === undefined || value === null || value === "") continue;
    const wrong = faultsOfValue(attribute(name), value, kind, element);
    faults.push(...wrong);
    if (wrong.length) continue;
    const steps = path.split(".");
    const last = /** @type {string} */ (steps.pop());
    const place = steps.reduce((holder, step) => (holder[step] = { ...own(holder, step) }), options);
    place[last] = isObject(value) ? { ...value } : value;
  }
  return { options, faults: [...faults, ...faultsOfOptions(options, element)] };
}
