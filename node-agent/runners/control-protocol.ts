/**
 * What an agent and its runner say to each other beside the wire: lines of JSON over a socket pair that the runner inherits.
 * Every request is answered once, under its number. When the channel closes, the other side is gone. Pure.
 */
import { type ErrorCode, isErrorCode, ServingError } from "../../core/errors.ts";
import { modelName, type ReplicaId, replicaId } from "../../core/ids.ts";
import type { Certificates } from "../../core/mutual-tls.ts";
import type { ConnectShard, OpenShard, ShardOpened, ShardTraits } from "../../core/wire/runner-handle.ts";

/** The file descriptor under which a runner inherits the channel. */
export const CONTROL_FD = 3;
/** Longer lines are nonsense. */
export const CONTROL_LINE_BYTES_MAX = 65_536;

/** `tls` holds paths: what is secret stays in files. */
export type ControlRequest =
  | { readonly kind: "open"; readonly id: number; readonly shard: OpenShard; readonly listen: string; readonly tls?: Certificates }
  | { readonly kind: "connect"; readonly id: number; readonly to: ConnectShard };

export type ControlAnswer =
  | { readonly kind: "opened"; readonly id: number; readonly opened: ShardOpened }
  | { readonly kind: "connected"; readonly id: number }
  | { readonly kind: "failed"; readonly id: number; readonly code: ErrorCode; readonly message: string; readonly reason: string };

export const encodeControl = (message: ControlRequest | ControlAnswer): string => `${JSON.stringify(message)}\n`;

/** @throws ServingError INVALID_ARGUMENT when the line is no request. */
export function parseRequest(line: string): ControlRequest {
  const fields = fieldsOf(parseJson(line), "request");
  const id = whole(fields, "id");
  const kind = fields.get("kind");
  if (kind === "open") {
    const shard = fieldsOf(fields.get("shard"), "shard");
    return {
      kind,
      id,
      listen: word(fields, "listen"),
      shard: {
        folder: word(shard, "folder"),
        replica: parseReplica(word(shard, "replica")),
        slots: whole(shard, "slots"),
        contextLength: whole(shard, "contextLength"),
        threads: whole(shard, "threads"),
        ...(shard.has("known") && { known: traits(fieldsOf(shard.get("known"), "known")) }),
      },
      ...(fields.has("tls") && { tls: certificateFiles(fieldsOf(fields.get("tls"), "tls")) }),
    };
  }
  if (kind !== "connect") refuse("kind");
  const to = fieldsOf(fields.get("to"), "to");
  return { kind, id, to: { epoch: whole(to, "epoch"), next: word(to, "next") } };
}

/** @throws ServingError INVALID_ARGUMENT when the line is no answer. */
export function parseAnswer(line: string): ControlAnswer {
  const fields = fieldsOf(parseJson(line), "answer");
  const id = whole(fields, "id");
  const kind = fields.get("kind");
  if (kind === "connected") return { kind, id };
  if (kind === "opened") {
    const opened = fieldsOf(fields.get("opened"), "opened");
    const address = word(opened, "address");
    return {
      kind,
      id,
      opened: { address, ...traits(opened), residentBytes: whole(opened, "residentBytes") },
    };
  }
  if (kind !== "failed") refuse("kind");
  const code = fields.get("code");
  return {
    kind,
    id,
    code: isErrorCode(code) ? code : refuse("code"),
    message: word(fields, "message"),
    reason: word(fields, "reason"),
  };
}

function traits(fields: Fields): ShardTraits {
  const replaysAtOnce = fields.get("replaysAtOnce");
  return {
    decodeRowsMin: whole(fields, "decodeRowsMin"),
    replaysAtOnce: typeof replaysAtOnce === "boolean" ? replaysAtOnce : refuse("replaysAtOnce"),
  };
}

const certificateFiles = (fields: Fields): Certificates => ({
  ca: word(fields, "ca"),
  cert: word(fields, "cert"),
  key: word(fields, "key"),
});

/** Only what `replicaId` could have made. */
function parseReplica(text: string): ReplicaId {
  const [, model, version, number, copy = 0] = /^([^/]+)\/([^/]+)\/(\d+)(?:\.([1-9]\d*))?$/.exec(text) ?? [];
  if (model === undefined || version === undefined) refuse("replica");
  return replicaId(modelName(model), version, Number(number), Number(copy));
}

type Fields = ReadonlyMap<string, unknown>;

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function fieldsOf(value: unknown, name: string): Fields {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : refuse(name);
}

function whole(fields: Fields, name: string): number {
  const value = fields.get(name);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : refuse(name);
}

function word(fields: Fields, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : refuse(name);
}

function refuse(name: string): never {
  throw new ServingError("INVALID_ARGUMENT", `a line of a runner's control channel has no valid '${name}'`, { reason: "bad_control" });
}
