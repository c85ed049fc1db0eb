/** What a hop between stages on different nodes costs with TLS, beside the same in clear: a step's activations, to and fro. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../core/clock.ts";
import { watchMutualTls } from "../../core/mutual-tls.ts";
import { dial } from "../../core/wire/connection.ts";
import { selfSigned } from "../../test/support/self-signed.ts";
import type { BenchContext, BenchPart } from "../context.ts";
import { startServer } from "../program.ts";
import { figuresOf, inTurn } from "../rounds.ts";
import { formatHeader, formatRow, type Row } from "../table.ts";

const ECHO = fileURLToPath(new URL("./wire-echo-program.ts", import.meta.url));
const START_MS_MAX = 30_000;
/** f32[8, 576]: a decode step of SmolLM2 135M with eight rows. */
const ACTIVATIONS = new Uint8Array(8 * 576 * 4);
const WARM_UP_HOPS = 2_000;
const HOPS = 10_000;
const WALL = "time of a hop";
const CPU = "CPU of a hop, both ends together";

export const WIRE_PART: BenchPart = {
  name: "wire",
  help: "a decode step's activations from process to process over TLS, beside TCP in clear",
  run: wire,
};

async function wire(context: BenchContext): Promise<readonly Row[]> {
  const { rounds, say } = context;
  say(`\nwire: ${ACTIVATIONS.byteLength} bytes to another process and back, ${HOPS} times, with TLS and in clear`);
  const folder = await mkdtemp(path.join(tmpdir(), "nereid-wire-"));
  try {
    const { cert, key } = selfSigned("bench");
    await Promise.all([writeFile(path.join(folder, "cert"), cert), writeFile(path.join(folder, "key"), key, { mode: 0o600 })]);
    const side = (kind: "tls" | "tcp") => ({ name: kind, measure: () => measure(context, folder, `${kind}:127.0.0.1:0`) });
    const collected = await inTurn([side("tls"), side("tcp")], rounds, say);
    const rows = [WALL, CPU].map((name): Row => {
      const [ours, peer] = ["tls", "tcp"].map((kind) => figuresOf(collected, kind, name));
      return { name, unit: "µs", better: "less", ours: ours ?? [], peer: peer ?? [] };
    });
    say(formatHeader("in clear"));
    for (const row of rows) say(formatRow(row));
    return rows;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Microseconds by the name of what was measured. */
async function measure({ signal }: BenchContext, folder: string, address: string): Promise<ReadonlyMap<string, number>> {
  const [cert, key] = [path.join(folder, "cert"), path.join(folder, "key")];
  const options = { signal, limitMs: START_MS_MAX };
  const { program, match } = await startServer(process.execPath, [ECHO, address, cert, key], /listening at (\S+)/, options);
  await using _ = program;
  using tls = await watchMutualTls({ ca: cert, cert, key }, { clock: systemClock, warn: () => {} });
  const connection = await dial(match[1] ?? "", { payloadBytesMax: 2 ** 20, tls }, signal);
  const exchange = (hops: number) =>
    new Promise<void>((resolve, reject) => {
      let sent = 0;
      const send = () => connection.send({ kind: "step", epoch: 1, step: sent++ }, [ACTIVATIONS]);
      connection.listener = { frame: () => (2 * sent < hops ? send() : resolve()), gone: reject };
      send();
    });
  await exchange(WARM_UP_HOPS);
  const [beganMs, began] = [systemClock.now(), process.cpuUsage()];
  await exchange(HOPS);
  const [tookMs, { user, system }] = [systemClock.now() - beganMs, process.cpuUsage(began)];
  connection.close();
  // This end sends in one half of the hops and receives in the other: as much as both ends spend on one half of them.
  return new Map([
    [WALL, (tookMs * 1_000) / HOPS],
    [CPU, (2 * (user + system)) / HOPS],
  ]);
}
