/** A language model as the gateway's text side knows it, opened from its bundle's bytes. */

import type { TextBundle } from "../../core/model/text-bundle.ts";
import { parseTextBundle, textBundleDigest } from "../../core/model/text-bundle-codec.ts";
import { createRenderChat, type RenderChat } from "./chat-template.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";

export interface TextModel {
  /** sha256 of the bundle's bytes. */
  readonly digest: string;
  /** The bundle's bytes, in memory that worker threads share. */
  readonly bytes: Uint8Array;
  readonly bundle: TextBundle;
  readonly tokenizer: Tokenizer;
  readonly renderChat: RenderChat;
}

/**
 * Opens a serialized bundle; blocks for about a microsecond per token of the vocabulary.
 * @throws ServingError DATA_LOSS for a damaged bundle, UNIMPLEMENTED for a vocabulary that cannot be spelled in bytes
 */
export function openTextModel(bytes: Uint8Array): TextModel {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const bundle = parseTextBundle(bytes);
  return {
    digest: textBundleDigest(bytes),
    bytes: shared,
    bundle,
    tokenizer: createTokenizer(bundle),
    renderChat: createRenderChat(bundle),
  };
}
