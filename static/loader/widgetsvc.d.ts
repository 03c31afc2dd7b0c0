/**
 * Types of widgetsvc's embed: the global `WidgetSvc`, its events, and the element <widgetsvc-embed>.
 *
 * Save it beside your sources, or refer to it: /// <reference path="widgetsvc.d.ts" />
 */

declare const WidgetSvc: WidgetSvc.Api;

declare namespace WidgetSvc {
  interface Api {
    /** The loader's version, such as "0.2.0". */
    readonly version: string;
    /**
     * Puts a calendar into an element of the page.
     * @param target An element, or a selector of one.
     * @throws {Failure} `invalid_target` where there is no such element.
     */
    mount(target: string | HTMLElement, options: EmbedOptions): Embed;
  }

  interface Embed {
    /** Resolves when the calendar is there; rejects with a Failure that no further try heals. */
    readonly ready: Promise<Embed>;
    /** Lays options over those given before, and starts anew. */
    update(options: Partial<EmbedOptions>): void;
    /** Removes it; the page is left as it was. */
    destroy(): void;
  }

  type ElementName =
    "agenda" | "availability-rules" | "availability-viewer" | "calendar-sync" | "date-time-picker" | "slot-picker";

  /** What is shown: either a widget as it is stored at the service, or an Element with its calendars. */
  type EmbedOptions = CommonOptions & ShorthandOptions & (WidgetChoice | ElementChoice);

  interface WidgetChoice {
    /** Its id; it says which element and calendars. */
    widget: string;
    element?: undefined;
    calendar?: undefined;
    calendars?: undefined;
  }

  type ElementChoice = { element: ElementName; widget?: undefined } & (
    | { calendar: string; calendars?: string | readonly string[] }
    | { calendar?: undefined; calendars: string | readonly string[] }
  );

  interface CommonOptions {
    /** The publishable key: pk_… */
    key: string;
    /** Signed by your server for the visitor (JWT). */
    assertion?: string;
    /** In the page, in a frame, or whichever the page's policy allows: the default. */
    mode?: "auto" | "inline" | "frame";
    /** What assistive technology calls it. */
    label?: string;
    /** Pixels that are kept for it. */
    height?: number | `${number}`;
    /** On dark pages: a light ground below the calendar (`auto`), always (`light`), or never (`page`): its colours are yours. */
    theme?: "auto" | "light" | "page";
    /** A time zone of the IANA database, such as "Europe/London"; else the visitor's. */
    tzid?: string;
    /** A language (BCP 47), such as "de-AT"; else the page's. */
    locale?: string;
    /** A failure to act out; the tenant has to be in test mode. */
    simulate?: Simulation;
    /** The loader's own texts by name, such as { not_loaded: "…" }. */
    texts?: Readonly<Record<string, string>>;
    /** The Element's own options, under its own names. */
    options?: ElementOptions;
  }

  type Simulation =
    "expired" | "origin" | "429" | "500" | "slow" | "offline" | "skew" | `skew:${string}` | "noslots" | "taken" | "csp";

  /** The Element's options under the names that data- attributes have: `configStartTime` is `data-config-start-time`. */
  type ShorthandOptions = { [Name in keyof Config as `config${Capitalize<Camel<Name>>}`]?: Config[Name] } & {
    [Name in ColorName as `colors${Capitalize<Name>}`]?: string;
  } & {
    [Name in Exclude<keyof ElementOptions, "styles" | "tzid" | "locale"> as Camel<Name>]?: ElementOptions[Name];
  } & {
    colors?: Colors;
    styles?: ElementOptions["styles"];
    stylesPrefix?: string;
  };

  type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
    ? `${Head}${Capitalize<Camel<Tail>>}`
    : Name;

  /** Options of cronofy-elements 1.67; the loader sets the token, the target and the API's address. */
  interface ElementOptions {
    authorization?: Readonly<Record<string, string>>;
    authorization_url?: string;
    availability_query?: AvailabilityQuery;
    availability_rule_id?: string;
    config?: Config;
    demo?: boolean;
    /** YYYY-MM-DD */
    end_date?: string;
    locale?: string;
    locale_modifiers?: Readonly<Record<string, unknown>>;
    /** Of the date-time-picker; `month` is 0 for January. */
    on_month_changed?: (shown: { year: number; month: number }) => Promise<{ availability_query: AvailabilityQuery }>;
    single_profile?: boolean;
    /** YYYY-MM-DD */
    start_date?: string;
    styles?: { prefix?: string; colors?: Colors };
    /** Language → context → key → text. */
    translations?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>;
    tzid?: string;
  }

  /** As Cronofy's API describes it. */
  type AvailabilityQuery = Readonly<Record<string, unknown>>;

  interface Config {
    allow_expansion?: boolean;
    auto_create_rules?: boolean;
    bounds_control?: boolean;
    default_weekly_periods?: readonly { day: Day; start_time: string; end_time: string }[];
    display_slot_navigation?: boolean;
    display_slot_timezone?: boolean;
    /** Minutes. */
    duration?: 15 | 30 | 60;
    /** HH:MM */
    end_time?: string;
    /** Minutes; rounded up to 15, 30 or 60. */
    interval?: number;
    keyboard_support?: string;
    logs?: "none" | "error" | "warn" | "info" | "log";
    max_selection_count?: number;
    mode?:
      | "default"
      | "only_managed"
      | "free_busy"
      | "free_busy_managed"
      | "confirm"
      | "no_confirm"
      | "multi_select"
      | "free_select";
    month_view_mode?: "overflow" | "minimal_overflow" | "single";
    revoke_mode?: "trigger_and_callback" | "callback_only";
    /** YYYY-MM-DD */
    selected_date?: string;
    slot_button_mode?: "summary" | "detailed";
    slot_selection?: "available" | "unrestricted";
    /** HH:MM */
    start_time?: string;
    tz_list?: readonly string[];
    week_start_day?: Day;
  }

  type Day = "sunday" | "monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday";

  /** CSS colours; var() is for the date-time-picker alone. */
  type Colors = { [Name in ColorName]?: string } & { calendars?: unknown };

  type ColorName =
    | "available"
    | "availableActive"
    | "availableHover"
    | "background"
    | "black"
    | "booked"
    | "bookedSelected"
    | "button"
    | "buttonActive"
    | "buttonActiveText"
    | "buttonConfirm"
    | "buttonHover"
    | "buttonText"
    | "buttonTextHover"
    | "green"
    | "greenLight"
    | "grey"
    | "greyLight"
    | "greyMid"
    | "greyPale"
    | "hairline"
    | "neutral"
    | "neutralDark"
    | "neutralLight"
    | "primary"
    | "primaryLight"
    | "red"
    | "redDark"
    | "redLight"
    | "secondary"
    | "unavailable"
    | "unavailableActive"
    | "unavailableHover"
    | "white"
    | "yellow";

  /** What `ready` rejects with, and `mount` throws. */
  interface Failure extends Error {
    code: ErrorCode;
    support_code?: string;
  }

  /** Times as in RFC 3339; what else the API says of a slot is in it, too. */
  interface Slot {
    start: string;
    end: string;
    participants?: readonly { sub: string }[];
    [name: string]: unknown;
  }

  interface SlotPicked {
    slot: Slot;
    /** Says that the page books the slot itself: what the visitor sees follows the promise. */
    respondWith(booking: PromiseLike<BookingAnswer | void> | BookingAnswer): void;
  }

  /** `message` is shown to the visitor; `booking` comes back in `widgetsvc:booked`. Reject with the code `slot_taken`, or any error. */
  interface BookingAnswer {
    message?: string;
    booking?: unknown;
  }

  interface Booked {
    slot: Slot;
    booking?: unknown;
  }

  interface Problem {
    code: ErrorCode;
    /** What the visitor reads. */
    message: string;
    /** What the developer can do. */
    fix?: string;
    /** Where the code is explained. */
    docs?: string;
    retryable: boolean;
    support_code?: string;
  }

  interface Renewed {
    /** Seconds that the new token lives. */
    expires_in: number;
  }

  interface Resized {
    /** Pixels. */
    height: number;
  }

  interface WidgetsvcEventMap {
    "widgetsvc:ready": CustomEvent<{}>;
    "widgetsvc:slot-picked": CustomEvent<SlotPicked>;
    "widgetsvc:booked": CustomEvent<Booked>;
    "widgetsvc:empty": CustomEvent<{}>;
    "widgetsvc:error": CustomEvent<Problem>;
    "widgetsvc:renewed": CustomEvent<Renewed>;
    "widgetsvc:resized": CustomEvent<Resized>;
  }

  /** Stable; a later service may have more of them. */
  type ErrorCode =
    | "already_exists"
    | "assertion_required"
    | "blocked_by_policy"
    | "booking_failed"
    | "bundle_failed"
    | "calendar_revoked"
    | "conflict"
    | "destroyed"
    | "element_crashed"
    | "element_failed"
    | "element_not_mounted"
    | "element_rejected"
    | "expired_assertion"
    | "expired_token"
    | "framed_out"
    | "http_error"
    | "idempotency_key_reused"
    | "internal_error"
    | "invalid_assertion"
    | "invalid_configuration"
    | "invalid_name"
    | "invalid_origin_rule"
    | "invalid_request"
    | "invalid_tag"
    | "invalid_target"
    | "invalid_value"
    | "method_not_allowed"
    | "not_found"
    | "offline"
    | "origin_not_allowed"
    | "permission_not_allowed"
    | "precondition_failed"
    | "query_rejected"
    | "rate_limited"
    | "request_in_flight"
    | "request_too_large"
    | "secret_key_exposed"
    | "service_unreachable"
    | "slot_taken"
    | "storage_unavailable"
    | "tenant_suspended"
    | "timed_out"
    | "unexpected_answer"
    | "unexpected_error"
    | "unknown_calendar"
    | "unknown_key"
    | "unknown_resource"
    | "unknown_tenant"
    | "unknown_widget"
    | "unsupported_media_type"
    | "upstream_rejected"
    | "upstream_unavailable"
    | (string & {});
}

interface HTMLElementEventMap extends WidgetSvc.WidgetsvcEventMap {}
interface DocumentEventMap extends WidgetSvc.WidgetsvcEventMap {}
interface WindowEventMap extends WidgetSvc.WidgetsvcEventMap {}

/** Reads what it shows from its data- attributes. */
interface WidgetsvcEmbedElement extends HTMLElement {
  /** Undefined where it is not in the document. */
  readonly embed: WidgetSvc.Embed | undefined;
}

interface HTMLElementTagNameMap {
  "widgetsvc-embed": WidgetsvcEmbedElement;
}
