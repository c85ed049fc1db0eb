/** Settings of what every node keeps: processes, answers, streams. Pure. */
import { LABELS_ALLOWED, type NodeLabels, parseLabels } from "../../core/node-labels.ts";
import { byteSize, optional, setting, text, wholeNumber } from "../../core/settings.ts";

const bytes = byteSize();

export const NODE_SETTINGS = {
  labels: setting<NodeLabels | undefined>({
    kind: optional({ allowed: LABELS_ALLOWED, parse: parseLabels }),
    fallback: undefined,
    fallbackText: "none",
    help: "what the machine is: models may ask for it (node_labels)",
  }),
  standbyRunners: setting({
    kind: wholeNumber(0, 16),
    fallback: 1,
    help: "processes (60 MB each) that every node with language models keeps ready, for when a stage's dies",
  }),
  python: setting({
    kind: text("a path, or a name on the PATH"),
    fallback: "python3",
    help: "the interpreter that runs Python models; it needs numpy",
  }),
  responseCacheBytes: setting({
    kind: {
      ...bytes,
      allowed: `${bytes.allowed}; also local,size=BYTES`,
      parse: (value) => bytes.parse(value.replace(/^local,size=/, "")),
    },
    aliases: ["cacheConfig"],
    fallback: 0,
    help: "answers that each node keeps for models with a response cache; 0 keeps none",
  }),
  responseCacheAgeMs: setting({
    kind: wholeNumber(0, 2 ** 31 - 1),
    fallback: 0,
    unit: "ms",
    help: "for so long such an answer is given; 0: until its bytes are needed",
  }),
  resumableGenerations: setting({
    kind: wholeNumber(0, 1_000_000),
    fallback: 1_000,
    help: "resumable streams that each node keeps, those that run and those that ended a minute ago at most",
  }),
  resumableBytes: setting({
    kind: bytes,
    fallback: 128 * 2 ** 20,
    help: "memory of their prompts and of all the tokens that they may come to",
  }),
};
