/**
 * One end of the submits that `submits.ts` measures: what gateways and agents do with a submit, and nothing of what is in it.
 * `desk NATS_URL` takes submits over the bus and over links and says on the link that it has them.
 * `sender NATS_URL LINK_ADDRESS WAY UNDER_WAY PIDS` sends them, over `bus` or `link`, and prints its figures as JSON.
 */
import { NatsBus } from "../../core/bus/nats.ts";
import { systemClock } from "../../core/clock.ts";
import { nodeId } from "../../core/ids.ts";
import type { Link, LinkStream } from "../../core/link/link.ts";
import { SubmitWindow } from "../../core/link/submit-window.ts";
import { tcpLinks } from "../../core/link/tcp.ts";
import { decodeAnswer, encodeAnswer } from "../../core/messages/answer-codec.ts";
import type { InferSubmit } from "../../core/messages/infer.ts";
import { SUBJECTS } from "../../core/messages/subjects.ts";
import { decodeSubmit, encodeSubmit } from "../../core/messages/submit-codec.ts";
import { SubmitAssembler, submitFrames } from "../../core/messages/submit-frames.ts";
import { systemRandom } from "../../core/random.ts";
import { createLogger } from "../../core/telemetry/logger.ts";
import { cpuMicroseconds } from "../processes.ts";

const SUBJECT = SUBJECTS.submit(nodeId("bench"));
/** In the first part code is compiled. */
const LENGTH_MS = { unmeasured: 1_000, measured: 2_000 };
const BODY: InferSubmit = {
  kind: "infer",
  replica: "identity/1/1",
  tenant: "",
  id: "",
  remainingMs: undefined,
  traceparent: "",
  priority: 0,
  queueTimeoutUs: 0,
  parameters: new Map(),
  inputs: [{ name: "INPUT0", dtype: "FP32", shape: [1, 16], data: new Uint8Array(64) }],
  outputs: [],
};

const links = tcpLinks({ clock: systemClock, random: systemRandom });

async function desk(bus: NatsBus): Promise<void> {
  const sessions = new Map<string, { readonly link: Link; readonly window: SubmitWindow }>();
  await using listener = await links.listen((link) => {
    const window = new SubmitWindow();
    sessions.set(link.session, { link, window });
    link.onStream((number) => takeOverLink(link.open(number, "tokens"), window));
  });
  bus.subscribe(SUBJECT, (payload) => {
    const { session, number } = decodeSubmit(payload);
    const known = sessions.get(session);
    if (known?.window.accept(number) === true) acknowledge(known.link.open(number, "tokens"));
  });
  await bus.settled();
  process.stdout.write(`listening on ${listener.address}\n`);
  await new Promise<void>((resolve) => process.once("SIGTERM", () => resolve()));
}

function takeOverLink(stream: LinkStream, window: SubmitWindow): void {
  const assembler = new SubmitAssembler();
  stream.listen({
    frame: (payload) => {
      stream.consumed(1);
      const submit = assembler.push(payload);
      if (submit !== undefined && window.accept(submit.number)) acknowledge(stream);
    },
    ended: () => {},
  });
}

function acknowledge(stream: LinkStream): void {
  stream.write(encodeAnswer({ kind: "accepted", queued: 0 }));
  stream.end();
}

interface Sending {
  readonly way: "bus" | "link";
  readonly underWay: number;
}

/** @param pids of all whose CPU a submit costs, besides this process */
async function sender(bus: NatsBus, address: string, sending: Sending, pids: readonly number[]): Promise<void> {
  const link = await links.dial(address, AbortSignal.timeout(10_000));
  const cpu = () => [process.pid, ...pids].reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
  const first = await sendAll(bus, link, sending, { from: 0, untilMs: performance.now() + LENGTH_MS.unmeasured });
  const before = { us: cpu(), ms: performance.now() };
  const count = await sendAll(bus, link, sending, { from: first, untilMs: before.ms + LENGTH_MS.measured });
  const perSecond = (count * 1_000) / (performance.now() - before.ms);
  process.stdout.write(JSON.stringify({ perSecond, us: (cpu() - before.us) / count }));
}

/**
 * Always so many under way, until all that were sent in time are acknowledged. One that the bus loses is waited for in vain.
 * @param from number of the first @returns how many. Rejects when the link is lost.
 */
function sendAll(
  bus: NatsBus,
  link: Link,
  { way, underWay }: Sending,
  { from, untilMs }: { readonly from: number; readonly untilMs: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let next = from;
  let left = underWay;
  const send = (): void => {
    const number = next++;
    const stream = link.open(number, "tokens");
    stream.listen({
      frame: (payload) => {
        decodeAnswer(payload);
        stream.consumed(1);
        stream.end();
        if (performance.now() < untilMs) send();
        else if (--left === 0) resolve(next - from);
      },
      ended: ({ kind }) => {
        if (kind !== "end") reject(new Error(`submit ${number} was not acknowledged: ${kind}`));
      },
    });
    const submit = encodeSubmit({ session: link.session, number, body: BODY });
    if (way === "bus") bus.publish(SUBJECT, submit);
    else for (const frame of submitFrames(submit)) stream.write(frame);
  };
  for (let first = 0; first < underWay; first++) send();
  return promise;
}

const [role, natsUrl = "", address = "", way, underWay = "1", pids = ""] = process.argv.slice(2);
const logger = createLogger({ level: "warn", form: "readable" });
const bus = new NatsBus({ urls: [natsUrl], name: `bench ${role}`, clock: systemClock, random: systemRandom, logger });
await new Promise<void>((resolve) => bus.onConnection(() => resolve()));
if (role === "desk") await desk(bus);
else await sender(bus, address, { way: way === "link" ? "link" : "bus", underWay: Number(underWay) }, pids.split(",").map(Number));
process.exit();
