import { describe } from "vitest";
import { wireContract } from "./wire.ts";
import { scriptedWorld, socketWorld } from "./wire-stages.ts";

describe("scripted", () => wireContract(scriptedWorld));
describe("unix sockets", () => wireContract(() => socketWorld()));
describe("tcp", () => wireContract(() => socketWorld("tcp:127.0.0.1:0")));
