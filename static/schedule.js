/**
 * The page behind a scheduling link: puts Cronofy's Date Time Picker in place of the plain list of times.
 *
 * The list stays until the picker shows a day to choose, and comes back if the picker fails; a time picked in
 * either goes through the same form. The bundle is loaded before this script, or not at all.
 */
(() => {
  "use strict";

  const list = document.getElementById("times");
  const room = document.getElementById("picker");
  const zone = document.getElementById("zone");
  const SHOWS_A_DAY = ".DTP__calendar-grid--available";
  const RENDER_DEADLINE = 8000;

  const COLOURS = {
    black: "#1d2327",
    neutralDark: "#5b646b",
    neutral: "#aab3ba",
    neutralLight: "#f0f4f4",
    white: "#ffffff",
    button: "#e3f0ee",
    buttonConfirm: "#0b6b5f",
    buttonHover: "#c9e3df",
    buttonText: "#0a4f47",
    buttonTextHover: "#0a4f47",
    buttonActive: "#0b6b5f",
    buttonActiveText: "#ffffff",
  };

  const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

  /** The page is in English; the picker takes its clock from the kind of English. */
  function localeFor(hourFormat) {
    if (hourFormat) return hourFormat === "h" ? "en-US" : "en-GB";
    return navigator.language.startsWith("en") ? navigator.language : "en-GB";
  }

  function showList() {
    list.classList.add("stays");
    list.hidden = zone.hidden = false;
    room.hidden = true;
  }

  function showPicker() {
    // Who has begun to use the list keeps it.
    if (list.contains(document.activeElement)) return;
    list.hidden = zone.hidden = true;
    room.hidden = false;
  }

  let picked = false;

  function pick(start, tzid) {
    if (picked) return;
    picked = true;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "start", value: start });
    list.elements.tzid.value = tzid;
    list.append(field);
    list.submit();
  }

  // A page that comes back from the browser's history can be used again.
  addEventListener("pageshow", () => {
    picked = false;
    list.querySelectorAll("input[name=start]").forEach((field) => field.remove());
  });

  function hear({ notification }) {
    if (notification.type === "slot_selected") pick(notification.slot.start, notification.tzid);
    if (notification.type === "error" || notification.type === "no_slots_found") showList();
  }

  function startPicker() {
    const { hour_format, tzid, ...options } = JSON.parse(document.getElementById("schedule").textContent);
    const target = document.createElement("div");
    target.id = "date-time-picker";
    room.append(target);
    const watch = new MutationObserver(() => {
      if (!target.querySelector(SHOWS_A_DAY)) return;
      watch.disconnect();
      showPicker();
    });
    watch.observe(target, { childList: true, subtree: true, attributes: true });
    setTimeout(() => room.hidden && showList(), RENDER_DEADLINE);
    window.CronofyElements.DateTimePicker({
      ...options,
      target_id: target.id,
      tzid: tzid || browserZone(),
      locale: localeFor(hour_format),
      styles: { colors: COLOURS },
      config: { mode: "no_confirm", week_start_day: "monday", logs: "none" },
      callback: hear,
    });
  }

  if (!window.CronofyElements) {
    showList();
    return;
  }
  try {
    startPicker();
  } catch (error) {
    console.error("the picker did not start:", error);
    showList();
  }
})();
