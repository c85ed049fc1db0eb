/** How bad it gets in a simulation; the less there is that fails, the more is promised. */
import type { Dice } from "./dice.ts";

/**
 * - `calm`: nothing fails, and no request may.
 * - `lossy`: the bus loses and delays submits and goes away for moments; no request may fail, only take longer.
 * - `lame`: as `lossy`, and runners of one replica of two fail; no request may.
 * - `storm`: everything fails; each request ends all the same, and all heals.
 */
export type Weather = "calm" | "lossy" | "lame" | "storm";

export function drawWeather(dice: Dice): Weather {
  const number = dice.whole(1, 100);
  if (number <= 15) return "calm";
  if (number <= 35) return "lossy";
  return number <= 45 ? "lame" : "storm";
}
