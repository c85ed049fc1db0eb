/** Python's strftime as chat templates use it, in English and UTC, so that every gateway renders the same prompt. Pure. */

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
] as const;
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const;

const padded = (value: number, digits = 2): string => String(value).padStart(digits, "0");
const month = (date: Date): string => MONTHS[date.getUTCMonth()] ?? "";
const day = (date: Date): string => DAYS[date.getUTCDay()] ?? "";
const hour12 = (date: Date): number => date.getUTCHours() % 12 || 12;
const isoDate = (date: Date): string => `${date.getUTCFullYear()}-${padded(date.getUTCMonth() + 1)}-${padded(date.getUTCDate())}`;
const dayOfYear = (date: Date): number => Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
const time = (date: Date): string => `${padded(date.getUTCHours())}:${padded(date.getUTCMinutes())}:${padded(date.getUTCSeconds())}`;

const DIRECTIVES: ReadonlyMap<string, (date: Date) => string> = new Map([
  ["a", (date: Date) => day(date).slice(0, 3)],
  ["A", day],
  ["b", (date: Date) => month(date).slice(0, 3)],
  ["B", month],
  ["d", (date: Date) => padded(date.getUTCDate())],
  ["e", (date: Date) => String(date.getUTCDate()).padStart(2)],
  ["-d", (date: Date) => String(date.getUTCDate())],
  ["F", isoDate],
  ["H", (date: Date) => padded(date.getUTCHours())],
  ["I", (date: Date) => padded(hour12(date))],
  ["j", (date: Date) => padded(dayOfYear(date), 3)],
  ["m", (date: Date) => padded(date.getUTCMonth() + 1)],
  ["-m", (date: Date) => String(date.getUTCMonth() + 1)],
  ["M", (date: Date) => padded(date.getUTCMinutes())],
  ["p", (date: Date) => (date.getUTCHours() < 12 ? "AM" : "PM")],
  ["S", (date: Date) => padded(date.getUTCSeconds())],
  ["T", time],
  ["y", (date: Date) => padded(date.getUTCFullYear() % 100)],
  ["Y", (date: Date) => padded(date.getUTCFullYear(), 4)],
  ["z", () => "+0000"],
  ["Z", () => "UTC"],
  ["%", () => "%"],
]);

/** Directives that are not known stay as they are. */
export function formatTime(unixMs: number, format: string): string {
  const date = new Date(unixMs);
  return format.replace(/%(-?[a-zA-Z%])/g, (directive, name: string) => DIRECTIVES.get(name)?.(date) ?? directive);
}
