/** Inferences over plain HTTP: KServe v2 with binary tensors. */
import { inferBody, type TensorFormats } from "../../client/http/infer-body.ts";
import { modelPath } from "../../client/http/paths.ts";
import type { InferRequest } from "../../client/infer-request.ts";
import type { Target } from "../channel.ts";
import { connect, HttpSocketChannel, httpRequestBytes } from "../channels/http-socket.ts";
import type { TargetOptions } from "./target-options.ts";

export function httpTarget({ url, headers, requests, formats = { binaryOutputs: true } }: TargetOptions): Target {
  const channels = new Set<HttpSocketChannel>();
  const prepared = requests.map((request) => httpRequestBytes(url.host, requestParts({ url, headers, formats }, request)));
  const place = { hostname: url.hostname, port: Number(url.port === "" ? 80 : url.port) };
  return {
    async open(signal) {
      const channel = new HttpSocketChannel(await connect(place, signal), prepared);
      channels.add(channel);
      return channel;
    },
    async [Symbol.asyncDispose]() {
      for (const channel of channels) channel[Symbol.dispose]();
    },
  };
}

function requestParts(
  { url, headers, formats }: Pick<TargetOptions, "url" | "headers"> & { readonly formats: TensorFormats },
  request: InferRequest,
) {
  const { bytes, jsonBytes } = inferBody(request, formats);
  const isAllJson = jsonBytes === bytes.byteLength;
  return {
    path: `${url.pathname.replace(/\/$/, "")}${modelPath(request.model, request.version, "/infer")}`,
    headers: {
      "content-type": isAllJson ? "application/json" : "application/octet-stream",
      ...(!isAllJson && { "inference-header-content-length": String(jsonBytes) }),
      ...headers,
    },
    body: bytes,
  };
}
