/**
 * @file Self-attention layers over an efficient mechanism, with the weight names of Hugging Face's Longformer, BigBird and
 * Reformer, so that their checkpoints load; and any mechanism as the `attention` of a block.
 */
import {
  type BigBirdOptions, bigBird, type LongformerOptions, longformer, type ReformerOptions, reformer, type Table,
} from "../attention/efficient/index.js"; // biome-ignore format: a list
import { mergeHeads, splitHeads } from "../attention/index.js";
import { ops } from "../kernels/current.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, tensor } from "../tensor/index.js";
import { Linear } from "./linear.js";
import { Module, type Part } from "./module.js";

type Input = Tensor | TensorLike;

/** What every layer here is told beside x. */
export interface EfficientCall {
  /** [B, L], 1 = real token. */
  keyPadding?: Table;
}

interface Width {
  dModel: number;
  heads: number;
}

/** Checks x [B, L, dModel] and gives a projection of it by heads. */
function reader(where: string, { dModel, heads }: Width, given: Input) {
  const x = asTensor(given, where, "x");
  if (x.shape.length !== 3 || x.shape[2] !== dModel) {
    throw new ShapeError({
      where,
      argument: "x",
      got: `has shape ${show(x.shape)}`,
      expected: `[batch, length, ${dModel}]`,
    });
  }
  return { x, read: (layer: Linear) => splitHeads(layer.forward(x), heads) }; // [B, H, L, D]
}

function checkHeads(where: string, { dModel, heads }: Width): void {
  if (heads > 0 && dModel % heads === 0) return;
  throw new OptionError({
    where,
    argument: "heads",
    got: `is ${heads}`,
    expected: `a number that divides dModel ${dModel}`,
  });
}

const square = ({ dModel }: Width, bias: boolean) => new Linear({ inputs: dModel, outputs: dModel, bias });

/** Rows of padded queries as zeros: Hugging Face multiplies by the mask, and later layers count on it. */
function silenced(out: Tensor, keyPadding: Table | undefined): Tensor {
  if (keyPadding === undefined) return out;
  const [B, L] = out.shape as [number, number];
  const data = Array.isArray(keyPadding)
    ? (keyPadding as number[][]).flat()
    : (keyPadding as { data: ArrayLike<number | bigint> }).data;
  return ops().binary(
    "multiply",
    out,
    tensor(
      Float32Array.from(data, (m) => (Number(m) === 0 ? 0 : 1)),
      [B, L, 1],
    ),
  );
}

export interface LongformerLayerOptions extends Width, Pick<LongformerOptions, "window" | "dilation"> {}

/** Hugging Face's LongformerSelfAttention: six projections, three of them for global tokens. Beltagy et al. 2020 (arXiv:2004.05150). */
export class LongformerSelfAttention extends Module {
  readonly options: LongformerLayerOptions;
  readonly #parts: Record<"query" | "key" | "value" | "query_global" | "key_global" | "value_global", Linear>;

  constructor(options: LongformerLayerOptions) {
    super();
    checkHeads("LongformerSelfAttention", options);
    this.options = options;
    const one = () => square(options, true);
    this.#parts = {
      query: one(),
      key: one(),
      value: one(),
      query_global: one(),
      key_global: one(),
      value_global: one(),
    };
  }

  parts(): Record<string, Part> {
    return this.#parts;
  }

  /** @param x [B, L, dModel]   @param call.globalTokens positions, for all items or one list each   @returns [B, L, dModel]; zeros where padded */
  forward(x: Input, call: EfficientCall & Pick<LongformerOptions, "globalTokens"> = {}): Tensor {
    const { read } = reader("LongformerSelfAttention", this.options, x);
    const { query, key, value, query_global, key_global, value_global } = this.#parts;
    const { window, dilation } = this.options;
    const any = (call.globalTokens?.length ?? 0) > 0;
    const own = any
      ? { globalQuery: read(query_global), globalKey: read(key_global), globalValue: read(value_global) }
      : {};
    const options: LongformerOptions = {
      ...call,
      ...own,
      ...(window !== undefined && { window }),
      ...(dilation !== undefined && { dilation }),
    };
    return silenced(mergeHeads(longformer(read(query), read(key), read(value), options)), call.keyPadding);
  }
}

export interface BigBirdLayerOptions extends Width, Pick<BigBirdOptions, "blockSize" | "repeatedBlocks"> {
  /** Biases of the projections (`use_bias`); default true. */
  bias?: boolean;
}

/** Hugging Face's BigBirdBlockSparseAttention. Zaheer et al. 2020 (arXiv:2007.14062). */
export class BigBirdSelfAttention extends Module {
  readonly options: BigBirdLayerOptions;
  readonly #parts: Record<"query" | "key" | "value", Linear>;

  constructor(options: BigBirdLayerOptions) {
    super();
    checkHeads("BigBirdSelfAttention", options);
    this.options = options;
    const one = () => square(options, options.bias ?? true);
    this.#parts = { query: one(), key: one(), value: one() };
  }

  parts(): Record<string, Part> {
    return this.#parts;
  }

  /** @param x [B, L, dModel]   @param call.randomBlocks as in `bigBird`; all 0 is what Hugging Face uses in evaluation   @returns [B, L, dModel]; zeros where padded */
  forward(x: Input, call: EfficientCall & Pick<BigBirdOptions, "randomBlocks" | "seed"> = {}): Tensor {
    const { read } = reader("BigBirdSelfAttention", this.options, x);
    const { query, key, value } = this.#parts;
    const { blockSize, repeatedBlocks = "count" } = this.options; // as the checkpoints were trained
    const options: BigBirdOptions = { ...call, repeatedBlocks, ...(blockSize !== undefined && { blockSize }) };
    return silenced(mergeHeads(bigBird(read(query), read(key), read(value), options)), call.keyPadding);
  }
}

type ReformerShape = Pick<
  ReformerOptions,
  "buckets" | "rounds" | "chunkLength" | "chunksBefore" | "chunksAfter" | "causal"
>;
export interface ReformerLayerOptions extends Width, ReformerShape {
  /** false = a local layer, with keys of its own. Default true. */
  hashing?: boolean;
}

/** Hugging Face's LSHSelfAttention (`query_key`, `value`) or LocalSelfAttention (`query`, `key`, `value`). Kitaev et al. 2020 (arXiv:2001.04451). */
export class ReformerSelfAttention extends Module {
  readonly options: ReformerLayerOptions;
  readonly #parts: Record<string, Linear>;

  constructor(options: ReformerLayerOptions) {
    super();
    checkHeads("ReformerSelfAttention", options);
    this.options = options;
    const one = () => square(options, false);
    this.#parts =
      (options.hashing ?? true) ? { query_key: one(), value: one() } : { query: one(), key: one(), value: one() };
  }

  parts(): Record<string, Part> {
    return this.#parts;
  }

  /** @param x [B, L, dModel]   @param call.rotations, call.seed as in `reformer`   @returns [B, L, dModel] */
  forward(x: Input, call: EfficientCall & Pick<ReformerOptions, "rotations" | "seed"> = {}): Tensor {
    const { read } = reader("ReformerSelfAttention", this.options, x);
    const { dModel: _width, heads: _heads, ...shape } = this.options;
    const p = this.#parts;
    const q = read(p["query_key"] ?? p["query"]!);
    return mergeHeads(reformer(q, p["key"] ? read(p["key"]) : q, read(p["value"]!), { ...shape, ...call }));
  }
}
