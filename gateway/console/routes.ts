/** The console door: a page for people, and the state that it shows. */
import type { ErrorCode } from "../../core/errors.ts";
import { isPublic, reads } from "../access/access.ts";
import { jsonAnswer } from "../http/answer.ts";
import type { ErrorShape, HttpFault, Route, WholeAnswer } from "../http/route.ts";
import type { ModelDirectory } from "../serving/text-generation.ts";
import { readConsolePage } from "./page.ts";
import { type ConsoleIdentity, type ConsoleNode, consoleState } from "./state.ts";

export interface ConsoleDeps {
  readonly models: ModelDirectory;
  /** The machines that this gateway hears. */
  readonly nodes: () => readonly ConsoleNode[];
  readonly identity: ConsoleIdentity;
}

/** What can go wrong here. */
const STATUS: Partial<Record<ErrorCode, number>> = { UNAUTHENTICATED: 401, PERMISSION_DENIED: 403 };

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
      handle: () => jsonAnswer(200, consoleState(deps.identity, deps.models.list(), deps.nodes())),
    },
  ];
}
