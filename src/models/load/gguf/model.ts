/**
 * @file A GGUF file as a model: its metadata as a config, its tensors under checkpoint names, its tokenizer.
 *
 * llama.cpp turns neighbouring pairs where checkpoints turn halves, so its converter interleaves the rows of q and k
 * for the "llama" architecture; they are put back here. https://github.com/ggml-org/llama.cpp, convert_hf_to_gguf.py.
 */
import { turn, turnedRows } from "../../conv1d.js";
import { FileError, nearestName, type Tensor, tensor } from "../../../tensor/index.js";
import type { WeightRows } from "../../../kernels/kernel.js";
import type { ConfigJson } from "../../config.js";
import type { ModelFiles } from "../files.js";
import { fileSource } from "../source.js";
import type { WeightInfo, Weights } from "../weights.js";
import { checkpointName, type Family, families } from "./families.js";
import { openGguf } from "./open.js";
import { ggufTokenizer } from "./tokenizer.js";

/** Opens a .gguf file (Node). */
export async function ggufFiles(path: string): Promise<ModelFiles> {
  const source = await fileSource(path);
  try {
    return ggufModel(openGguf(source), path);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** An open GGUF file as a model's files. */
export function ggufModel(weights: Weights, name: string): ModelFiles {
  const { metadata } = weights;
  const architecture = metadata["general.architecture"] as string;
  if (!Object.hasOwn(families, architecture ?? "")) {
    const nearest = nearestName(String(architecture), Object.keys(families));
    throw new FileError({
      where: "loadModel",
      argument: `"general.architecture" of ${name}`,
      got:
        architecture === undefined ? "is missing" : `is "${architecture}"${nearest ? `; nearest is "${nearest}"` : ""}`,
      expected: `one of ${Object.keys(families).join(", ")}`,
      fix: "load the model's Hugging Face folder instead",
    });
  }
  const family = families[architecture]!;
  const config = configOf(weights, family, architecture, name);
  const ends = ["eos", "eot"].flatMap(
    (role) => (metadata[`tokenizer.ggml.${role}_token_id`] as number | undefined) ?? [],
  );
  const divisors = weights.names.includes("rope_freqs.weight") ? weights.tensor("rope_freqs.weight").data : undefined;
  return {
    name,
    config,
    configFile: `the metadata of ${name}`,
    weights: checkpointNames(weights, family, config),
    tokenizer: ggufTokenizer(metadata, name),
    ...(ends.length > 0 && { endIds: ends }),
    ropeDivisors: divisors,
  };
}

function configOf(weights: Weights, family: Family, arch: string, file: string): ConfigJson {
  const { metadata } = weights;
  const maybe = (key: string): number | undefined => metadata[`${arch}.${key}`] as number | undefined;
  const need = (key: string): number => {
    const value = maybe(key);
    if (typeof value === "number") return value;
    const argument = `"${arch}.${key}" of ${file}`;
    throw new FileError({ where: "loadModel", argument, got: value === undefined ? "is missing" : "is no number" });
  };
  const scaling = metadata[`${arch}.rope.scaling.type`] as string | undefined;
  const described = family.config({
    need,
    maybe,
    has: (name) => weights.names.includes(name),
    vocabulary: weights.info("token_embd.weight").shape[0]!,
    ropeScaling: scaling && scaling !== "none" ? ropeScaling(metadata, arch, scaling) : undefined,
  });
  for (const [key, setting] of [
    ["rope.dimension_count", described["head_dim"]],
    ["attention.value_length", described["head_dim"]],
  ] as const) {
    const value = maybe(key);
    if (value === undefined || setting === undefined || value === setting) continue;
    const argument = `"${arch}.${key}" of ${file}`;
    const fix = "load the model's Hugging Face folder instead";
    throw new FileError({
      where: "loadModel",
      argument,
      got: `is ${value}`,
      expected: `${setting}, the size of a head`,
      fix,
    });
  }
  return {
    ...described,
    bos_token_id: metadata["tokenizer.ggml.bos_token_id"] ?? null,
    eos_token_id: metadata["tokenizer.ggml.eos_token_id"] ?? null,
    pad_token_id: metadata["tokenizer.ggml.padding_token_id"] ?? null,
  };
}

function ropeScaling(metadata: Weights["metadata"], arch: string, type: string): Record<string, unknown> {
  const of = (key: string): unknown => metadata[`${arch}.rope.scaling.${key}`];
  return {
    rope_type: type,
    factor: of("factor"),
    original_max_position_embeddings: of("original_context_length"),
    attention_factor: of("attn_factor"),
  };
}

/** Layer matrices of a turned family: all but norms, which have one axis. */
const layerMatrix = /^h\.\d+\.(attn|mlp)\.\w+\.weight$/;

function checkpointNames(weights: Weights, family: Family, config: ConfigJson): Weights {
  const own = new Map<string, string>();
  for (const name of weights.names)
    if (name !== "rope_freqs.weight") own.set(checkpointName(family, name) ?? name, name);
  const heads = { q: config["num_attention_heads"] as number, k: config["num_key_value_heads"] as number };
  /** What is to be done to a tensor's numbers; undefined where they are as the checkpoint has them. */
  const changed = (name: string): Change | undefined => {
    if (family.turned && layerMatrix.test(name)) return { tensor: turn, rows: turnedRows };
    const found = family.interleaved && /self_attn\.([qk])_proj\.(weight|bias)$/.exec(name);
    return found ? halves(heads[found[1] as "q" | "k"]) : undefined;
  };
  const info = (name: string): WeightInfo => {
    const found = weights.info(own.get(name) ?? name);
    return family.turned && layerMatrix.test(name) ? { ...found, shape: [...found.shape].reverse() } : found;
  };
  return {
    ...weights,
    names: [...own.keys()],
    info,
    tensor(name) {
      const value = weights.tensor(own.get(name) ?? name);
      return changed(name)?.tensor(value) ?? value;
    },
    rows(name) {
      const rows = weights.rows(own.get(name) ?? name);
      const change = changed(name);
      return change ? change.rows(rows) : rows;
    },
  };
}

/** Another order of a tensor's numbers, of all of them or of rows as they are wanted. */
interface Change {
  tensor(x: Tensor): Tensor;
  rows(rows: WeightRows): WeightRows;
}

/** Rows 0, 2, 4 … then 1, 3, 5 … of every head: pairs of neighbours become pairs of halves. */
function halves(heads: number): Change {
  /** Where row n is in the file, of R in all. */
  const source = (n: number, R: number): number => {
    const D = R / heads;
    const i = n % D;
    return n - i + (i < D / 2 ? 2 * i : 2 * i - D + 1);
  };
  return {
    tensor(x) {
      const [R, width] = [x.shape[0]!, x.size / x.shape[0]!];
      const out = new Float32Array(x.size);
      for (let n = 0; n < R; n++) {
        const from = source(n, R) * width;
        out.set(x.data.subarray(from, from + width), n * width);
      }
      return tensor(out, x.shape);
    },
    rows({ shape, read }) {
      const [R, width] = shape as [number, number];
      return {
        shape,
        read(from, to, out) {
          for (let n = from, at = 0; n < to; n++, at += width) {
            const row = source(n, R);
            read(row, row + 1, out.subarray(at, at + width));
          }
        },
      };
    },
  };
}
