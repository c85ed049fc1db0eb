/** Instances that share resources take turns. */
import { expect, test } from "vitest";
import { type RatedInstance, RateLimiter } from "../../../../node-agent/scheduling/rate-limiter.ts";

const needing = (
  count: number,
  fields: Partial<RatedInstance> & { readonly global?: boolean; readonly name?: string } = {},
): RatedInstance => ({
  needs: [{ name: fields.name ?? "R", count, global: fields.global ?? false }],
  priority: fields.priority ?? 1,
  device: fields.device ?? 0,
});

function limiterOf(limits: ConstructorParameters<typeof RateLimiter>[0], ...instances: readonly RatedInstance[]): RateLimiter {
  const limiter = new RateLimiter(limits);
  for (const instance of instances) {
    limiter.add(instance);
    limiter.want(instance);
  }
  return limiter;
}

test("an instance executes only while it holds its resources", () => {
  const [a, b] = [needing(2), needing(2)];
  const limiter = limiterOf([{ name: "R", count: 3, device: undefined }], a, b);
  expect(limiter.grant()).toBe(a);
  expect(limiter.grant()).toBeUndefined();
  limiter.release(a);
  expect(limiter.grant()).toBe(b);
});

test("of a resource without a limit there is as much as the neediest instance needs", () => {
  const [a, b, c] = [needing(1), needing(3), needing(2)];
  const limiter = limiterOf([], a, b, c);
  expect(limiter.grant()).toBe(a);
  expect(limiter.grant()).toBeUndefined();
  limiter.release(a);
  expect(limiter.grant()).toBe(b);
});

test("the first in the order blocks those behind it, which would fit", () => {
  const [big, small, other] = [needing(4), needing(1), needing(1)];
  const limiter = limiterOf([{ name: "R", count: 4, device: undefined }], small, big, other);
  expect(limiter.grant()).toBe(small);
  expect(limiter.grant()).toBeUndefined();
});

test("an instance of priority 2 has half the turns of one of priority 1", () => {
  const [fast, slow] = [needing(1), needing(1, { priority: 2 })];
  const limiter = limiterOf([], fast, slow);
  const counts = new Map<RatedInstance | undefined, number>();
  for (let turn = 0; turn < 300; turn++) {
    const granted = limiter.grant();
    counts.set(granted, (counts.get(granted) ?? 0) + 1);
    if (granted === undefined) break;
    limiter.release(granted);
    limiter.want(granted);
  }
  expect(counts.get(fast)).toBe(200);
  expect(counts.get(slow)).toBe(100);
});

test("an instance that comes later does not have all the turns that it missed", () => {
  const [old, late] = [needing(1), needing(1)];
  const limiter = limiterOf([], old);
  for (let turn = 0; turn < 100; turn++) {
    limiter.grant();
    limiter.release(old);
    limiter.want(old);
  }
  limiter.add(late);
  limiter.want(late);
  const turns = Array.from({ length: 10 }, () => {
    const granted = limiter.grant();
    if (granted !== undefined) {
      limiter.release(granted);
      limiter.want(granted);
    }
    return granted;
  });
  expect(turns.filter((granted) => granted === late).length).toBe(5);
});

test("resources of different devices and global ones are counted apart", () => {
  const [one, two] = [needing(1, { device: 0 }), needing(1, { device: 1 })];
  const onDevices = limiterOf([{ name: "R", count: 1, device: undefined }], one, two);
  expect([onDevices.grant(), onDevices.grant()]).toEqual([one, two]);
  const [x, y] = [needing(1, { device: 0, global: true }), needing(1, { device: 1, global: true })];
  const global = limiterOf([{ name: "R", count: 1, device: undefined }], x, y);
  expect([global.grant(), global.grant()]).toEqual([x, undefined]);
});

test("a need above its limit is refused at load", () => {
  const limiter = new RateLimiter([
    { name: "R", count: 2, device: undefined },
    { name: "R", count: 9, device: 1 },
  ]);
  expect(() => limiter.add(needing(5))).toThrow(
    'Resource count for "R" is limited to 2 which will prevent scheduling of one or more model instances, the minimum required count is 5',
  );
  expect(() => limiter.add(needing(5, { device: 1 }))).not.toThrow();
});

test("an instance that is removed while it executes gives its resources back, and one that wants no more is passed over", () => {
  const [a, b, c] = [needing(1), needing(1), needing(1)];
  const limiter = limiterOf([], a, b, c);
  expect(limiter.grant()).toBe(a);
  limiter.remove(a);
  limiter.unwant(b);
  expect(limiter.grant()).toBe(c);
});
