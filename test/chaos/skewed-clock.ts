/**
 * Loaded into every process of a cluster before anything else (`node --import`): its wall clock is off by what the file says that
 * NEREID_CHAOS_CLOCK names, in milliseconds, and jumps when that changes. The monotonic clock goes on as it is, as on a real machine.
 */
import { readFileSync } from "node:fs";

const file = process.env["NEREID_CHAOS_CLOCK"];
if (file !== undefined) {
  const { now } = Date;
  Date.now = () => now() + Number(readFileSync(file, "utf8"));
}
