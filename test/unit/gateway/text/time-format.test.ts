/** Times for chat templates: Python's directives, in English and UTC. */
import { expect, test } from "vitest";
import { formatTime } from "../../../../gateway/text/time-format.ts";

const AFTERNOON = Date.UTC(2024, 6, 5, 13, 4, 9);
const MIDNIGHT = Date.UTC(2023, 11, 31, 0, 30, 0);

test.each([
  [AFTERNOON, "%d %b %Y", "05 Jul 2024"],
  [AFTERNOON, "%A, %B %-d, %Y", "Friday, July 5, 2024"],
  [AFTERNOON, "%Y-%m-%d %H:%M:%S", "2024-07-05 13:04:09"],
  [AFTERNOON, "%I:%M %p %Z%z", "01:04 PM UTC+0000"],
  [AFTERNOON, "%F %T %j %y %e %a %-m", "2024-07-05 13:04:09 187 24  5 Fri 7"],
  [MIDNIGHT, "%I %p %j", "12 AM 365"],
  [AFTERNOON, "100%% %Q %", "100% %Q %"],
])("a time is written as Python writes it in UTC: %#", (unixMs, format, expected) => {
  expect(formatTime(unixMs, format)).toBe(expected);
});
