/** The models that chaos clusters serve: the real language model, a sum that keeps no state, and one that does. */
import { constants, copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { ModelRepository } from "../cluster/whole-models/model-repository.ts";
import { CONTROLS } from "../cluster/whole-models/two-nodes.ts";
import { accumulate, addSub, remainder } from "../models/small-models.ts";
import { realModelFolder } from "../support/real-model.ts";

export const LANGUAGE = "language";
export const STATELESS = "stateless";
export const SEQUENCES = "sequences";
/** Remainders: that of -2^31 by -1 ends the process. */
export const FRAGILE = "fragile";

export interface ModelsOptions {
  /** Of the language model; 0: it is not there. */
  readonly replicas?: number;
  readonly stages?: number;
  /** The small models, one copy on each of so many nodes; 0: they are not there. */
  readonly copies?: number;
  /** How the states of the one that keeps them survive; as the nodes' store allows unless said. */
  readonly sequenceState?: "none";
  /** So many copies of the fragile one, whose requests wait for one another; 0 unless said. */
  readonly fragile?: number;
}

/** Disposing removes them. */
export function chaosModels({ replicas = 1, stages = 1, copies = 0, fragile = 0, sequenceState }: ModelsOptions): ModelRepository {
  const repository = new ModelRepository();
  if (replicas > 0) {
    repository.put(LANGUAGE, {
      "config.pbtxt": `backend: "llm" instance_group { count: ${replicas} } ${Object.entries({
        pipeline_stages: stages,
        slots: 8,
        context_length: 1_024,
        threads: 1,
      })
        .map(([key, value]) => parameter(key, value))
        .join(" ")}`,
    });
    mkdirSync(path.join(repository.folder, LANGUAGE, "1"));
    const file = path.join("1", "model.gguf");
    copyFileSync(path.join(realModelFolder(), file), path.join(repository.folder, LANGUAGE, file), constants.COPYFILE_FICLONE);
  }
  const small = (count: number) => `max_batch_size: 8 instance_group { count: 1 kind: KIND_CPU } ${parameter("replicas", count)}`;
  if (fragile > 0) {
    const waits = "default_queue_policy { default_timeout_microseconds: 60000000 allow_timeout_override: true }";
    const together = `dynamic_batching { preferred_batch_size: [ 4 ] max_queue_delay_microseconds: 20000 ${waits} }`;
    repository.put(FRAGILE, { "1/model.onnx": remainder(), "config.pbtxt": `${small(fragile)} ${together}` });
  }
  if (copies > 0) {
    const shared = small(copies);
    repository.put(STATELESS, { "1/model.onnx": addSub(["batch", 4]), "config.pbtxt": shared });
    const kept = sequenceState === undefined ? "" : parameter("sequence_state", sequenceState);
    repository.put(SEQUENCES, {
      "1/model.onnx": accumulate(),
      "config.pbtxt": `${shared} ${kept} sequence_batching { max_sequence_idle_microseconds: 60000000 oldest { max_candidate_sequences: 64 } ${CONTROLS} }`,
    });
  }
  return repository;
}

const parameter = (key: string, value: number | string) => `parameters { key: "${key}" value { string_value: "${value}" } }`;
