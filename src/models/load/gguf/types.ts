/** @file Number forms of GGUF files: their codes, and how many bytes hold how many numbers. */

/** Names by code; codes that are missing were withdrawn. */
// biome-ignore format: a table
const names: Readonly<Record<number, string>> = {
  0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K",
  12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
  21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16",
  34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
};

/** The name of a code; "code 77" for one that is not known. */
export function typeName(code: number): string {
  return names[code] ?? `code ${code}`;
}

/** A block: so many bytes hold so many numbers. */
export interface Block {
  numbers: number;
  bytes: number;
}

const blocks: Readonly<Record<string, Block>> = {
  F32: { numbers: 1, bytes: 4 },
  F16: { numbers: 1, bytes: 2 },
  BF16: { numbers: 1, bytes: 2 },
  Q4_0: { numbers: 32, bytes: 2 + 16 },
  Q4_1: { numbers: 32, bytes: 4 + 16 },
  Q5_0: { numbers: 32, bytes: 2 + 4 + 16 },
  Q5_1: { numbers: 32, bytes: 4 + 4 + 16 },
  Q8_0: { numbers: 32, bytes: 2 + 32 },
  Q2_K: { numbers: 256, bytes: 16 + 64 + 4 },
  Q3_K: { numbers: 256, bytes: 32 + 64 + 12 + 2 },
  Q4_K: { numbers: 256, bytes: 4 + 12 + 128 },
  Q5_K: { numbers: 256, bytes: 4 + 12 + 32 + 128 },
  Q6_K: { numbers: 256, bytes: 128 + 64 + 16 + 2 },
  IQ4_NL: { numbers: 32, bytes: 2 + 16 },
  IQ4_XS: { numbers: 256, bytes: 2 + 2 + 4 + 128 },
};

/** The block of a type we read; undefined for the others. */
export function blockOf(type: string): Block | undefined {
  return Object.hasOwn(blocks, type) ? blocks[type] : undefined;
}

/** Types we read. */
export const readableTypes: readonly string[] = Object.keys(blocks);
