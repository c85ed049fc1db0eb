import { expect, test } from "vitest";
import { ReceiveWindow } from "../../../../gateway/http2/receive-window.ts";

test("a peer may send as much as the window, and again what is used, told by half a window or more", () => {
  const window = new ReceiveWindow(100);
  expect(window.arrive(100)).toBe(true);
  expect([window.use(49), window.use(1), window.use(20)]).toEqual([0, 50, 0]);
  expect(window.arrive(50)).toBe(true);
  expect(window.arrive(1)).toBe(false);
});
