/**
 * Frames between an agent and the runner of a whole model. Both are one program's parts on one host: there is no version and no
 * checksum, and sizes are checked only so that a mistake is seen at once. Pure.
 *
 * | bytes | field |
 * | --- | --- |
 * | 0–3 | kind |
 * | 4–7 | number: which request this is, or answers |
 * | 8–11 | bytes of the head: what the payload is |
 * | 12–15 | bytes of the payload: tensors, one after another; none where they lie in memory that both share |
 */
import { Buffer } from "node:buffer";
import { ServingError } from "../errors.ts";

/**
 * From the agent: `open`, `execute`, `cancel` (the execution of this number). Back: `opened`, `result`, `failed`. Between an agent and a
 * Python model (`core/messages/python-runner.ts`; its end is `node-agent/runners/python/nereid_runner/channel.py`) also `answer`, `call`,
 * `room`, `log` and `metrics`.
 */
export const MODEL_FRAME_KINDS = [
  "open",
  "execute",
  "cancel",
  "opened",
  "result",
  "failed",
  "answer",
  "call",
  "room",
  "log",
  "metrics",
  "control",
] as const;
export type ModelFrameKind = (typeof MODEL_FRAME_KINDS)[number];

export interface ModelFrameHead {
  readonly kind: ModelFrameKind;
  readonly number: number;
  /** Perhaps a view of what arrived: to be read before the call that gives it returns. Empty after `room` took it. */
  readonly head: Uint8Array;
  readonly payloadBytes: number;
}

export interface ModelFrameListener {
  /**
   * Where the payload goes: arrays that together have its size, filled in order; `pieces`: nowhere, it is given as views of the chunks
   * that it came in, which must stay as they are; undefined: it is given in one piece.
   * @throws ServingError when the head makes no sense
   */
  room(frame: ModelFrameHead): readonly Uint8Array[] | "pieces" | undefined;
  /** @param payload its pieces, perhaps views of what arrived; none when it had a room */
  frame(frame: ModelFrameHead, payload: readonly Uint8Array[]): void;
}

export const MODEL_HEADER_BYTES = 16;
/** Of all tensors of a batch together. */
export const MODEL_PAYLOAD_BYTES_MAX = 2 ** 31 - 1;
const HEAD_BYTES_MAX = 2 ** 24;
const NOTHING = new Uint8Array();
const NO_PIECES: readonly Uint8Array[] = [];

/** Header and head of a frame, with `room` bytes behind them for a payload that is to travel in the same piece. */
export function modelFrame(frame: Omit<ModelFrameHead, "payloadBytes">, payloadBytes: number, room: number): Buffer {
  const bytes = Buffer.allocUnsafe(MODEL_HEADER_BYTES + frame.head.byteLength + room);
  bytes.writeUInt32LE(MODEL_FRAME_KINDS.indexOf(frame.kind), 0);
  bytes.writeUInt32LE(frame.number, 4);
  bytes.writeUInt32LE(frame.head.byteLength, 8);
  bytes.writeUInt32LE(payloadBytes, 12);
  bytes.set(frame.head, MODEL_HEADER_BYTES);
  return bytes;
}

type Stage =
  | { readonly kind: "header" }
  | { readonly kind: "head"; readonly frame: Omit<ModelFrameHead, "head">; readonly headBytes: number }
  | { readonly kind: "whole"; readonly frame: ModelFrameHead }
  | { readonly kind: "pieces"; readonly frame: ModelFrameHead; readonly pieces: Uint8Array[]; left: number }
  /** The payload goes to these arrays; the first of them has `filled` bytes. */
  | { readonly kind: "rooms"; readonly frame: ModelFrameHead; readonly rooms: Uint8Array[]; filled: number };

const HEADER: Stage = { kind: "header" };

/** Cuts a stream of chunks into frames. After it has thrown, the stream has no meaning any more: close it. */
export class ModelFrameParser {
  readonly #listener: ModelFrameListener;
  #stage: Stage = HEADER;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** A piece that did not arrive whole, and how much of it has. */
  #collected: Uint8Array | undefined;
  #filled = 0;
  /** The listener has views of the chunk, or will get some. */
  #gave = false;

  constructor(listener: ModelFrameListener) {
    this.#listener = listener;
  }

  /**
   * @returns whether the listener has views of it now or will get some, which it may keep
   * @throws ServingError DATA_LOSS when the bytes are no frames; what the listener throws
   */
  push(chunk: Uint8Array): boolean {
    this.#chunk = chunk;
    this.#at = 0;
    this.#gave = false;
    while (this.#advance()) {}
    this.#chunk = NOTHING;
    return this.#gave;
  }

  /** @returns false: more bytes are needed */
  #advance(): boolean {
    const stage = this.#stage;
    switch (stage.kind) {
      case "header": {
        const header = this.#gather(MODEL_HEADER_BYTES);
        if (header !== undefined) this.#stage = readHeader(header);
        return header !== undefined;
      }
      case "head": {
        const head = this.#gather(stage.headBytes);
        if (head !== undefined) this.#begin({ ...stage.frame, head });
        return head !== undefined;
      }
      case "whole": {
        const payload = this.#gather(stage.frame.payloadBytes);
        if (payload !== undefined) this.#gave = true;
        if (payload !== undefined) this.#give(stage.frame, [payload]);
        return payload !== undefined;
      }
      case "pieces":
        return this.#collect(stage);
      case "rooms":
        return this.#fill(stage);
    }
  }

  #begin(frame: ModelFrameHead): void {
    const rooms = this.#listener.room(frame);
    if (rooms === undefined || rooms === "pieces") this.#gave = true; // the head stays a view until the payload is here
    if (rooms === undefined) this.#stage = { kind: "whole", frame };
    else if (rooms === "pieces") this.#stage = { kind: "pieces", frame, pieces: [], left: frame.payloadBytes };
    else {
      const bytes = rooms.reduce((sum, room) => sum + room.byteLength, 0);
      if (bytes !== frame.payloadBytes) damaged(`has ${frame.payloadBytes} bytes of tensors where ${bytes} belong`);
      // The head is a view of a chunk that may be used again before the payload is here: `room` was its one reader.
      this.#stage = { kind: "rooms", frame: { ...frame, head: NOTHING }, rooms: [...rooms], filled: 0 };
    }
  }

  #fill(stage: Extract<Stage, { readonly kind: "rooms" }>): boolean {
    const [room] = stage.rooms;
    if (room === undefined) {
      this.#give(stage.frame, NO_PIECES);
      return true;
    }
    const part = this.#chunk.subarray(this.#at, this.#at + room.byteLength - stage.filled);
    room.set(part, stage.filled);
    this.#at += part.byteLength;
    stage.filled += part.byteLength;
    if (stage.filled < room.byteLength) return false;
    stage.rooms.shift();
    stage.filled = 0;
    return true;
  }

  #collect(stage: Extract<Stage, { readonly kind: "pieces" }>): boolean {
    const piece = this.#skip(Math.min(stage.left, this.#chunk.byteLength - this.#at));
    if (piece.byteLength > 0) {
      stage.pieces.push(piece);
      this.#gave = true;
    }
    stage.left -= piece.byteLength;
    if (stage.left === 0) this.#give(stage.frame, stage.pieces);
    return this.#stage !== stage;
  }

  #give(frame: ModelFrameHead, payload: readonly Uint8Array[]): void {
    this.#stage = HEADER;
    this.#listener.frame(frame, payload);
  }

  /** The next bytes in one piece: a view of the chunk when they are all in it. undefined: they are not all here. */
  #gather(count: number): Uint8Array | undefined {
    const available = this.#chunk.byteLength - this.#at;
    if (this.#collected === undefined) {
      if (available >= count) return this.#skip(count);
      if (available === 0) return undefined;
      this.#collected = Buffer.allocUnsafeSlow(count);
      this.#filled = 0;
    }
    const part = this.#skip(Math.min(available, count - this.#filled));
    this.#collected.set(part, this.#filled);
    this.#filled += part.byteLength;
    if (this.#filled < count) return undefined;
    const piece = this.#collected;
    this.#collected = undefined;
    return piece;
  }

  #skip(count: number): Uint8Array {
    this.#at += count;
    return this.#chunk.subarray(this.#at - count, this.#at);
  }
}

/** What is to come. */
function readHeader(bytes: Uint8Array): Stage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = MODEL_FRAME_KINDS[view.getUint32(0, true)];
  const headBytes = view.getUint32(8, true);
  const payloadBytes = view.getUint32(12, true);
  if (kind === undefined) damaged(`is of unknown kind ${view.getUint32(0, true)}`);
  if (headBytes > HEAD_BYTES_MAX) damaged(`has a head of ${headBytes} bytes, at most ${HEAD_BYTES_MAX} are taken`);
  if (payloadBytes > MODEL_PAYLOAD_BYTES_MAX) damaged(`has ${payloadBytes} bytes of tensors, at most ${MODEL_PAYLOAD_BYTES_MAX} are taken`);
  return { kind: "head", frame: { kind, number: view.getUint32(4, true), payloadBytes }, headBytes };
}

function damaged(why: string): never {
  throw new ServingError("DATA_LOSS", `a frame between an agent and a runner ${why}`, { reason: "bad_frame" });
}
