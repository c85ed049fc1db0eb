/** Who may speak over the wire where it has TLS, and what those hear who may not. */
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServingError } from "../../core/errors.ts";
import type { Certificates, MutualTls } from "../../core/mutual-tls.ts";
import { parseAddress } from "../../core/wire/address.ts";
import { type Connection, dial, type Listening, listen } from "../../core/wire/connection.ts";
import { Inbox } from "../support/inbox.ts";
import { type SelfSigned, selfSigned } from "../support/self-signed.ts";

const NEVER = new AbortController().signal;
const [ours, theirs, expired] = [selfSigned("ours"), selfSigned("theirs"), selfSigned("expired", "20210101000000Z")];
const believing = (own: SelfSigned, ...believed: readonly SelfSigned[]): Certificates => ({
  ...own,
  ca: believed.map(({ cert }) => cert).join(""),
});
const mutual = (certificates: Certificates): MutualTls => ({ certificates, refused: () => {} });

class Listener implements AsyncDisposable {
  readonly connections = new Inbox<Connection>();
  readonly refusals = new Inbox<ServingError>();
  certificates = believing(ours, ours, expired);
  #listening: Listening | undefined;

  async open(): Promise<this> {
    const own = this;
    const tls: MutualTls = {
      get certificates() {
        return own.certificates;
      },
      refused: this.refusals.put,
    };
    this.#listening = await listen("tls:127.0.0.1:0", { payloadBytesMax: 100, tls }, this.connections.put);
    return this;
  }

  get address(): string {
    return this.#listening?.address ?? "";
  }

  get port(): number {
    const address = parseAddress(this.address);
    return address.kind === "unix" ? 0 : address.port;
  }

  dial(certificates: Certificates): Promise<Connection> {
    return dial(this.address, { payloadBytesMax: 1_000, tls: mutual(certificates) }, NEVER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.connections.items) connection.close();
    await this.#listening?.[Symbol.asyncDispose]();
  }
}

let listener: Listener;
beforeEach(async () => {
  listener = await new Listener().open();
});
afterEach(() => listener[Symbol.asyncDispose]());

const whyGone = (connection: Connection): Promise<ServingError> => {
  const { promise, resolve } = Promise.withResolvers<ServingError>();
  connection.listener = { frame: () => expect.unreachable("nobody speaks"), gone: resolve };
  return promise;
};

test.each([
  ["another authority has signed", theirs, "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ["has expired", expired, "CERT_HAS_EXPIRED"],
])("a peer whose certificate %s is refused, and both ends hear why", async (_, own, code) => {
  const connection = await listener.dial(believing(own, ours));
  expect((await whyGone(connection)).message).toContain(`this peer was refused: its certificate is not believed (${code})`);
  const [refusal] = await listener.refusals.until(1);
  expect(refusal?.message).toMatch(`a peer at 127.0.0.1 was refused: its certificate is not believed (${code})`);
  expect(listener.connections.items).toEqual([]);
});

test("a peer without a certificate is refused", async () => {
  const socket = tls.connect({ host: "127.0.0.1", port: listener.port, ca: ours.cert });
  const [refusal] = await listener.refusals.until(1);
  expect(refusal?.message).toContain("its certificate is not believed");
  await once(socket.resume(), "close");
  expect(listener.connections.items).toEqual([]);
});

test("a peer that speaks in clear is refused", async () => {
  const socket = net.connect(listener.port, "127.0.0.1", () => socket.write("a frame of the wire in clear, thirty-two bytes or more"));
  const [refusal] = await listener.refusals.until(1);
  expect(refusal?.message).toMatch(/a peer at .* was refused: it has no TLS with us/);
  await once(socket.resume(), "close");
  expect(listener.connections.items).toEqual([]);
});

test.each([
  ["another authority has signed", "127.0.0.1", theirs, /no TLS with tls:127\.0\.0\.1:\d+: self-signed certificate/],
  ["is for another host", "127.0.0.2", ours, /no TLS with tls:127\.0\.0\.2:\d+: .*altnames/],
])("a listener whose certificate %s is not spoken to", async (_, host, believed, why) => {
  const options = (certificates: Certificates) => ({ payloadBytesMax: 100, tls: mutual(certificates) });
  await using there = await listen(`tls:${host}:0`, options(believing(ours, ours)), (taken) => taken.close());
  await expect(dial(there.address, options(believing(ours, believed)), NEVER)).rejects.toThrow(why);
});

test("without certificates nobody dials or listens with TLS, and with them no other machine is dialed in clear", async () => {
  const plain = { payloadBytesMax: 100 };
  await expect(dial(listener.address, plain, NEVER)).rejects.toThrow(
    /asks for TLS, which is not set up here: give every agent --link-tls-ca/,
  );
  await expect(listen("tls:127.0.0.1:0", plain, () => {})).rejects.toThrow("needs certificates");
  const own = { payloadBytesMax: 100, tls: mutual(believing(ours, ours)) };
  await expect(dial("tcp:192.0.2.1:9", own, NEVER)).rejects.toThrow(/talks in clear, which is refused .* give every agent/);
});

test("renewed certificates are those of the next connection, and connections that are there go on", async () => {
  const before = await listener.dial(believing(ours, ours));
  const [accepted] = await listener.connections.until(1);
  listener.certificates = believing(theirs, theirs);
  await expect(listener.dial(believing(ours, ours))).rejects.toThrow("no TLS with");
  await listener.dial(believing(theirs, theirs));
  await listener.connections.until(2);
  const heard = new Inbox<number>();
  before.listener = { frame: ({ step }) => heard.put(step), gone: () => expect.unreachable("it goes on") };
  accepted?.send({ kind: "step", epoch: 1, step: 7 }, [new Uint8Array(3)]);
  expect(await heard.until(1)).toEqual([7]);
  before.close();
});
