/** Makes methods of remote procedure calls as protobuf describes them: doors handle messages, servers bytes. */
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { ServingError } from "../../core/errors.ts";
import type { Access } from "../access/access.ts";
import type { GrpcCall, Message, UnaryMethod } from "./method.ts";

/** Questions and settings are short; many small parts in a long message would cost memory out of proportion. */
const REQUEST_BYTES_MAX = 64 * 1024;

export interface ProtobufMethodOptions extends Access {
  /** 64 KiB unless said. */
  readonly requestBytesMax?: number;
}

type Answer<O extends DescMessage> = MessageInitShape<O>;

/** @throws ServingError INVALID_ARGUMENT for bytes that are no such message, when the method is called */
export function protobufMethod<I extends DescMessage, O extends DescMessage>(
  rpc: DescMethodUnary<I, O>,
  { access, group, requestBytesMax = REQUEST_BYTES_MAX }: ProtobufMethodOptions,
  handle: (request: MessageShape<I>, call: GrpcCall) => Answer<O> | Promise<Answer<O>>,
): UnaryMethod {
  const encode = (answer: Answer<O>): Message => [toBinary(rpc.output, create(rpc.output, answer))];
  return {
    kind: "unary",
    service: rpc.parent.typeName,
    method: rpc.name,
    access,
    group,
    requestBytesMax,
    handle: (bytes, call) => {
      const request = decode(rpc.input, bytes);
      if (access === "control") call.concerns?.(subjectOf(request));
      const answer = handle(request, call);
      return answer instanceof Promise ? answer.then(encode) : encode(answer);
    },
  };
}

/** The model or region that a control call names. */
function subjectOf(request: object): string {
  const { modelName, name }: { readonly modelName?: unknown; readonly name?: unknown } = { ...request };
  return String(modelName ?? name ?? "");
}

function decode<T extends DescMessage>(message: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(message, bytes);
  } catch (thrown) {
    throw new ServingError("INVALID_ARGUMENT", `the message is no ${message.typeName}`, { cause: thrown });
  }
}
