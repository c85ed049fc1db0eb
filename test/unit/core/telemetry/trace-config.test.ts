/** `--trace-config` and a collector's address. */
import { describe, expect, test } from "vitest";
import { parseTraceConfig, TRACE_VIEW } from "../../../../core/telemetry/trace-config.ts";
import { traceFieldsOf, traceIds } from "../../../../core/telemetry/tracing.ts";

describe("the trace configuration", () => {
  test("is Triton's without a word", () => {
    expect(parseTraceConfig([], undefined).view).toEqual(TRACE_VIEW);
  });

  test("changes with each text", () => {
    const texts = ["rate=5", "level=TIMESTAMPS", "level=TENSORS", "count=7", "triton,file=t.json", "triton,log-frequency=3"];
    const view = { levels: ["TIMESTAMPS", "TENSORS"], rate: 5, count: 7, file: "t.json", logFrequency: 3, mode: "triton" };
    expect(parseTraceConfig(texts, undefined).view).toEqual(view);
  });

  test("traces all requests to a collector that is named, unless the texts say otherwise", () => {
    const { view, otlp } = parseTraceConfig(["opentelemetry,resource=service.name=mine"], "http://collector:4318/");
    expect(view).toMatchObject({ mode: "opentelemetry", levels: ["TIMESTAMPS"], rate: 1 });
    expect(otlp).toMatchObject({ url: "http://collector:4318/v1/traces", resource: { "service.name": "mine" } });
    expect(parseTraceConfig(["level=OFF"], "http://collector:4318").view.levels).toEqual([]);
    const own = parseTraceConfig(["mode=opentelemetry", "opentelemetry,url=host:1/v1/traces"], undefined);
    expect(own.otlp.url).toBe("http://host:1/v1/traces");
  });

  test.each(["rate=-1", "rate=x", "level=ALL", "mode=zipkin", "nonsense", "triton,url=x", "opentelemetry,resource=x"])(
    "refuses %j",
    (text) => {
      expect(() => parseTraceConfig([text], undefined)).toThrow(`--trace-config: ${JSON.stringify(text)}`);
    },
  );

  test("refuses tensors in mode opentelemetry, which has no place for them", () => {
    expect(() => parseTraceConfig(["mode=opentelemetry", "level=TENSORS"], undefined)).toThrow("TENSORS");
  });
});

test("a traceparent gives its ids where it is well-formed", () => {
  const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  expect(traceIds(`00-${trace}-${span}-01`)).toEqual({ traceId: trace, spanId: span, isSampled: true });
  expect(traceIds(`00-${trace}-${span}-00`)?.isSampled).toBe(false);
  expect(traceIds("nonsense")).toBeUndefined();
  expect(traceFieldsOf(`00-${trace}-${span}-01`)).toEqual({ trace_id: trace, span_id: span });
  expect(traceFieldsOf("")).toEqual({});
});
