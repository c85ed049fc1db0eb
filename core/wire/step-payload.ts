/**
 * What a step frame carries: the plan, as the lead wrote it and never changed on its way; how long the stages so far took;
 * and the activations of the stage before (`hidden`, then `addend`, both f32 [B, S, hiddenSize] little-endian), none from the lead.
 *
 * u32 bytes of the plan | u8 stages passed | u32 microseconds of each | plan | activations
 *
 * Pure.
 */
import { ByteReader } from "../bytes/byte-reader.ts";
import { ByteWriter } from "../bytes/byte-writer.ts";

export interface StepPayload {
  readonly plan: Uint8Array;
  /** Microseconds of each stage passed, stage 0 first. */
  readonly stageUs: readonly number[];
  readonly activations: Uint8Array;
}

/** All but the activations, which follow as they are. */
export function encodePayloadHead(payload: Omit<StepPayload, "activations">): Uint8Array {
  const out = new ByteWriter().u32(payload.plan.length).u8(payload.stageUs.length);
  for (const us of payload.stageUs) out.u32(us);
  return out.bytes(payload.plan).take();
}

/** The parts are views of `bytes`. @throws ServingError INVALID_ARGUMENT when it is no step frame's payload. */
export function decodePayload(bytes: Uint8Array): StepPayload {
  const from = new ByteReader(bytes, "step frame");
  const planBytes = from.u32();
  const stageUs: number[] = [];
  for (let left = from.u8(); left > 0; left--) stageUs.push(from.u32());
  return { plan: from.bytes(planBytes), stageUs, activations: from.rest() };
}
