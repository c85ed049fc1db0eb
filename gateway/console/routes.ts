/** The console door: a page for people, and the state that it shows. */
import { type ErrorCode, ServingError } from "../../core/errors.ts";
import { controls, isPublic, reads } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { ErrorShape, HttpFault, Route, WholeAnswer } from "../http/route.ts";
import type { UnplacedModel } from "../placement/missing-labels.ts";
import type { ModelDirectory } from "../serving/generation/text-generation.ts";
import { readConsolePage } from "./page.ts";
import { type ConsoleIdentity, type ConsoleNode, consoleState } from "./state.ts";

export interface ConsoleDeps {
  readonly models: ModelDirectory;
  /** The machines that this gateway hears. */
  readonly nodes: () => readonly ConsoleNode[];
  /** Whole models that are nowhere, and why. */
  readonly unplaced: () => readonly UnplacedModel[];
  /** What is on a node moves away and nothing comes, or it may take things again. @throws ServingError UNAVAILABLE */
  readonly leave: (node: string, leaving: boolean) => Promise<void>;
  readonly identity: ConsoleIdentity;
}

/** What can go wrong here. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  UNAVAILABLE: 503,
};

const consoleErrors: ErrorShape = {
  prefix: "/console",
  failed: ({ code, message }) => jsonAnswer(STATUS[code] ?? 500, { error: message }),
  faulty,
};

function faulty(fault: HttpFault): WholeAnswer {
  switch (fault.kind) {
    case "not-found":
      return jsonAnswer(404, { error: "Not Found" });
    case "method-not-allowed":
      return jsonAnswer(405, { error: "Method Not Allowed" }, { allow: fault.allowed.join(", ") });
    case "body-too-large":
      return jsonAnswer(413, { error: "Payload Too Large" });
    case "refused":
      return jsonAnswer(fault.status, { error: fault.message });
  }
}

export function consoleRoutes(deps: ConsoleDeps): readonly Route[] {
  const { html, policy } = readConsolePage();
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": policy,
    "referrer-policy": "no-referrer",
  };
  return [
    {
      method: "GET",
      path: "/",
      ...isPublic(),
      body: "none",
      errors: consoleErrors,
      handle: () => ({ kind: "whole", status: 200, headers, body: html }),
    },
    {
      method: "GET",
      path: "/console/state",
      ...reads("metadata"),
      body: "none",
      errors: consoleErrors,
      handle: () => jsonAnswer(200, consoleState(deps.identity, deps.models.list(), deps.nodes(), deps.unplaced())),
    },
    leaveRoute("drain", true, deps),
    leaveRoute("undrain", false, deps),
  ];
}

function leaveRoute(act: string, leaving: boolean, { nodes, leave }: ConsoleDeps): Route {
  return {
    method: "POST",
    path: `/console/nodes/{node}/${act}`,
    ...controls("model-repository"),
    body: "none",
    errors: consoleErrors,
    handle: async (request) => {
      const node = request.param("node");
      // One that is not here may be taken back: it was drained, and will come again.
      if (leaving && !nodes().some((one) => one.node === node)) throw new ServingError("NOT_FOUND", `there is no node ${node} here`);
      await leave(node, leaving);
      return jsonAnswer(200, { node, leaving });
    },
  };
}
