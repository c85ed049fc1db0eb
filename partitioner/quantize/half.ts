/** Half precision to single, by table: conversions run for every block of a checkpoint. Pure. */

/** The value of each of the 65,536 bit patterns. */
export const HALF_VALUES: Float32Array = new Float32Array(new Float16Array(Uint16Array.from({ length: 65_536 }, (_, bits) => bits).buffer));

/** The half-precision number at `offset`, little-endian. */
export const halfAt = (bytes: Uint8Array, offset: number): number =>
  HALF_VALUES[(bytes[offset] ?? 0) | ((bytes[offset + 1] ?? 0) << 8)] ?? 0;
