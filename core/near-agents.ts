/**
 * The agents in a gateway's own process, as `nereid up` has them: an inference goes to such an agent as it is, without bus, link and
 * bytes. All else, and whatever the agent does not take, goes the way that it goes between processes.
 */
import type { NodeId } from "./ids.ts";
import type { InferSubmit } from "./messages/infer.ts";
import type { InferHandle, InferSink } from "./messages/infer-sink.ts";

export interface NearAgent {
  /**
   * Takes a request in; its one answer comes later, never before this returns.
   * @returns undefined: it takes none, or not for this replica
   * @throws ServingError when nothing has been executed: the request does not fit the model, or its queue is full
   */
  infer(submit: InferSubmit, sink: InferSink): InferHandle | undefined;
}

export class NearAgents {
  readonly #agents = new Map<NodeId, NearAgent>();

  add(node: NodeId, agent: NearAgent): void {
    this.#agents.set(node, agent);
  }

  delete(node: NodeId): void {
    this.#agents.delete(node);
  }

  find(node: NodeId): NearAgent | undefined {
    return this.#agents.get(node);
  }
}
