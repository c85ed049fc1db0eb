/** Server reflection: tells clients such as grpcurl what the services are, from the descriptors they are generated with. */
import { create, type DescFile, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { ServingError } from "../../core/errors.ts";
import type { ServerReflectionRequest } from "../../protos/gen/grpc/reflection/v1/reflection_pb.ts";
import {
  file_grpc_reflection_v1_reflection,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../protos/gen/grpc/reflection/v1/reflection_pb.ts";
import { file_grpc_reflection_v1alpha_reflection } from "../../protos/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { reads } from "../access/access.ts";
import type { Message, StreamingMethod } from "./method.ts";

const NOT_FOUND = 5;
/** Both versions have the same messages. */
const SERVICES = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/** @param files of the services that are served */
export function reflectionMethods(files: readonly DescFile[]): readonly StreamingMethod[] {
  const index = new DescriptorIndex([...files, file_grpc_reflection_v1_reflection, file_grpc_reflection_v1alpha_reflection]);
  return SERVICES.map((service) => ({
    kind: "streaming",
    service,
    method: "ServerReflectionInfo",
    ...reads("metadata"),
    handle: (requests) => answers(requests, index),
  }));
}

async function* answers(requests: AsyncIterable<Uint8Array>, index: DescriptorIndex): AsyncGenerator<Message> {
  for await (const bytes of requests) {
    const originalRequest = decode(bytes);
    const messageResponse = index.answer(originalRequest.messageRequest);
    const response = create(ServerReflectionResponseSchema, { validHost: originalRequest.host, originalRequest, messageResponse });
    yield [toBinary(ServerReflectionResponseSchema, response)];
  }
}

function decode(bytes: Uint8Array): ServerReflectionRequest {
  try {
    return fromBinary(ServerReflectionRequestSchema, bytes);
  } catch (thrown) {
    throw new ServingError("INVALID_ARGUMENT", "the message is no ServerReflectionRequest", { cause: thrown });
  }
}

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

class DescriptorIndex {
  readonly #services: readonly { readonly name: string }[];
  readonly #byFilename = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();
  readonly #messages = new Set<string>();

  constructor(files: readonly DescFile[]) {
    for (const file of files) this.#add(file);
    this.#services = files
      .flatMap(({ services }) => services.map(({ typeName }) => ({ name: typeName })))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  answer(asked: ServerReflectionRequest["messageRequest"]): Answer {
    switch (asked.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: [...this.#services] } };
      case "fileByFilename":
        return withDependencies(this.#byFilename.get(asked.value), `file '${asked.value}'`);
      case "fileContainingSymbol":
        return withDependencies(this.#bySymbol.get(asked.value), `symbol '${asked.value}'`);
      case "allExtensionNumbersOfType":
        if (!this.#messages.has(asked.value)) return notFound(`type '${asked.value}'`);
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value, extensionNumber: [] } };
      case "fileContainingExtension":
        return notFound(`extension ${asked.value.extensionNumber} of '${asked.value.containingType}'`);
      case undefined:
        return notFound("what the request leaves open");
    }
  }

  #add(file: DescFile): void {
    const filename = file.proto.name;
    if (this.#byFilename.has(filename)) return;
    this.#byFilename.set(filename, file);
    for (const dependency of file.dependencies) this.#add(dependency);
    const add = (symbol: string) => this.#bySymbol.set(symbol, file);
    for (const { typeName, methods } of file.services) {
      add(typeName);
      for (const { name } of methods) add(`${typeName}.${name}`);
    }
    for (const { typeName } of file.enums) add(typeName);
    for (const message of file.messages) this.#addMessage(message, add);
  }

  #addMessage({ typeName, nestedMessages, nestedEnums }: DescFile["messages"][number], add: (symbol: string) => void): void {
    add(typeName);
    this.#messages.add(typeName);
    for (const { typeName: name } of nestedEnums) add(name);
    for (const nested of nestedMessages) this.#addMessage(nested, add);
  }
}

function notFound(what: string): Answer {
  return { case: "errorResponse", value: { errorCode: NOT_FOUND, errorMessage: `${what.slice(0, 200)} is not found` } };
}

/** The file, then everything that it imports. */
function withDependencies(file: DescFile | undefined, what: string): Answer {
  if (file === undefined) return notFound(what);
  const all = new Set<DescFile>();
  const add = (one: DescFile): void => {
    if (all.has(one)) return;
    all.add(one);
    for (const dependency of one.dependencies) add(dependency);
  };
  add(file);
  const fileDescriptorProto = Array.from(all, ({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}
