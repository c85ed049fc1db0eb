/** The KServe door alone, over scripted models, on a loopback port of its own. */
import { systemClock } from "../../core/clock.ts";
import { seededRandom } from "../../core/random.ts";
import { BodyParsers } from "../../gateway/http/body-parser.ts";
import { startHttpServer } from "../../gateway/http1/server.ts";
import { headerPattern } from "../../gateway/kserve/infer/request-parameters.ts";
import { LogSettings } from "../../gateway/kserve/log-settings.ts";
import { kserveRoutes } from "../../gateway/kserve/routes.ts";
import { SharedMemoryRegions } from "../../gateway/kserve/shared-memory.ts";
import { TraceSettings } from "../../gateway/kserve/trace-settings.ts";
import { ScriptedModels } from "../support/scripted-models.ts";
import { ScriptedText } from "../support/scripted-text.ts";

export interface KserveGateway extends AsyncDisposable {
  readonly models: ScriptedModels;
  readonly port: number;
  readonly url: string;
}

export interface KserveOptions {
  readonly models?: ScriptedModels;
  readonly allowClientShm?: boolean;
  readonly forwardHeaders?: string;
}

export async function startKserve(options: KserveOptions = {}): Promise<KserveGateway> {
  const { models = new ScriptedModels(), allowClientShm = true, forwardHeaders } = options;
  const text = new ScriptedText();
  text.models = [];
  const bodies = new BodyParsers();
  const sharedMemory = new SharedMemoryRegions({ allowed: allowClientShm });
  const routes = kserveRoutes({
    generation: text,
    models: text,
    bodies,
    random: seededRandom(7n),
    identity: { name: "triton", version: "2.51.0" },
    tensors: {
      inference: models,
      catalog: models,
      control: models,
      statistics: models,
      sharedMemory,
      trace: new TraceSettings(),
      log: new LogSettings(),
      forwardedHeaders: forwardHeaders === undefined ? undefined : headerPattern(forwardHeaders),
    },
  });
  const server = await startHttpServer({ host: "127.0.0.1", port: 0, clock: systemClock, routes });
  return {
    models,
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: async () => {
      await server.close(0);
      await bodies.close();
      sharedMemory[Symbol.dispose]();
    },
  };
}
