/**
 * Loads on models whose requests are steps of sequences: each client has one sequence at a time, under an id of its own, and sends its
 * steps one behind the other. Every step is prepared for each client, once for each place in a sequence. Pure but for what is open.
 */
import type { InferRequest } from "../client/infer-request.ts";
import { ServingError } from "../core/errors.ts";
import type { RequestOrder } from "./request-order.ts";

export interface SequenceOptions {
  /** Requests of a sequence; undefined: 20, or as many as data is given for. */
  readonly length: number | undefined;
  /** By how many percent of it lengths differ, either way. */
  readonly variationPercent: number;
  /** From the first id to the last, `end` excluded; undefined: without end. */
  readonly ids: { readonly start: number; readonly end: number | undefined };
  /** Sequences at once of a load that sends so many requests a second. */
  readonly atOnce: number;
}

const LENGTH = 20;
/** In the middle, at the start, at the end, and both: a sequence of one. */
const PLACES = 4;
const [START, END] = [1, 2];

/** @throws ServingError INVALID_ARGUMENT when there are fewer ids than clients */
export function sequenceRequests(
  steps: readonly InferRequest[],
  clients: number,
  { ids: { start, end } }: SequenceOptions,
): readonly InferRequest[] {
  if (end !== undefined && end - start < clients) {
    const text = `--sequence-id-range ${start}:${end} has ${end - start} ids for ${clients} sequences at once: give more`;
    throw new ServingError("INVALID_ARGUMENT", text);
  }
  const places = Array.from({ length: PLACES }, (_, place) => ({ start: (place & START) !== 0, end: (place & END) !== 0 }));
  return Array.from({ length: clients }, (_, client) =>
    steps.flatMap((step) => places.map((place) => ({ ...step, sequence: { id: start + client, ...place } }))),
  ).flat();
}

/** The steps that data is given for, one list of them for a sequence. */
interface Stream {
  /** The place of its first among all of them. */
  readonly from: number;
  readonly length: number;
}

interface OpenSequence {
  readonly stream: Stream;
  readonly length: number;
  sent: number;
}

export class SequenceOrder implements RequestOrder {
  readonly takesTurns = true;
  readonly #options: SequenceOptions;
  readonly #streams: readonly Stream[];
  readonly #steps: number;
  readonly #chance: () => number;
  readonly #open = new Map<number, OpenSequence>();
  #begun = 0;

  /** @param streams how many steps each has; sequences take them in turn; undefined: one step, over and over @param chance in [0, 1) */
  constructor(options: SequenceOptions, streams: readonly number[] | undefined, chance: () => number) {
    const placed: Stream[] = [];
    let from = 0;
    for (const length of streams ?? [1]) {
      placed.push({ from, length });
      from += length;
    }
    this.#streams = placed;
    this.#steps = from;
    this.#options = streams === undefined ? { ...options, length: options.length ?? LENGTH } : options;
    this.#chance = chance;
  }

  next(client: number): number {
    const sequence = this.#open.get(client) ?? this.#begin(client);
    return this.#send(client, sequence, sequence.sent + 1 === sequence.length);
  }

  failed(client: number): void {
    this.#open.delete(client);
  }

  last(client: number): number | undefined {
    const sequence = this.#open.get(client);
    return sequence && this.#send(client, sequence, true);
  }

  #begin(client: number): OpenSequence {
    const stream = this.#streams[this.#begun++ % this.#streams.length] ?? { from: 0, length: 1 };
    const sequence = { stream, length: this.#length(stream), sent: 0 };
    this.#open.set(client, sequence);
    return sequence;
  }

  /** Given data without a length says how long a sequence is. */
  #length(stream: Stream): number {
    const { length, variationPercent } = this.#options;
    if (length === undefined) return stream.length;
    const spread = (length * variationPercent) / 100;
    return Math.max(1, Math.round(length - spread + 2 * spread * this.#chance()));
  }

  #send(client: number, sequence: OpenSequence, isEnd: boolean): number {
    const { stream, sent } = sequence;
    const step = stream.from + (sent % stream.length);
    const place = (sent === 0 ? START : 0) + (isEnd ? END : 0);
    sequence.sent += 1;
    if (isEnd) this.#open.delete(client);
    return (client * this.#steps + step) * PLACES + place;
  }
}
