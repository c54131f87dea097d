/** @file Files → a model: the architecture is made, its weights are held against the config and go in one by one. */
import { kernelInForce } from "../../kernels/current.js";
import type { WeightFormat, WeightRows } from "../../kernels/kernel.js";
import type { Parameter } from "../../nn/parameter.js";
import { FileError, ShapeError, show, sizeOf } from "../../tensor/index.js";
import { Config } from "../config.js";
import type { Model } from "../model.js";
import { architectureOf } from "../registry.js";
import type { ModelFiles } from "./files.js";
import type { Weights } from "./weights.js";

export interface BuildOptions {
  /**
   * How weight matrices are held. "f32" (default) is exact; "f16" and "bf16" take half the memory and are exact for
   * checkpoints stored so; "int8" a quarter, with an error of about 0.4 % of each row's largest weight; "numbers" are
   * plain tensors, ready to train.
   */
  weights?: WeightFormat | "numbers" | undefined;
  /** Told how much is read: bytes of the file so far, bytes in all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Most that 32-bit WebAssembly can address. */
const limit = 4 * 2 ** 30;
const bytesOf: Readonly<Record<WeightFormat, number>> = { f32: 4, f16: 2, bf16: 2, int8: 1 };

export function buildModel(files: ModelFiles, { weights: format = "f32", onProgress }: BuildOptions = {}): Model {
  const config = new Config(files.config, files.configFile);
  const { make, ignore } = architectureOf(config);
  const weights = renamed(files.weights);
  const names = new Set(weights.names);
  const { name, tokenizer, pooling, endIds, ropeDivisors } = files;
  try {
    requireLayers(config, names.size);
    const has = (n: string): boolean => names.has(n);
    const same = (one: string, other: string): boolean => areCopies(weights, one, other);
    const model = new make(config, { name, tokenizer, pooling, endIds, ropeDivisors, has, same });
    requireVocabulary(files, model);
    const wanted = new Map(model.named());
    requireShapes(wanted, weights, files);
    const isTied = model.readOut ? model.readOut.head.part === undefined : !wanted.has("lm_head.weight");
    if (format !== "numbers") requireRoom(wanted, files, format, isTied);
    model.load(counted(weights, wanted, onProgress), {
      where: "loadModel",
      ...(ignore && { ignore: (n: string) => ignore.test(n) }),
      ...(format !== "numbers" && {
        pack: (n: string, p: Parameter) => packed(n, p, format, isTied),
      }),
    });
    return model;
  } finally {
    weights.close();
  }
}

/** Every layer has a weight: so many as the config says are not made before that is seen. */
function requireLayers(config: Config, weights: number): void {
  for (const name of ["num_hidden_layers", "n_layers", "n_layer", "num_layers", "num_decoder_layers"]) {
    const layers = config.maybe(name) ?? 0;
    if (layers <= weights) continue;
    const fix = "use the config.json that belongs to these weights";
    config.refuse(name, `is ${layers}`, `at most ${weights}, as many as there are weights`, fix);
  }
}

/**
 * Matrices of linear layers, and the word table: it is multiplied at every step where it is the output layer too, and is
 * the largest matrix of a small model. Where the rest is int8 it is f16, since its error goes straight into the scores.
 * Other tables are small, are read by row and stay numbers.
 */
function packed(name: string, parameter: Parameter, format: WeightFormat, isTied: boolean): WeightFormat | undefined {
  if (parameter.shape.length !== 2) return undefined;
  if (/(^|\.)(embed_tokens|embed_in|wte|shared|word_embeddings)\.weight$/.test(name)) {
    if (format === "f32") return isTied ? format : undefined;
    return format === "int8" ? "f16" : format;
  }
  const isTable = /(embeddings?|embed_tokens|embed_in|wte|wpe|shared|relative_attention_bias)\.weight$/.test(name);
  return isTable ? undefined : format;
}

/** Whether two matrices hold the same numbers, judged by their first and last row. */
function areCopies(weights: Weights, one: string, other: string): boolean {
  const [a, b] = [weights.rows(one), weights.rows(other)];
  if (show(a.shape) !== show(b.shape)) return false;
  return [0, a.shape[0]! - 1].every((row) => {
    const width = sizeOf(a.shape.slice(1));
    const [x, y] = [new Float32Array(width), new Float32Array(width)];
    a.read(row, row + 1, x);
    b.read(row, row + 1, y);
    return x.every((n, i) => n === y[i]);
  });
}

/** Old TensorFlow names of LayerNorm. */
function renamed(weights: Weights): Weights {
  const old = new Map(
    weights.names.map((n) => [
      n.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias"),
      n,
    ]),
  );
  if (weights.names.every((n) => old.has(n))) return weights;
  const back = (name: string): string => old.get(name) ?? name;
  return {
    ...weights,
    names: [...old.keys()],
    info: (name) => weights.info(back(name)),
    tensor: (name) => weights.tensor(back(name)),
    rows: (name) => weights.rows(back(name)),
  };
}

function requireVocabulary({ tokenizer, configFile }: ModelFiles, model: Model): void {
  if (!tokenizer || tokenizer.vocabularySize <= model.vocabularySize) return;
  throw new FileError({
    where: "loadModel",
    argument: "tokenizer.json",
    got: `has ${tokenizer.vocabularySize} ids`,
    expected: `at most ${model.vocabularySize}, the vocab_size of ${configFile}`,
    fix: "use the tokenizer that belongs to this model",
  });
}

/** Every weight has the shape that the config says. Told before anything is read. */
function requireShapes(
  wanted: ReadonlyMap<string, Parameter>,
  weights: Weights,
  { configFile }: Pick<ModelFiles, "configFile">,
): void {
  for (const [name, parameter] of wanted) {
    if (!weights.names.includes(name)) continue; // Module.load names it, with the nearest one there is
    const { shape } = weights.info(name);
    const axis = parameter.shape.findIndex((d, i) => d !== shape[i]);
    if (axis < 0 && shape.length === parameter.shape.length) continue;
    throw new ShapeError({
      where: "loadModel",
      argument: `"${name}"`,
      got: `has ${shape[axis]} on axis ${axis} of ${show(shape)}`,
      expected: `${parameter.shape[axis]}, as ${configFile} says: ${show(parameter.shape)}`,
      fix: "use the config.json that belongs to these weights",
    });
  }
}

/** What is packed fits into the kernel's memory. Told before anything is read. */
function requireRoom(
  wanted: ReadonlyMap<string, Parameter>,
  { name }: Pick<ModelFiles, "name">,
  format: WeightFormat,
  isTied: boolean,
): void {
  if (kernelInForce().name === "reference") return;
  const need = (as: WeightFormat): number => {
    let bytes = 0;
    for (const [n, p] of wanted) {
      const form = packed(n, p, as, isTied);
      if (form) bytes += p.shape.reduce((a, b) => a * b, bytesOf[form]);
    }
    return bytes;
  };
  if (need(format) <= limit) return;
  const fitting = (["f16", "int8"] as const).filter((f) => need(f) <= limit);
  throw new FileError({
    where: "loadModel",
    argument: name,
    got: `needs ${(need(format) / 2 ** 30).toFixed(1)} GB as ${format}`,
    expected: "at most 4 GB, what 32-bit WebAssembly can address",
    fix:
      fitting.length > 0
        ? `hold its weights as ${fitting.map((f) => `"${f}"`).join(" or ")}: { weights: "${fitting[0]}" }, --weights ${fitting[0]}`
        : "take a smaller model: f16 holds two thousand million weights, int8 four",
  });
}

/** Weights that tell how many of their bytes have been read. */
function counted(
  weights: Weights,
  wanted: ReadonlyMap<string, Parameter>,
  onProgress: BuildOptions["onProgress"],
): Weights {
  if (!onProgress) return weights;
  const bytes = (name: string): number => (weights.names.includes(name) ? weights.info(name).bytes : 0);
  const total = [...wanted.keys()].reduce((n, name) => n + bytes(name), 0);
  let done = 0;
  return {
    ...weights,
    tensor(name) {
      const value = weights.tensor(name);
      onProgress((done += bytes(name)), total);
      return value;
    },
    rows(name): WeightRows {
      const { shape, read } = weights.rows(name);
      const perRow = bytes(name) / shape[0]!;
      return {
        shape,
        read(from, to, out) {
          read(from, to, out);
          onProgress((done += (to - from) * perRow), total);
        },
      };
    },
  };
}
