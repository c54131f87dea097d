// The public surface of "qkv/text".
export type { AddedTokenJson, TokenizerConfigJson, TokenizerJson } from "./json.js"; // tokenizer.json as a type
export { loadTokenizer, readTokenizer, type TokenizerFiles } from "./load.js"; // from disk, from memory
export { type EncodeOptions, type Encoding, Tokenizer } from "./tokenizer.js"; // text ⇄ ids, with places in the text
