/** Text to token ids and back for one model, made from its text bundle. Encoding blocks: long texts go through `encode-pool.ts`. */
import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { ServingError } from "../../core/errors.ts";
import type { HuggingFaceTokenizer, TextBundle } from "../../core/model/text-bundle.ts";
import { detokenize, flushDetokenizer, startDetokenizer } from "./detokenizer.ts";
import { encodeSentencePiece, type SentencePieceVocabulary, sentencePieceVocabulary } from "./sentencepiece.ts";
import { type TokenTable, tokenTable } from "./token-table.ts";

export interface EncodeOptions {
  /** Put the beginning-of-sequence token first where the model asks for it: yes for raw text, no for rendered chats. */
  readonly addSpecial: boolean;
}

export interface Tokenizer {
  /** For `textFold`, `tokenBytes`, `spelledBytes` and `isSilent`. */
  readonly table: TokenTable;
  /** Special tokens that occur in the text are recognized. The first call opens the vocabulary (~0.1 s per 50,000 tokens). */
  encode(text: string, options: EncodeOptions): Int32Array;
  /** The text of ids that are a text of their own; silent tokens add nothing. */
  decode(ids: Iterable<number>): string;
}

type Encoder = (text: string) => readonly number[];

function openLibrary(source: HuggingFaceTokenizer): Encoder {
  let library: LibraryTokenizer;
  try {
    library = new LibraryTokenizer(source.tokenizer, source.config);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ServingError("DATA_LOSS", `the model's tokenizer cannot be opened: ${why}`, { cause });
  }
  // The bundle says whether there is a beginning of sequence; the library's own post-processor is left out.
  return (text) => (text === "" ? [] : library.encode(text, { add_special_tokens: false }).ids);
}

function openSentencePiece(vocabulary: SentencePieceVocabulary): Encoder {
  return (text) => encodeSentencePiece(vocabulary, text);
}

/** @throws ServingError DATA_LOSS for a damaged vocabulary, UNIMPLEMENTED for a kind that cannot be spelled in bytes. */
export function createTokenizer(bundle: TextBundle): Tokenizer {
  const table = tokenTable(bundle);
  const source = bundle.tokenizer;
  const open = (): Encoder => (source.kind === "huggingface" ? openLibrary(source) : openSentencePiece(sentencePieceVocabulary(source)));
  let encoder: Encoder | undefined;
  return {
    table,
    encode(text, options) {
      encoder ??= open();
      const ids = encoder(text);
      return options.addSpecial && bundle.addBos && bundle.bosId !== undefined
        ? Int32Array.from([bundle.bosId, ...ids])
        : Int32Array.from(ids);
    },
    decode(ids) {
      let state = startDetokenizer(table, { textStart: true });
      const pieces: string[] = [];
      for (const id of ids) {
        const step = detokenize(table, state, id);
        pieces.push(step.piece);
        state = step.state;
      }
      return pieces.join("") + flushDetokenizer(state);
    },
  };
}
