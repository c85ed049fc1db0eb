/**
 * Streams of server-sent events that a client may come back for: what it asks for in which header, and the id of each event. An id is
 * the generation's, then for each choice that has begun its number and the position up to which the client has it. Pure.
 */
import { ServingError } from "../../core/errors.ts";
import type { TextEvent } from "../serving/generation/text-generation.ts";
import type { HttpRequest } from "./route.ts";

const ID = /^([A-Za-z0-9]{1,64})((?:\.\d{1,3}\.\d{1,9})*)$/;

/** Where a client is in a stream. */
export interface StreamPlace {
  readonly generation: string;
  /** By choice; undefined: it has nothing. */
  readonly told: readonly number[] | undefined;
}

/** @throws ServingError INVALID_ARGUMENT for a value that is none */
export function asksResumable(request: Pick<HttpRequest, "header">): boolean {
  const value = request.header("x-nereid-resumable") ?? "false";
  if (value === "true" || value === "false") return value === "true";
  throw new ServingError("INVALID_ARGUMENT", `X-Nereid-Resumable is ${JSON.stringify(value.slice(0, 40))}: it may be true or false`);
}

/** undefined: the client has not come back. @throws ServingError INVALID_ARGUMENT */
export function lastEvent(request: Pick<HttpRequest, "header">): StreamPlace | undefined {
  const id = request.header("last-event-id");
  return id === undefined ? undefined : streamPlace("Last-Event-ID", id);
}

/** @param where the client has written it @throws ServingError INVALID_ARGUMENT */
export function streamPlace(where: string, id: string): StreamPlace {
  const [matched, generation, positions = ""] = ID.exec(id) ?? [];
  if (matched === undefined || generation === undefined) {
    throw new ServingError("INVALID_ARGUMENT", `${where} ${JSON.stringify(id.slice(0, 80))} is no id of an event of this server`);
  }
  const told: number[] = [];
  for (const [, choice, position] of positions.matchAll(/\.(\d+)\.(\d+)/g)) told[Number(choice)] = Number(position);
  return { generation, told };
}

/** Headers of a stream that may be resumed. */
export function resumableHeaders(generation: string): Readonly<Record<string, string>> {
  return { "x-nereid-generation": generation };
}

/** Gives the events of one stream their ids. */
export class EventIds {
  readonly #generation: string;
  readonly #told: number[];

  constructor({ generation, told = [] }: StreamPlace) {
    this.#generation = generation;
    this.#told = [...told];
  }

  /** @param frames the event's; the last of them gets its id @returns empty for what the client has */
  frames(event: TextEvent, frames: string): string {
    const id = this.after(event);
    if (id === undefined || frames === "") return "";
    const last = frames.lastIndexOf("\n\n", frames.length - 3) + 1;
    const at = last === 0 ? 0 : last + 1;
    return `${frames.slice(0, at)}id: ${id}\n${frames.slice(at)}`;
  }

  /** The event's id; undefined: the client has it. */
  after(event: TextEvent): string | undefined {
    if (event.kind !== "started") this.#told[event.choice] = Math.max(event.position, this.#told[event.choice] ?? -1);
    return event.told === true ? undefined : this.#id();
  }

  #id(): string {
    let id = this.#generation;
    for (const [choice, position] of this.#told.entries()) if (position !== undefined) id += `.${choice}.${position}`;
    return id;
  }
}
