/** Asks the nodes for model files that this gateway has not, the one that had the model's last first. */
import { deadlineSignal } from "../../core/abort.ts";
import type { Clock } from "../../core/clock.ts";
import { ServingError } from "../../core/errors.ts";
import type { NodeId } from "../../core/ids.ts";
import { decodeJson, encodeJson } from "../../core/messages/json-message.ts";
import { FILES_ANSWER_BYTES_MAX, FilesRequest, NameList } from "../../core/messages/model-files.ts";
import { answerFiles } from "../../core/repository/answer-files.ts";
import { askEach } from "../../core/repository/ask-each.ts";
import type { AskFiles } from "../../core/repository/peer.ts";
import type { Fleet } from "../control/fleet.ts";
import type { NodeTarget } from "./link-pool.ts";
import type { Submitter } from "./submit.ts";
import { wholeAnswer } from "./whole-answer.ts";

/** A node that does not list its models in time is left out. */
const NAMES_MS_MAX = 500;
const HOLDERS_MAX = 1_000;
const NOBODY = new ServingError("NOT_FOUND", "no node has the model's files", { reason: "model_not_found" });

export interface NodeFilesDeps {
  readonly fleet: Pick<Fleet, "nodes">;
  readonly submitter: () => Pick<Submitter, "submit">;
  readonly clock: Clock;
}

export class NodeFiles implements Disposable {
  readonly #deps: NodeFilesDeps;
  /** Who answered last, by model. */
  readonly #holders = new Map<string, NodeId>();
  readonly #closing = new AbortController();

  constructor(deps: NodeFilesDeps) {
    this.#deps = deps;
  }

  /** Names are those of all nodes together, of none when no node answers. */
  readonly ask: AskFiles = async (request) => {
    if (request.ask === "models") return encodeJson(await this.#names());
    const { model, source } = request;
    const key = `${model} ${source}`;
    const holder = this.#holders.get(key);
    const targets = this.#targets().toSorted((one, other) => Number(other.node === holder) - Number(one.node === holder));
    const ways = targets.map((target) => async () => {
      const answer = await this.#askNode(target, request, this.#closing.signal);
      if (this.#holders.size >= HOLDERS_MAX) this.#holders.clear();
      this.#holders.set(key, target.node);
      return answer;
    });
    return await askEach(ways, NOBODY);
  };

  /** What a node asks this gateway: it has the files itself, or passes the question on. @throws ServingError as `answerFiles` and `ask` */
  async answer(request: Uint8Array, own: Parameters<typeof answerFiles>[1]): Promise<Uint8Array> {
    const ways = [() => answerFiles(request, own), () => this.ask(decodeJson(FilesRequest, request))];
    return await askEach(ways, NOBODY);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new ServingError("UNAVAILABLE", "the gateway is shutting down: try another"));
  }

  #targets(): readonly NodeTarget[] {
    return this.#deps.fleet.nodes().map(({ node, heartbeat }) => ({ node, link: heartbeat.link }));
  }

  async #names(): Promise<readonly string[]> {
    using limit = deadlineSignal(this.#deps.clock, NAMES_MS_MAX, this.#closing.signal);
    const ask = async (target: NodeTarget) => decodeJson(NameList, await this.#askNode(target, { ask: "models" }, limit.signal));
    const told = await Promise.all(this.#targets().map((target) => ask(target).catch(() => [])));
    return told.flat();
  }

  async #askNode(target: NodeTarget, request: FilesRequest, signal: AbortSignal): Promise<Uint8Array> {
    const submission = await this.#deps.submitter().submit({ kind: "files", request: encodeJson(request) }, target, signal);
    switch (submission.kind) {
      case "accepted": {
        using answers = submission.answers;
        return await wholeAnswer(answers, { what: "model files", bytesMax: FILES_ANSWER_BYTES_MAX });
      }
      case "refused":
        throw new ServingError("UNAVAILABLE", submission.message);
      case "unreachable":
        throw submission.error;
    }
  }
}
