/**
 * Hears every known node's heartbeats over its link too, and brings it control messages there: while the broker is away, the fleet
 * is known and led over the links. A node whose link is lost, that cannot be dialed and is not heard from is taken for dead at once.
 */
import type { Clock } from "../../core/clock.ts";
import { sleep } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import { HEARTBEAT_END } from "../../core/messages/node-watch.ts";
import type { Logger } from "../../core/telemetry/logger.ts";
import type { AnswerStream } from "../serving/answer-stream.ts";
import type { NodeTarget } from "../serving/link-pool.ts";
import type { Submitter } from "../serving/submit.ts";
import type { Fleet } from "./fleet.ts";
import type { FleetWatch } from "./fleet-watch.ts";

const RETRY_MS = 500;
const HEARTBEAT_BYTES_MAX = 16 * 1024 * 1024;

export interface NodeWatchDeps {
  readonly bus: { readonly connected: boolean };
  readonly watch: FleetWatch;
  readonly submitter: Pick<Submitter, "submit">;
  /** Called when `hearing` has changed. */
  readonly onHearing?: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NodeWatch implements Disposable {
  readonly #deps: NodeWatchDeps;
  /** Where each node is that is being watched; kept while the broker is away, though the node has been silent. */
  readonly #targets = new Map<NodeId, NodeTarget>();
  readonly #closing = new AbortController();
  #hearing = 0;
  readonly #unwatch: () => void;

  constructor(deps: NodeWatchDeps) {
    this.#deps = deps;
    this.#unwatch = deps.watch.onChange((fleet) => this.#look(fleet));
  }

  /** Nodes that are heard over their links. */
  get hearing(): number {
    return this.#hearing;
  }

  /** Over the link. What does not arrive is said again by placement, as on the bus. */
  tell(node: NodeId, control: Uint8Array): void {
    const target = this.#targets.get(node);
    if (target === undefined) return;
    this.#tell(target, control).catch((thrown: unknown) => {
      if (!this.#closing.signal.aborted) this.#deps.logger.debug({ err: ServingError.from(thrown), node }, "a node could not be told");
    });
  }

  [Symbol.dispose](): void {
    this.#unwatch();
    this.#closing.abort(new ServingError("CANCELLED", "the gateway is shutting down"));
  }

  #look(fleet: Fleet): void {
    for (const { node, heartbeat } of fleet.nodes()) {
      const known = this.#targets.has(node);
      this.#targets.set(node, { node, link: heartbeat.link });
      if (!known) this.#follow(node).catch(() => {}); // it ends when the gateway does
    }
  }

  async #follow(node: NodeId): Promise<void> {
    const { bus, watch, clock } = this.#deps;
    while (watch.fleet.node(node) !== undefined || !bus.connected) {
      const before = watch.fleet.node(node)?.heartbeat;
      const end = await this.#listen(node);
      if (end === "lost") continue;
      if (end === "unreachable" && before !== undefined && watch.fleet.node(node)?.heartbeat === before) watch.lost(node);
      await sleep(clock, RETRY_MS, this.#closing.signal);
    }
    this.#targets.delete(node);
  }

  /** Until the link is lost, or the node is not to be heard at all. */
  async #listen(node: NodeId): Promise<"lost" | "refused" | "unreachable"> {
    const target = this.#targets.get(node);
    if (target === undefined) return "unreachable";
    let end: "lost" | "refused" = "refused";
    try {
      const submission = await this.#deps.submitter.submit({ kind: "watch" }, target, this.#closing.signal);
      if (submission.kind !== "accepted") return submission.kind;
      end = "lost";
      using answers = submission.answers;
      this.#count(1);
      await this.#hear(answers).finally(() => this.#count(-1));
    } catch (thrown) {
      this.#closing.signal.throwIfAborted();
      this.#deps.logger.debug({ err: ServingError.from(thrown), node }, "a node is not heard over its link");
    }
    return end;
  }

  #count(change: 1 | -1): void {
    this.#hearing += change;
    this.#deps.onHearing?.();
  }

  async #hear(answers: AnswerStream): Promise<void> {
    let parts: Uint8Array[] = [];
    let length = 0;
    for (let frames = await answers.pull(); frames.length > 0; frames = await answers.pull()) {
      for (const frame of frames) {
        if (frame.kind !== "part") throw new ServingError("INTERNAL", `a node answered with ${frame.kind} instead of heartbeats`);
        parts.push(frame.bytes);
        length += frame.bytes.byteLength;
        if (length > HEARTBEAT_BYTES_MAX) throw new ServingError("RESOURCE_EXHAUSTED", "a heartbeat is too long");
        if (frame.bytes.at(-1) !== HEARTBEAT_END) continue;
        this.#deps.watch.hear(Buffer.concat(parts).subarray(0, -1));
        parts = [];
        length = 0;
      }
    }
  }

  async #tell(target: NodeTarget, control: Uint8Array): Promise<void> {
    const submission = await this.#deps.submitter.submit({ kind: "control", control }, target, this.#closing.signal);
    if (submission.kind === "accepted") submission.answers.end();
  }
}
