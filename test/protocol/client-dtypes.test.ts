/** Tensors of every datatype and shape go to a server and come back the same, over HTTP and gRPC. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../client/client.ts";
import { rawTensor } from "../../client/tensor-input.ts";
import { DTYPES, type Dtype, isDtype } from "../../core/tensor/dtype.ts";
import { joinBytesElements } from "../../core/tensor/tensor.ts";
import { CLIENT_KINDS, type ClientDoors, startClientDoors } from "./client-doors.ts";

const RUNS = { seed: 20_260_404, numRuns: 25 };
const NAMES = Object.keys(DTYPES).filter((name): name is Dtype => isDtype(name));

let doors: ClientDoors;

beforeAll(async () => {
  doors = await startClientDoors();
});

afterAll(() => doors[Symbol.asyncDispose]());

const shape = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 7 }));

/** Any bytes are numbers of any datatype: NaNs with whatever payload come back as they went. */
function tensorOf(dtype: Dtype) {
  return shape.chain(([rows, columns]) => {
    const count = rows * columns;
    const { bytes } = DTYPES[dtype];
    const exactly = (length: number) => ({ minLength: length, maxLength: length });
    if (dtype === "BOOL") return fc.array(fc.boolean(), exactly(count)).map((flags) => input(Uint8Array.from(flags, Number)));
    if (bytes > 0) return fc.uint8Array(exactly(count * bytes)).map(input);
    return fc.array(fc.uint8Array({ maxLength: 9 }), exactly(count)).map((elements) => input(joinBytesElements(elements)));

    function input(data: Uint8Array) {
      return rawTensor("IN", dtype, [rows, columns], data);
    }
  });
}

describe.each(CLIENT_KINDS)("over $protocol", ({ connect }) => {
  let client: Client;

  beforeAll(() => {
    client = connect(doors);
  });

  afterAll(() => client.close());

  test.each(NAMES)("%s comes back bit by bit", async (dtype) => {
    await fc.assert(
      fc.asyncProperty(tensorOf(dtype), async (input) => {
        const result = await client.infer({ model: `any_${dtype}`, inputs: [input] });
        const output = result.output("OUT");
        expect(output).toMatchObject({ dtype, shape: input.shape });
        expect([...output.bytes]).toEqual([...input.data]);
        expect(output.data).toHaveLength(input.shape.reduce((count, size) => count * size, 1));
      }),
      RUNS,
    );
  });

  test("a megabyte comes back whole", async () => {
    const data = new Uint8Array(1 << 20).map((_, index) => index * 7);
    const result = await client.infer({ model: "any_UINT8", inputs: [rawTensor("IN", "UINT8", [1024, 1024], data)] });
    expect(Buffer.compare(result.output("OUT").bytes, data)).toBe(0);
  });
});
