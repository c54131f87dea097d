/**
 * @file The argument blocks of the kernels: one list of fields, printed as AssemblyScript classes and used in TypeScript
 * to write them. Every field is 4 bytes, so field n of a block lies at byte 4·n on both sides.
 */
export type FieldType = "usize" | "i32" | "f32";

/** "name" is a byte address, "name: i32" and "name: f32" are numbers. Strides are in bytes. */
export const callFields = {
  /** One attention. An address of 0 = the feature is not used. */
  AttentionArgs: [
    "q", "k", "v", "o", "lse", // o: the result, or its slope in the backward pass
    "qBatch", "qHead", "qRow", "kBatch", "kHead", "kRow", "vBatch", "vHead", "vRow", "oBatch", "oHead", "oRow",
    "heads: i32", "keyHeads: i32", "queries: i32", "keys: i32", "headDim: i32", "valueDim: i32",
    "first", "end", "ruleBatch: i32", // ruleBatch: entries from one batch item to the next, 0 or Lq
    "keyMask", "keyMaskBatch",
    "mask", "maskBatch: i32", "maskHead: i32", "maskQuery: i32", "maskKey: i32",
    "documentOfQuery", "documentOfKey", "documentQueryBatch: i32", "documentKeyBatch: i32", // entries of 4 bytes
    "blocks", "blockSize: i32", "blockBatch: i32", "blockHead: i32", "blockQuery: i32", "blockKey: i32",
    "bias", "biasBatch: i32", "biasHead: i32", "biasQuery: i32", "biasKey: i32",
    "slopes", "queryOffset: i32", "sinks",
    "scale: f32", "softcap: f32",
    "dropout: i32", "dropoutSeed: i32", "dropoutThreshold: i32", "dropoutScale: f32",
    "panel: i32", "panels: i32", "keyTile: i32", "blockCount: i32", "tasks: i32", // how the work is cut
    "unclean", // [B, Hk] bytes: 1 where k or v of the head holds NaN or ∞
    "output", "delta", "dq", "dk", "dv", "dBias", // backward only: o is the slope of the result there
    "overlap: i32", // backward: 1 where rows of q, k or v share numbers or leave some out, so that slopes are added to zeros
    "firstRow: i32", "endRow: i32", "firstColumn: i32", "endColumn: i32", // the part of a map that is asked for
  ],
  /** C = activation(scale·A·B + bias) + residual, B packed in panels. */
  ProductArgs: [
    "a", "aRow", "aStep", "aBatch", "transposedA: i32",
    "packed", "packedBatch", "tall: i32", "tiles: i32", // A in tiles: the first `tall` of PR rows, the others of 4
    "b", "bBatch", "c", "cRow", "cBatch",
    "bias", "residual", "activation: i32", "scale: f32",
    "format: i32", "columnScale", // of B: 0 = f32, 1 = bf16, 2 = f16, 3 = int8 with a scale a column
    "few", // one or two rows of A as a short format wants them (assembly/few-rows.ts); 0: weights are expanded
    "rows: i32", "depth: i32", "columns: i32",
    "tileBlock: i32", "panelBlock: i32", "tileBlocks: i32", "panelBlocks: i32", // how the work is cut
  ],
  /** What works element by element or row by row (assembly/each.ts): units [0, units), `block` of them a task. */
  EachArgs: [
    "operation: i32", "a", "b", "c", "d", "y", // what they are: each.ts
    "aRow", "bRow", "aOne: i32", "bOne: i32",
    "kind: i32", "length: i32", "dim: i32", "units: i32", "block: i32",
    "f0: f32", "f1: f32", "f2: f32", "f3: f32", "f4: f32", "f5: f32",
  ],
  /** A step of a recurrent layer, or its slope (assembly/cells.ts). */
  CellArgs: [
    "cell: i32", "size: i32", "rows: i32", "block: i32", // 0 = tanh, 1 = relu, 2 = lstm, 3 = gru; hidden units; rows a task
    "x", "xRow", "a", "aRow", "gates", "gatesRow", "h", "hRow", "before", "beforeRow", // before: h of the step before
    "c", "cRow", "cBefore", "cBeforeRow",
    "dOutput", "dCells", "dc", "da", "carry", // backward only
  ],
} as const; // biome-ignore format: read as tables

export type CallName = keyof typeof callFields;

type NameOf<F> = F extends `${infer Name}: ${FieldType}` ? Name : F;

/** Names of a block's fields. */
export type FieldName<N extends CallName> = NameOf<(typeof callFields)[N][number]> & string;

/** Splits "scale: f32" into its name and type. */
export function parseField(field: string): { name: string; type: FieldType } {
  const [name, type = "usize"] = field.split(": ");
  return { name: name!, type: type as FieldType };
}

/** The whole of assembly/calls.generated.ts. */
export function printCalls(): string {
  const classes = Object.entries(callFields).map(([name, fields]) => {
    const lines = fields.map(parseField).map((f) => `  ${f.name}: ${f.type};`);
    return `@unmanaged\nexport class ${name} {\n${lines.join("\n")}\n}`;
  });
  return `/** @file Argument blocks. Printed by ../generate/calls.ts, which explains them; do not edit. */\n// @ts-nocheck\n${classes.join("\n\n")}\n`;
}
