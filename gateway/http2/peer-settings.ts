/** What a client's SETTINGS say. Source: RFC 9113, section 6.5. Pure. */
import type { Buffer } from "node:buffer";
import { ERROR, type ErrorNumber, FRAME_BYTES, FRAME_BYTES_MAX, SETTING, WINDOW_MAX } from "./wire-format.ts";

/** What a server has to know of them; undefined: stays as it is. */
export interface PeerSettings {
  readonly initialWindow: number | undefined;
  readonly frameBytesMax: number | undefined;
}

const ENTRY_BYTES = 6;

/** @returns the error of settings that are none */
export function parseSettings(payload: Buffer): PeerSettings | ErrorNumber {
  if (payload.byteLength % ENTRY_BYTES !== 0) return ERROR.frameSize;
  let initialWindow: number | undefined;
  let frameBytesMax: number | undefined;
  for (let at = 0; at < payload.byteLength; at += ENTRY_BYTES) {
    const value = payload.readUInt32BE(at + 2);
    switch (payload.readUInt16BE(at)) {
      case SETTING.enablePush:
        if (value > 1) return ERROR.protocol;
        break;
      case SETTING.initialWindowSize:
        if (value > WINDOW_MAX) return ERROR.flowControl;
        initialWindow = value;
        break;
      case SETTING.frameSizeMax:
        if (value < FRAME_BYTES || value > FRAME_BYTES_MAX) return ERROR.protocol;
        frameBytesMax = value;
        break;
      default: // others change nothing for a server that keeps no table and pushes nothing
    }
  }
  return { initialWindow, frameBytesMax };
}
