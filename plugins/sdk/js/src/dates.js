// Calendar arithmetic on dates, which are strings such as "2026-11-23". The engine's Date is used in UTC only,
// where it is plain calendar arithmetic.

const DAY = 86_400_000;
const MINUTE = 60_000;

/** @param {number} time */
const written = (time) => new Date(time).toISOString().slice(0, 10);

/** @type {typeof import("../hotlist").plusDays} */
export const plusDays = (day, days) => written(Date.parse(day) + days * DAY);

/** @type {typeof import("../hotlist").plusMonths} */
export function plusMonths(day, months) {
  const date = new Date(day);
  const wanted = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months + 1);
  const last = new Date(date.getTime() - DAY);
  last.setUTCDate(Math.min(wanted, last.getUTCDate()));
  return written(last.getTime());
}

/** @type {typeof import("../hotlist").daysBetween} */
export const daysBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / DAY;

/** @type {typeof import("../hotlist").weekday} */
export const weekday = (day) => new Date(day).getUTCDay() || 7;

/** @type {typeof import("../hotlist").beginningOf} */
export const beginningOf = (day, utcOffset) => Math.max(0, Date.parse(day) - utcOffset * MINUTE);

/** @type {typeof import("../hotlist").dayAt} */
export const dayAt = (now, utcOffset) => written(now + utcOffset * MINUTE);
