/** What a model asks of its cluster about other models, for business logic: to load or unload one, or whether one is ready. Pure. */
import { type Static, Type } from "typebox";

const OF_MODEL = { model: Type.String({ maxLength: 200 }) };

export const ModelControlRequest = Type.Union([
  Type.Object({
    ask: Type.Literal("load"),
    ...OF_MODEL,
    /** A whole configuration as JSON, instead of the file's; empty: the file's. */
    config: Type.String(),
    /** Contents in base64 by `version/path`, instead of the repository's. */
    files: Type.Record(Type.String(), Type.String()),
  }),
  Type.Object({ ask: Type.Literal("unload"), ...OF_MODEL, dependents: Type.Boolean() }),
  /** Version: empty: any. */
  Type.Object({ ask: Type.Literal("ready"), ...OF_MODEL, version: Type.String() }),
]);
export type ModelControlRequest = Static<typeof ModelControlRequest>;

/** Whether it is ready; true when it has been loaded or unloaded. */
export const ModelControlAnswer = Type.Boolean();
