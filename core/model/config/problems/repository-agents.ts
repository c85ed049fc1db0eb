/** Repository agents of a configuration: `checksum` is here, any other is refused as by a Triton that lacks its library. Pure. */
import type { ModelConfig } from "../../../../protos/gen/model_config_pb.ts";
import type { ConfigProblem } from "./problem.ts";

const CHECKSUM = "checksum";
const MD5 = "MD5:";

/** A file of the model's folder and the MD5 that it must have, hexadecimal. */
export interface ExpectedChecksum {
  readonly file: string;
  readonly md5: string;
}

export function* agentProblems({ modelRepositoryAgents }: ModelConfig): Generator<ConfigProblem> {
  for (const [index, { name, parameters }] of (modelRepositoryAgents?.agents ?? []).entries()) {
    const path = ["model_repository_agents", "agents", index];
    if (name !== CHECKSUM) {
      const message = `unable to find repository agent '${name}': the one that is here is '${CHECKSUM}'`;
      yield { message, path: [...path, "name"], fix: `remove it, or use ${CHECKSUM}` };
      continue;
    }
    for (const key of Object.keys(parameters)) {
      if (key.startsWith(MD5)) continue;
      const message = `repository agent '${CHECKSUM}' is told '${key}', it knows files by MD5 only`;
      yield { message, path: [...path, "parameters", key], fix: `write ${MD5}FILE, such as ${MD5}1/model.onnx` };
    }
  }
}

export function expectedChecksums({ modelRepositoryAgents }: ModelConfig): readonly ExpectedChecksum[] {
  return (modelRepositoryAgents?.agents ?? [])
    .filter(({ name }) => name === CHECKSUM)
    .flatMap(({ parameters }) =>
      Object.entries(parameters).map(([key, value]) => ({ file: key.slice(MD5.length), md5: value.toLowerCase() })),
    );
}
