/** What a gateway knows of nodes and replicas, folded from heartbeats. Pure: the caller says what time it is. */
import { type NodeId, nodeId } from "../../core/ids.ts";
import type { Heartbeat, ModelReport, ReplicaReport, ShardReport } from "../../core/messages/heartbeat.ts";

/** A node whose last heartbeat is older than this is taken for dead. */
export const NODE_SILENCE_MS = 3_000;

export interface NodeView {
  readonly node: NodeId;
  readonly heardAtMs: number;
  readonly heartbeat: Heartbeat;
  /** It is to be left, as it says itself or as somebody wants it: it gets nothing, and what it has moves away. */
  readonly leaving: boolean;
}

/** A shard and where it is. */
export interface ShardView extends ShardReport {
  readonly node: NodeId;
}

/** A replica as its lead reports it, and where to send its requests. */
export interface ReplicaView extends ReplicaReport {
  readonly node: NodeId;
  /** The lead's link address. */
  readonly link: string;
  /** What the lead's CPU is. */
  readonly cpu: string;
  /** The lead's node is. */
  readonly leaving: boolean;
}

/** A version of a whole model, and where to send its requests. */
export interface ModelOnNode extends ModelReport {
  readonly node: NodeId;
  /** Of the node's agent: another one for each start. */
  readonly incarnation: string;
  readonly link: string;
  /** The node is. */
  readonly leaving: boolean;
}

export class Fleet {
  readonly #nodes = new Map<NodeId, NodeView>();
  /** Nodes that somebody wants to be left, here or not. */
  #left: ReadonlySet<string> = new Set();
  #revision = 0;

  /** Counts up with every change: what was made of the fleet holds while it stays the same. */
  get revision(): number {
    return this.#revision;
  }

  /** @returns false when the heartbeat is older than one already heard, or a copy of it. */
  hear(heartbeat: Heartbeat, nowMs: number): boolean {
    const node = nodeId(heartbeat.node);
    const known = this.#nodes.get(node)?.heartbeat;
    if (known !== undefined && known.incarnation === heartbeat.incarnation && known.sequence >= heartbeat.sequence) return false;
    if (heartbeat.gone === true) return this.forget(node);
    this.#nodes.set(node, { node, heardAtMs: nowMs, heartbeat, leaving: this.#isLeft(node, heartbeat) });
    this.#revision += 1;
    return true;
  }

  /** These nodes, and no others, are wanted to be left. */
  leave(left: ReadonlySet<string>): void {
    this.#left = left;
    for (const view of this.#nodes.values()) this.#nodes.set(view.node, { ...view, leaving: this.#isLeft(view.node, view.heartbeat) });
    this.#revision += 1;
  }

  #isLeft(node: NodeId, { draining }: Heartbeat): boolean {
    return draining === true || this.#left.has(node);
  }

  node(node: NodeId): NodeView | undefined {
    return this.#nodes.get(node);
  }

  /** @returns whether it was known */
  forget(node: NodeId): boolean {
    const known = this.#nodes.delete(node);
    if (known) this.#revision += 1;
    return known;
  }

  /** Forgets the nodes that have been silent too long, and returns them. */
  expire(nowMs: number): readonly NodeId[] {
    const silent = [...this.#nodes.values()].filter((view) => nowMs - view.heardAtMs > NODE_SILENCE_MS).map((view) => view.node);
    for (const node of silent) this.#nodes.delete(node);
    if (silent.length > 0) this.#revision += 1;
    return silent;
  }

  /** By node id. */
  nodes(): readonly NodeView[] {
    return [...this.#nodes.values()].toSorted((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** The highest that any node obeys. */
  fence(): number {
    return Math.max(0, ...this.nodes().map(({ heartbeat }) => heartbeat.fence ?? 0));
  }

  shards(): readonly ShardView[] {
    return this.nodes().flatMap(({ node, heartbeat }) => heartbeat.shards.map((shard) => ({ ...shard, node })));
  }

  models(): readonly ModelOnNode[] {
    return this.nodes().flatMap(({ node, leaving, heartbeat: { incarnation, link, models } }) =>
      models.map((model) => ({ ...model, node, incarnation, link, leaving })),
    );
  }

  replicas(): readonly ReplicaView[] {
    return this.nodes().flatMap(({ node, leaving, heartbeat: { link, cpu, replicas } }) =>
      replicas.map((replica) => ({ ...replica, node, link, cpu, leaving })),
    );
  }
}
