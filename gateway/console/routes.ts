/** The console door: a page for people, and the state that it shows. */
import { jsonAnswer } from "../http/answer.ts";
import { type ErrorShape, type HttpFault, NO_BODY, type Route } from "../http/route.ts";
import type { ModelDirectory } from "../serving/text-generation.ts";
import { readConsolePage } from "./page.ts";
import { type ConsoleIdentity, type ConsoleNode, consoleState } from "./state.ts";

export interface ConsoleDeps {
  readonly models: ModelDirectory;
  /** The machines that this gateway hears. */
  readonly nodes: () => readonly ConsoleNode[];
  readonly identity: ConsoleIdentity;
}

const consoleErrors: ErrorShape = {
  prefix: "/console",
  failed: (error) => jsonAnswer(500, { error: error.message }),
  faulty: (fault) => jsonAnswer(faultStatus(fault), { error: fault.kind === "refused" ? fault.message : fault.kind }),
};

function faultStatus(fault: HttpFault): number {
  switch (fault.kind) {
    case "not-found":
      return 404;
    case "method-not-allowed":
      return 405;
    case "body-too-large":
      return 413;
    case "refused":
      return fault.status;
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
      access: "public",
      body: NO_BODY,
      errors: consoleErrors,
      handle: () => ({ kind: "whole", status: 200, headers, body: html }),
    },
    {
      method: "GET",
      path: "/console/state",
      access: "model-read",
      body: NO_BODY,
      errors: consoleErrors,
      handle: () => jsonAnswer(200, consoleState(deps.identity, deps.models.list(), deps.nodes())),
    },
  ];
}
