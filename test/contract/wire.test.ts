import { describe } from "vitest";
import { selfSigned } from "../support/self-signed.ts";
import { wireContract } from "./wire.ts";
import { scriptedWorld, socketWorld } from "./wire-stages.ts";

describe("scripted", () => wireContract(scriptedWorld));
describe("unix sockets", () => wireContract(() => socketWorld()));
describe("tcp", () => wireContract(() => socketWorld("tcp:127.0.0.1:0")));
describe("tls", () => {
  const own = selfSigned("localhost");
  const tls = { certificates: { ...own, ca: own.cert }, refused: () => {} };
  wireContract(() => socketWorld("tls:127.0.0.1:0", tls));
});
