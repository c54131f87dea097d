/** @file A GGUF file as a model: its metadata as a config, its tensors under checkpoint names, its tokenizer. */
import { FileError, nearestName } from "../../../tensor/index.js";
import type { Pooling } from "../../embed.js";
import type { ConfigJson } from "../../config.js";
import type { ModelFiles } from "../files.js";
import { fileSource } from "../source.js";
import type { WeightInfo, Weights } from "../weights.js";
import type { Change } from "./changes.js";
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
    ...(poolingOf(metadata, architecture) && { pooling: poolingOf(metadata, architecture)! }),
  };
}

/** How a sentence encoder's file says its states become one vector. */
function poolingOf(metadata: Weights["metadata"], architecture: string): Pooling | undefined {
  const mode = ([undefined, "mean", "cls", "last"] as const)[metadata[`${architecture}.pooling_type`] as number];
  return mode && { mode, normalise: true }; // llama.cpp norms what it pools
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
    flag: (key) => metadata[`${arch}.${key}`] as boolean | undefined,
    numbers: (name) => (weights.names.includes(name) ? [...weights.tensor(name).data] : undefined),
    rows: (name) => (weights.names.includes(name) ? weights.info(name).shape[0]! : 0),
    vocabulary: weights.info("token_embd.weight").shape[0]!,
    ropeScaling: scaling && scaling !== "none" ? ropeScaling(metadata, arch, scaling) : undefined,
  });
  for (const [key, setting] of [
    ["rope.dimension_count", family.turnsInPart ? undefined : described["head_dim"]],
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

/** Angles of a rope, which go into the config. */
const isRope = (name: string): boolean => /^rope_(freqs|factors_long|factors_short)\.weight$/.test(name);

function checkpointNames(weights: Weights, family: Family, config: ConfigJson): Weights {
  const own = new Map<string, string>();
  const has = (name: string): boolean => weights.names.includes(name);
  const layers = typeof family.layers === "function" ? family.layers(has) : family.layers;
  for (const name of weights.names) if (!isRope(name)) own.set(checkpointName(layers, family.rest, name) ?? name, name);
  const changed = (name: string): Change | undefined => family.change?.(name, config);
  const info = (name: string): WeightInfo => {
    const found = weights.info(own.get(name) ?? name);
    return { ...found, shape: changed(name)?.shape?.(found.shape) ?? found.shape };
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
      return changed(name)?.rows(rows) ?? rows;
    },
  };
}
