/**
 * How the byte-level vocabularies that GGUF files name in `tokenizer.ggml.pre` cut a text before merging, as pre-tokenizers of
 * a tokenizer.json. Source of names and expressions: llama.cpp llama-vocab.cpp, and the models' own tokenizer.json. Pure.
 */

export interface PreTokenization {
  /** Steps of a `Sequence` pre-tokenizer; the last one writes bytes as GPT-2's alphabet. */
  readonly steps: readonly object[];
  /** A piece that is a token as a whole is not merged up from bytes. */
  readonly ignoreMerges: boolean;
  /** Whether texts begin with beginning-of-sequence when the file does not say. */
  readonly addBos: boolean;
}

const CONTRACTION = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const ASCII_PUNCTUATION = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]";

const llama3 = (digits: string): string =>
  `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`;

/** Words by case, as OpenAI's o200k and Mistral's Tekken have them. */
const cased = (ending: string, digits: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${ending}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`;

/** `\p{N}` as a Split: the step `Digits` would miss numbers such as ½ and Ⅳ. */
const split = (regex: string): object => ({ type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false });
const byteLevel = (useRegex: boolean): object => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: useRegex });

const plain = (steps: readonly object[]): PreTokenization => ({ steps, ignoreMerges: false, addBos: false });
const byRegex = (...expressions: readonly string[]): PreTokenization => plain([...expressions.map(split), byteLevel(false)]);
const llama = { ...byRegex(llama3("\\p{N}{1,3}")), ignoreMerges: true, addBos: true };

const GPT_2 = plain([byteLevel(true)]);
const SINGLE_DIGITS = plain([split("\\p{N}"), byteLevel(true)]);
const QWEN_2 = byRegex(llama3("\\p{N}"));
const LLAMA_3_WITHOUT_BOS = byRegex(llama3("\\p{N}{1,3}"));
const GPT_4O = byRegex(cased(`${CONTRACTION}?`, "\\p{N}{1,3}"));
const TEKKEN = { ...byRegex(cased("", "\\p{N}")), ignoreMerges: true, addBos: true };
const DEEPSEEK_3 = byRegex(
  "\\p{N}{1,3}",
  "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
  `${ASCII_PUNCTUATION}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`,
);

const PRE_TOKENIZATIONS: ReadonlyMap<string, PreTokenization> = new Map(
  [
    { names: ["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion"], pre: GPT_2 },
    { names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"], pre: SINGLE_DIGITS },
    { names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"], pre: llama },
    { names: ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], pre: LLAMA_3_WITHOUT_BOS },
    { names: ["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"], pre: QWEN_2 },
    { names: ["gpt-4o", "llama4"], pre: GPT_4O },
    { names: ["tekken"], pre: TEKKEN },
    { names: ["deepseek-v3", "hunyuan-dense"], pre: DEEPSEEK_3 },
  ].flatMap(({ names, pre }) => names.map((name): [string, PreTokenization] => [name, pre])),
);

export const PRE_TOKENIZER_NAMES: readonly string[] = [...PRE_TOKENIZATIONS.keys()];

export function preTokenization(name: string): PreTokenization | undefined {
  return PRE_TOKENIZATIONS.get(name);
}
