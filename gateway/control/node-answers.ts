/** Answers what nodes ask this gateway on their own behalf: model files that they have not, and what their models want of other models. */
import { Type } from "typebox";
import { decodeJson, encodeJson } from "../../core/messages/json-message.ts";
import { ModelControlRequest } from "../../core/messages/model-control.ts";
import type { AnswerNode } from "../serving/call-desk.ts";
import type { ModelControl } from "../serving/model-catalog.ts";

export interface NodeAnswersDeps {
  /** @param request a FilesRequest as JSON */
  readonly files: AnswerNode;
  readonly control: ModelControl;
  /** Ends loads that somebody waits for. */
  readonly stopping: AbortSignal;
}

const Asked = Type.Object({ ask: Type.String() });
const CONTROLS: ReadonlySet<string> = new Set<ModelControlRequest["ask"]>(["load", "unload", "ready"]);

export function nodeAnswers({ files, control, stopping }: NodeAnswersDeps): AnswerNode {
  return async (request) => {
    if (!CONTROLS.has(decodeJson(Asked, request).ask)) return await files(request);
    return encodeJson(await controlled(decodeJson(ModelControlRequest, request), control, stopping));
  };
}

/** @throws ServingError why it cannot be done, as a client would be told */
async function controlled(request: ModelControlRequest, control: ModelControl, stopping: AbortSignal): Promise<boolean> {
  const { model } = request;
  switch (request.ask) {
    case "load": {
      const files = new Map(Object.entries(request.files).map(([name, content]) => [name, new Uint8Array(Buffer.from(content, "base64"))]));
      await control.load(model, { ...(request.config !== "" && { config: request.config }), files }, stopping);
      return true;
    }
    case "unload":
      await control.unload(model, { dependents: request.dependents });
      return true;
    case "ready": {
      const isMeant = (version: string | undefined) => request.version === "" || version === request.version;
      return (await control.index()).some(({ name, version, state }) => name === model && state === "READY" && isMeant(version));
    }
  }
}
