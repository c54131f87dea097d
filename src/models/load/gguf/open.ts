/** @file A GGUF file's tensors under the names it gives them. */
import { FileError } from "../../../tensor/index.js";
import { Numbers } from "../numbers.js";
import type { ByteSource } from "../source.js";
import type { Weights } from "../weights.js";
import { dequantise } from "./dequantise.js";
import { type GgufTensor, readGgufHeader } from "./header.js";
import { blockOf, readableTypes } from "./types.js";

/** Opens a GGUF file; numbers are dequantised when asked for. */
export function openGguf(source: ByteSource): Weights {
  const { metadata, tensors } = readGgufHeader(source);
  const find = (name: string): GgufTensor => {
    const found = tensors.get(name);
    if (found) return found;
    const [argument, got] = [`"${name}"`, `is not in ${source.name}`];
    throw new FileError({ where: "readWeights", argument, got, expected: `one of its ${tensors.size} tensors` });
  };
  const readable = (name: string): GgufTensor => {
    const t = find(name);
    if (!blockOf(t.type)) throw unsupported(t, source.name);
    return t;
  };
  const numbers = new Numbers(source, dequantise);
  return {
    metadata,
    names: [...tensors.keys()],
    info: find,
    tensor: (name) => numbers.tensor(readable(name)),
    rows: (name) => numbers.rows(readable(name)), // a row is whole blocks: the header was held against that
    close: () => source.close(),
  };
}

const unsupported = ({ name, type }: GgufTensor, file: string): FileError =>
  new FileError({
    where: "readWeights",
    argument: `tensor "${name}" of ${file}`,
    got: `has type ${type}`,
    expected: `one of ${readableTypes.join(", ")}`,
    fix: "take a file in one of these types",
  });
