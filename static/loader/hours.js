/** What part of the day an Availability Viewer has to draw. */

const DAY = 86_400_000;

/**
 * The hours of a zone that periods lie in, whole ones; 00:00 to 00:00 is all of the day, which the viewer draws where
 * a period goes over midnight, too.
 * @param {{start: string, end: string}[]} periods In RFC 3339.
 * @param {string} timeZone
 */
export function hoursOf(periods, timeZone) {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  let first = 24;
  let last = 0;
  for (const { start, end } of periods) {
    const [from, to] = [start, end].map((instant) => {
      const [hour, minute] = clock.format(new Date(instant)).split(":").map(Number);
      return hour + minute / 60;
    });
    const till = to || 24;
    const isOvernight = till <= from || Date.parse(end) - Date.parse(start) >= DAY;
    first = Math.min(first, isOvernight ? 0 : Math.floor(from));
    last = Math.max(last, isOvernight ? 24 : Math.ceil(till));
  }
  const write = (/** @type {number} */ hour) => `${String(hour % 24).padStart(2, "0")}:00`;
  return { start_time: write(first), end_time: write(last) };
}
