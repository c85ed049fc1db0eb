/** What every adapter of the link port promises; `link.test.ts` runs it on each. */
import { expect, test } from "vitest";
import { FRAME_BYTES_MAX, type Link, type LinkNetwork, type LinkStream, STREAM_CREDIT, type StreamEnd } from "../../core/link/link.ts";
import { Inbox } from "../support/inbox.ts";

/** A network of the test's own. */
export interface LinkRig extends AsyncDisposable {
  readonly network: LinkNetwork;
  /** Cuts every connection, as a pulled cable's reset does. */
  cut(): Promise<void>;
}

interface Ends extends AsyncDisposable {
  readonly gateway: Link;
  readonly agent: Link;
}

interface HeardStream {
  readonly stream: LinkStream;
  readonly frames: Inbox<string>;
  readonly ends: Inbox<StreamEnd>;
  readonly credits: Inbox<number>;
}

const never = new AbortController().signal;
const bytes = (content: string) => new TextEncoder().encode(content);

async function connected(rig: LinkRig): Promise<Ends> {
  const agents = new Inbox<Link>();
  const listener = await rig.network.listen(agents.put);
  const gateway = await rig.network.dial(listener.address, never);
  const [agent] = await agents.until(1);
  if (agent === undefined) throw new Error("nobody dialed");
  return { gateway, agent, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
}

function heard(stream: LinkStream): HeardStream {
  const [frames, ends, credits] = [new Inbox<string>(), new Inbox<StreamEnd>(), new Inbox<number>()];
  const frame = (payload: Uint8Array) => {
    expect(Object.getPrototypeOf(payload), "no Buffer, whose methods do otherwise").toBe(Uint8Array.prototype);
    frames.put(new TextDecoder().decode(payload));
  };
  stream.listen({ frame, ended: ends.put, writable: credits.put });
  return { stream, frames, ends, credits };
}

/** Both ends of stream `number`, both listening. */
function pair({ gateway, agent }: Ends, number: number): { readonly up: HeardStream; readonly down: HeardStream } {
  return { up: heard(gateway.open(number, "tokens")), down: heard(agent.open(number, "tokens")) };
}

export function linkContract(open: () => Promise<LinkRig>): void {
  test("both ends know one session, and no two connections share one", async () => {
    await using rig = await open();
    await using first = await connected(rig);
    await using second = await connected(rig);
    expect(first.gateway.session).toBe(first.agent.session);
    expect(second.gateway.session).not.toBe(first.gateway.session);
  });

  test("dialing where nobody listens fails with UNAVAILABLE, and an aborted dial with the reason", async () => {
    await using rig = await open();
    const listener = await rig.network.listen(() => {});
    await listener[Symbol.asyncDispose]();
    await expect(rig.network.dial(listener.address, never)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    const reason = new Error("changed my mind");
    await expect(rig.network.dial(listener.address, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test("frames arrive whole and in order, both ways, never within write", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    for (let frame = 0; frame < 50; frame++) {
      up.stream.write(bytes(`up ${frame}`));
      down.stream.write(bytes(`down ${frame}`));
    }
    expect([...up.frames.items, ...down.frames.items]).toEqual([]);
    expect(await down.frames.until(50)).toEqual(Array.from({ length: 50 }, (_, frame) => `up ${frame}`));
    expect(await up.frames.until(50)).toEqual(Array.from({ length: 50 }, (_, frame) => `down ${frame}`));
  });

  test("a frame for a stream that this end has not opened is announced once and kept for its listener", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const announced: number[] = [];
    const opened = new Inbox<HeardStream>();
    ends.agent.onStream((number) => {
      announced.push(number);
      opened.put(heard(ends.agent.open(number, "tokens")));
    });
    const up = heard(ends.gateway.open(7, "tokens"));
    up.stream.write(bytes("one"));
    up.stream.write(bytes("two"));
    const [down] = await opened.until(1);
    expect(await down?.frames.until(2)).toEqual(["one", "two"]);
    expect(announced).toEqual([7]);
  });

  test("a stream that nobody opens is reset", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    ends.agent.onStream(() => {});
    const up = heard(ends.gateway.open(7, "tokens"));
    up.stream.write(bytes("anyone?"));
    expect(await up.ends.until(1)).toMatchObject([{ kind: "reset" }]);
  });

  test("a reset that overtakes the opening is announced, and tells the stream's listener at once", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const announced = new Inbox<HeardStream>();
    ends.agent.onStream((number) => announced.put(heard(ends.agent.open(number, "tokens"))));
    ends.gateway.open(3, "tokens").reset("changed my mind");
    const [down] = await announced.until(1);
    expect(await down?.ends.until(1)).toEqual([{ kind: "reset", reason: "changed my mind" }]);
    down?.stream.write(bytes("dropped"));
  });

  test("a writer has credit for so many frames of its kind and not one more", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    for (const [kind, number] of [
      ["tokens", 1],
      ["tensor", 2],
    ] as const) {
      const stream = ends.agent.open(number, kind);
      ends.gateway.open(number, kind);
      expect(stream.credit).toBe(STREAM_CREDIT[kind]);
      for (let frame = 0; frame < STREAM_CREDIT[kind]; frame++) stream.write(bytes("."));
      expect(stream.credit).toBe(0);
      expect(() => stream.write(bytes("."))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    }
  });

  test("what was consumed may be written again, and only that", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    for (let frame = 0; frame < STREAM_CREDIT.tokens; frame++) down.stream.write(bytes("."));
    await up.frames.until(STREAM_CREDIT.tokens);
    up.stream.consumed(32);
    expect((await down.credits.until(1)).at(-1)).toBe(32);
    for (let frame = 0; frame < 32; frame++) down.stream.write(bytes("."));
    expect(down.stream.credit).toBe(0);
    await up.frames.until(STREAM_CREDIT.tokens + 32);
  });

  test("a frame of the limit passes, a larger one is refused where it is written", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    expect(() => down.stream.write(new Uint8Array(FRAME_BYTES_MAX + 1))).toThrow(expect.objectContaining({ code: "RESOURCE_EXHAUSTED" }));
    down.stream.write(new Uint8Array(FRAME_BYTES_MAX).fill(65));
    expect((await up.frames.until(1))[0]).toHaveLength(FRAME_BYTES_MAX);
  });

  test("a stream ends when both sides have said all, and each is told once, after the last frame", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    down.stream.write(bytes("last"));
    down.stream.end();
    await up.frames.until(1);
    expect(up.ends.items).toEqual([]);
    up.stream.write(bytes("still open this way"));
    up.stream.end();
    expect(await up.ends.until(1)).toEqual([{ kind: "end" }]);
    expect(await down.ends.until(1)).toEqual([{ kind: "end" }]);
    expect(down.frames.items).toEqual(["still open this way"]);
  });

  test("a reset stops both directions at once and overtakes what waits", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    const other = pair(ends, 2);
    for (let frame = 0; frame < 40; frame++) up.stream.write(new Uint8Array(FRAME_BYTES_MAX));
    up.stream.reset("enough");
    expect(await down.ends.until(1)).toEqual([{ kind: "reset", reason: "enough" }]);
    expect(down.frames.items).toEqual([]);
    down.stream.write(bytes("dropped"));
    other.down.stream.write(bytes("the other stream goes on"));
    await other.up.frames.until(1);
    expect(up.frames.items).toEqual([]);
    expect(up.ends.items).toEqual([]);
  });

  test("a number is never used twice: opening a stream that is over tells so", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    up.stream.reset("done");
    await down.ends.until(1);
    expect(heard(ends.agent.open(1, "tokens")).ends.items).toMatchObject([{ kind: "reset" }]);
  });

  test("a long stream leaves room for a short one", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const long = pair(ends, 1);
    const short = pair(ends, 2);
    const order = new Inbox<string>();
    long.up.stream.listen({ frame: () => order.put("long"), ended: () => {} });
    short.up.stream.listen({ frame: () => order.put("short"), ended: () => {} });
    for (let frame = 0; frame < STREAM_CREDIT.tokens; frame++) long.down.stream.write(new Uint8Array(FRAME_BYTES_MAX));
    short.down.stream.write(bytes("."));
    const arrived = await order.until(STREAM_CREDIT.tokens + 1);
    expect(arrived.indexOf("short")).toBeLessThan(8);
  });

  test("a cut connection ends every stream as lost and resolves `closed` at both ends", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    await rig.cut();
    expect(await ends.gateway.closed).not.toBe("");
    expect(await ends.agent.closed).not.toBe("");
    expect(await up.ends.until(1)).toEqual([{ kind: "lost" }]);
    expect(await down.ends.until(1)).toEqual([{ kind: "lost" }]);
    expect(heard(ends.gateway.open(2, "tokens")).ends.items).toEqual([{ kind: "lost" }]);
    up.stream.write(bytes("dropped"));
  });

  test("closing brings what was written to the peer first", async () => {
    await using rig = await open();
    await using ends = await connected(rig);
    const { up, down } = pair(ends, 1);
    up.stream.write(bytes("goodbye"));
    ends.gateway.close();
    expect(await down.frames.until(1)).toEqual(["goodbye"]);
    expect(await down.ends.until(1)).toEqual([{ kind: "lost" }]);
    await ends.agent.closed;
    await ends.gateway.closed;
  });
}
