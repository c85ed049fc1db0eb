/** All doors over scripted text, on a loopback port of their own. */
import { type Clock, systemClock } from "../../core/clock.ts";
import { seededRandom } from "../../core/random.ts";
import { consoleRoutes } from "../../gateway/console/routes.ts";
import { BodyParsers } from "../../gateway/http/body-parser.ts";
import type { Route } from "../../gateway/http/route.ts";
import { type HttpLimits, type HttpServer, startHttpServer } from "../../gateway/http1/server.ts";
import { kserveRoutes } from "../../gateway/kserve/routes.ts";
import { openaiRoutes } from "../../gateway/openai/routes.ts";
import { type ScriptedOptions, ScriptedText } from "../support/scripted-text.ts";

export interface ScriptedGateway extends AsyncDisposable {
  readonly text: ScriptedText;
  readonly server: HttpServer;
  readonly url: string;
}

export interface GatewayOptions extends ScriptedOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly clock?: Clock;
}

export function scriptedRoutes(text: ScriptedText, bodies: BodyParsers, clock: Clock = systemClock): readonly Route[] {
  const random = seededRandom(7n);
  const identity = { name: "nereid", version: "0.0.0" };
  const doors = { generation: text, models: text, bodies, clock, random, identity };
  return [
    ...openaiRoutes({ ...doors, systemFingerprint: "fp_scripted" }),
    ...kserveRoutes(doors),
    ...consoleRoutes({ models: text, identity, nodes: () => [], leave: async () => {}, unplaced: () => [] }),
  ];
}

export async function startScriptedGateway({ limits, clock = systemClock, ...options }: GatewayOptions = {}): Promise<ScriptedGateway> {
  const text = new ScriptedText(options);
  const bodies = new BodyParsers();
  const routes = scriptedRoutes(text, bodies, clock);
  const server = await startHttpServer({ host: "127.0.0.1", port: 0, clock, routes, ...(limits !== undefined && { limits }) });
  return {
    text,
    server,
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: async () => {
      await server.close(0);
      await bodies.close();
    },
  };
}
