/** A child with a channel: says what it was given, writes much, and ends with its channel, or as it is told: `exit CODE` or `abort`. */
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import { CONTROL_FD } from "../../../node-agent/runners/control-protocol.ts";

const channel = new Socket({ fd: CONTROL_FD, allowHalfOpen: true });
const given = { words: process.argv.slice(2), says: process.env["CHILD_SAYS"], parent: process.ppid, input: readFileSync(0, "utf8") };
channel.write(JSON.stringify(given));
let order = "";
channel.on("data", (chunk: Uint8Array) => {
  order += Buffer.from(chunk).toString();
});
channel.on("end", () => {
  const [verb, code] = order.split(" ");
  if (verb === "abort") process.abort();
  const words = "word ".repeat(60_000);
  process.stderr.write(words, () => process.stdout.write(words, () => process.exit(Number(code ?? 0))));
});
