/**
 * Loaded into every process of a cluster before anything else (`node --import`): its wall clock is off by what the file says that
 * NEREID_CHAOS_CLOCK names, and jumps when that changes: `OFF DRIFT SINCE`, milliseconds, a share, and Unix milliseconds. The monotonic
 * clock goes on as it is, as on a real machine.
 */
import { readFileSync } from "node:fs";

const file = process.env["NEREID_CHAOS_CLOCK"];
if (file !== undefined) {
  const { now } = Date;
  Date.now = () => {
    const [off = 0, drift = 0, since = 0] = readFileSync(file, "utf8").split(" ").map(Number);
    return Math.round(now() + off + drift * (now() - since));
  };
}
