import { describe, expect, test } from "vitest";
import { FRAME_BYTES_MAX, STREAM_CREDIT } from "../../../../core/link/link.ts";
import { sendWhole } from "../../../../core/link/send-whole.ts";
import { FakeClock, turns } from "../../../support/fake-clock.ts";
import { GatewayEnd, linkPair } from "../../node-agent/link-pair.ts";

async function send(bytes: Uint8Array, reads = true) {
  const { gateway, agent } = await linkPair(new FakeClock());
  const end = new GatewayEnd(gateway.open(1, "tokens"));
  end.reads = reads;
  sendWhole(agent.open(1, "tokens"), bytes);
  await turns(200);
  return end;
}

const received = (end: GatewayEnd) => Buffer.concat(end.frames.map((frame) => (frame.kind === "part" ? frame.bytes : Buffer.of())));

describe("an answer that is one whole", () => {
  test("arrives byte for byte in parts that fit a frame, and then the stream ends", async () => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
    const end = await send(bytes);
    expect(received(end).equals(bytes)).toBe(true);
    expect(end.frames.length).toBe(Math.ceil(bytes.byteLength / (FRAME_BYTES_MAX - 1)));
    end.stream.end();
    await turns();
    expect(end.end).toEqual({ kind: "end" });
  });

  test("waits for its reader when there is more than the credit allows", async () => {
    const bytes = new Uint8Array(FRAME_BYTES_MAX * (STREAM_CREDIT.tokens + 10));
    const end = await send(bytes, false);
    expect(end.frames.length).toBe(STREAM_CREDIT.tokens);
    end.reads = true;
    end.read();
    await turns(200);
    expect(received(end).byteLength).toBe(bytes.byteLength);
  });

  test("is not sent on when its reader resets the stream", async () => {
    const end = await send(new Uint8Array(FRAME_BYTES_MAX * (STREAM_CREDIT.tokens + 10)), false);
    end.stream.reset("enough");
    await turns(50);
    expect(end.frames.length).toBe(STREAM_CREDIT.tokens);
  });

  test("ends the stream even when it has no bytes", async () => {
    const end = await send(new Uint8Array(0));
    end.stream.end();
    await turns();
    expect(end.frames).toEqual([]);
    expect(end.end).toEqual({ kind: "end" });
  });
});
