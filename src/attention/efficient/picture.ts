/** @file A mechanism's mask as a small picture, read off its own map: a row a query, a column a key, ■ = sees. */
import type { Tensor } from "../../tensor/index.js";
import { tensor } from "../../tensor/index.js";
import { normals } from "../../tensor/random.js";

type Run = (q: Tensor, k: Tensor, v: Tensor, options: any) => Tensor;

/** Lines of ■ and ·, of head 0; with the identity as values an output is the map. */
export function picture(run: Run, length: number, options: object, headDim = 8): string[] {
  const x = tensor(normals(1, length * headDim), [1, 1, length, headDim]);
  const identity = new Float32Array(length * length);
  for (let i = 0; i < length; i++) identity[i * length + i] = 1;
  const map = run(x, x, tensor(identity, [1, 1, length, length]), options);
  return Array.from({ length }, (_, i) =>
    Array.from(map.data.subarray(i * length, (i + 1) * length), (w) => (w !== 0 ? "■" : "·")).join(" "),
  );
}
