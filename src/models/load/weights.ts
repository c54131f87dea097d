/**
 * @file Weights of a file by name: safetensors (one file or several with an index) or GGUF.
 */
import {
  decodeFloat32,
  FileError,
  parseSafetensorsHeader,
  type SafetensorsEntry,
  safetensorsHeaderLength,
  type Tensor,
} from "../../tensor/index.js";
import type { WeightRows } from "../../kernels/kernel.js";
import { openGguf } from "./gguf/open.js";
import { Numbers } from "./numbers.js";
import { type ByteSource, fileSource, memorySource } from "./source.js";

/** What is known of a weight before it is read. */
export interface WeightInfo {
  shape: readonly number[];
  /** How the file stores it: "F32", "BF16", "Q4_K". */
  type: string;
  /** Bytes in the file. */
  bytes: number;
}

/** Tensors of a file, read one by one when asked for. */
export interface Weights {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly names: readonly string[];
  info(name: string): WeightInfo;
  /** The numbers as float32, in memory of their own. */
  tensor(name: string): Tensor;
  /** A matrix [N, …] to be read in parts, as float32. */
  rows(name: string): WeightRows;
  /** Gives the file back to the system. */
  close(): void;
}

/**
 * Opens a weights file, safetensors or GGUF; which of the two is seen from its first bytes.
 * @param file a path (Node) or the file's bytes
 * @throws {FileError} when it is neither, when its header lies or when it is cut short
 * @example
 * const weights = await readWeights("model.safetensors");
 * weights.tensor(weights.names[0]).shape
 */
export async function readWeights(file: string | Uint8Array): Promise<Weights> {
  const source = typeof file === "string" ? await fileSource(file) : memorySource(file, "the bytes given");
  try {
    return openWeights(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

/** @internal As `readWeights`, of a source. */
export function openWeights(source: ByteSource): Weights {
  const magic = source.size >= 4 ? String.fromCharCode(...source.read(0, 4)) : "";
  return magic === "GGUF" ? openGguf(source) : openSafetensors(source);
}

function openSafetensors(source: ByteSource): Weights {
  const { name: file, size } = source;
  const length = safetensorsHeaderLength(source.read(0, Math.min(8, size)), size, file);
  const { metadata, entries } = parseSafetensorsHeader(source.read(8, length), size, file);
  const names = [...entries.keys()];
  const find = (name: string): SafetensorsEntry => entries.get(name) ?? notThere(name, file, names);
  const numbers = new Numbers(source, decodeFloat32);
  return {
    metadata,
    names,
    info: (name) => find(name),
    tensor: (name) => numbers.tensor(find(name)),
    rows: (name) => numbers.rows(find(name)),
    close: () => source.close(),
  };
}

/** Several files as one. A name may stand in one file only. */
export function joinWeights(parts: readonly Weights[]): Weights {
  const where = new Map<string, Weights>();
  for (const part of parts) for (const name of part.names) where.set(name, part);
  const names = [...where.keys()];
  const find = (name: string): Weights => where.get(name) ?? notThere(name, "the files", names);
  return {
    metadata: Object.assign({}, ...parts.map((p) => p.metadata)) as Record<string, unknown>,
    names,
    info: (name) => find(name).info(name),
    tensor: (name) => find(name).tensor(name),
    rows: (name) => find(name).rows(name),
    close: () => parts.forEach((p) => p.close()),
  };
}

function notThere(name: string, file: string, names: readonly string[]): never {
  throw new FileError({
    where: "readWeights",
    argument: `"${name}"`,
    got: `is not in ${file}`,
    expected: `one of its ${names.length} tensors`,
  });
}
