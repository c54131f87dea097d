/**
 * @file SentencePiece's precompiled normalisation: a map from byte strings to replacements, kept as a double array.
 *
 *     bytes 0–3   length n of the double array, little-endian
 *     n bytes     the double array (darts-clone): 32-bit units that walk the key byte by byte
 *     the rest    replacements, UTF-8, each ended by a zero byte
 *
 * A unit holds the label it must be entered by, the offset of its children, and whether a value hangs below it.
 * Double arrays: Aoe 1989; format: https://github.com/s-yata/darts-clone (BSD).
 */
import { FileError } from "../tensor/index.js";
import type { Aligned } from "./aligned.js";

const utf8 = new TextEncoder();

/** Decodes `precompiled_charsmap` to a normaliser. */
export function charsmap(base64: string): (text: Aligned) => Aligned {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = bytes.length >= 4 ? view.getUint32(0, true) : 0;
  if (bytes.length < 4 || size % 4 !== 0 || size > bytes.length - 4) {
    throw new FileError({
      where: "loadTokenizer",
      argument: "precompiled_charsmap",
      got: `has ${bytes.length} bytes and says that its first part has ${size}`,
      fix: "use the tokenizer.json that belongs to the model",
    });
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + size);
  const known = new Map<string, string | undefined>();
  const rewrite = (part: string): string | undefined => {
    if (!known.has(part)) {
      const at = firstValue(units, utf8.encode(part));
      known.set(part, at === undefined ? undefined : textAt(replacements, at));
    }
    return known.get(part);
  };
  return (text) => text.mapParts(parts(text.text, rewrite));
}

/** Value of the shortest key that the bytes begin with: what SentencePiece's Rust reader takes. */
function firstValue(units: Uint32Array, key: Uint8Array): number | undefined {
  const offset = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let node = offset(units[0] ?? 0);
  for (const byte of key) {
    node ^= byte;
    const unit = units[node];
    if (byte === 0 || unit === undefined || (unit & 0x800000ff) !== byte) return undefined;
    node ^= offset(unit);
    if ((unit >>> 8) & 1) return (units[node] ?? 0) & 0x7fffffff;
  }
  return undefined;
}

function textAt(blob: Uint8Array, at: number): string {
  const end = blob.indexOf(0, at);
  return new TextDecoder().decode(blob.subarray(at, end < 0 ? blob.length : end));
}

/** What people see as one character is looked up whole when it is short (< 6 bytes), else code point by code point. */
function* parts(text: string, rewrite: (part: string) => string | undefined): Iterable<[part: string, to: string]> {
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
    const whole = utf8.encode(segment).length < 6 ? rewrite(segment) : undefined;
    if (whole !== undefined) yield [segment, whole];
    else for (const char of segment) yield [char, rewrite(char) ?? char];
  }
}
