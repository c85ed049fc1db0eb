/** One link per node, dialed when first needed and again after a loss. */
import { deadlineSignal, untilAborted } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import type { Link, LinkNetwork } from "../../core/link/link.ts";
import { type AnswerNode, CallDesk } from "./call-desk.ts";

const DIAL_MS_MAX = 1_000;

/** Where a node's agent is. */
export interface NodeTarget {
  readonly node: NodeId;
  /** What its heartbeat says. */
  readonly link: string;
}

export interface PooledLink {
  readonly link: Link;
  /** Where requests that run there call models elsewhere. */
  readonly calls: CallDesk;
  /** Counts up: no stream of this link has had it. */
  takeNumber(): number;
  /** Submits that the node has not answered yet. */
  unanswered: number;
}

interface Entry {
  readonly address: string;
  readonly link: Promise<PooledLink>;
  /** Once it is there. */
  pooled: PooledLink | undefined;
}

export class LinkPool implements Disposable {
  readonly #links: LinkNetwork;
  readonly #clock: Clock;
  readonly #answerNode: AnswerNode | undefined;
  readonly #entries = new Map<NodeId, Entry>();
  readonly #closing = new AbortController();

  /** @param deps.answerNode answers what nodes ask on their own behalf; nothing unless it is given */
  constructor(deps: { readonly links: LinkNetwork; readonly clock: Clock; readonly answerNode?: AnswerNode | undefined }) {
    this.#links = deps.links;
    this.#clock = deps.clock;
    this.#answerNode = deps.answerNode;
  }

  /** The link to a node, if it is there already. */
  known({ node, link }: NodeTarget): PooledLink | undefined {
    const entry = this.#entries.get(node);
    return entry?.address === link ? entry.pooled : undefined;
  }

  /** @throws ServingError UNAVAILABLE when nobody answers; the signal's reason when it aborts first. */
  get(target: NodeTarget, signal: AbortSignal): Promise<PooledLink> {
    const known = this.#entries.get(target.node);
    if (known?.address === target.link) return untilAborted(known.link, signal);
    if (known !== undefined) this.#letGo(target.node, known);
    const entry: Entry = { address: target.link, link: this.#dial(target), pooled: undefined };
    this.#entries.set(target.node, entry);
    entry.link
      .then((pooled) => {
        entry.pooled = pooled;
        return pooled.link.closed;
      })
      .catch(() => {}) // the dial's failure is told to who asked for the link
      .finally(() => {
        if (this.#entries.get(target.node) === entry) this.#entries.delete(target.node);
      });
    return untilAborted(entry.link, signal);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("UNAVAILABLE", "the gateway is shutting down: try another"));
    for (const [node, entry] of [...this.#entries]) this.#letGo(node, entry);
  }

  async #dial({ node, link: address }: NodeTarget): Promise<PooledLink> {
    using limit = deadlineSignal(this.#clock, DIAL_MS_MAX, this.#closing.signal);
    let link: Link;
    try {
      link = await this.#links.dial(address, limit.signal);
    } catch (cause) {
      throw new ServingError("UNAVAILABLE", `node ${node} does not answer at ${address}: try again`, { cause });
    }
    let next = 1;
    return { link, calls: new CallDesk(link, this.#answerNode), takeNumber: () => next++, unanswered: 0 };
  }

  #letGo(node: NodeId, entry: Entry): void {
    this.#entries.delete(node);
    entry.link.then(({ link }) => link.close()).catch(() => {}); // told to who asked for the link
  }
}
