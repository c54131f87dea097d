// The public surface of "qkv/text".
export { type ChatMessage, type ChatOptions, renderChat } from "./chat.js"; // messages → the text a chat model was trained on
export type { AddedTokenJson, TokenizerConfigJson, TokenizerJson } from "./json.js"; // tokenizer.json as a type
export { loadTokenizer, readTokenizer, type TokenizerFiles } from "./load.js"; // from disk, from memory
export { TokenStream } from "./stream.js"; // text as its tokens come, whole characters only
export { type EncodeOptions, type Encoding, Tokenizer } from "./tokenizer.js"; // text ⇄ ids, with places in the text
