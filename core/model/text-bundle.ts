/**
 * All that turns a language model's text into token ids and back. The partitioner writes it as `text.json` beside the shards,
 * agents publish it under its digest, gateways fetch and cache it: engines speak ids only. Pure.
 */

/** A Hugging Face tokenizer: the parsed `tokenizer.json` and `tokenizer_config.json`. */
export interface HuggingFaceTokenizer {
  readonly kind: "huggingface";
  readonly tokenizer: object;
  readonly config: object;
}

/** A SentencePiece vocabulary as GGUF files of `tokenizer.ggml.model = "llama"` hold it: scores instead of merges. */
export interface SentencePieceTokenizer {
  readonly kind: "sentencepiece";
  readonly tokens: readonly string[];
  readonly scores: readonly number[];
  /** GGUF token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  readonly types: readonly number[];
  readonly addSpacePrefix: boolean;
}

export interface TextBundle {
  readonly format: 1;
  readonly tokenizer: HuggingFaceTokenizer | SentencePieceTokenizer;
  /** A Jinja template; undefined for base models. */
  readonly chatTemplate: string | undefined;
  /** Prepended to raw text by tokenizers that ask for it; the chat template writes its own. */
  readonly bosId: number | undefined;
  readonly addBos: boolean;
  /** The texts that chat templates know as bos_token and eos_token; empty where there is none. */
  readonly bosToken: string;
  readonly eosToken: string;
  /** Ids that end a generation: end of sequence, end of turn. */
  readonly stopIds: readonly number[];
  readonly vocabSize: number;
  readonly contextLength: number;
}
