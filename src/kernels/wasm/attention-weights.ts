/** @file A map, or a part of it, on kernel memory: assembly/attention-weights.ts. */
import { Tensor } from "../../tensor/index.js";
import type { AttentionCall } from "../kernel.js";
import { beginAttention } from "./attention.js";
import type { Workspace } from "./workspace.js";

/** An exponential and what else a pair costs beside its product, in multiply-adds. */
const PAIR = 24;
/** Numbers of a map that are in kernel memory at once where the map itself is not: 8 MB. */
const PART = 2 ** 21;

type ScoredCall = Omit<AttentionCall, "v" | "valueDim">;
type Range = readonly [from: number, to: number];

/** Outside of every scope a map goes to ordinary memory part by part: kernel memory only grows, and maps are large. */
export function attentionWeights(w: Workspace, call: ScoredCall, rows: Range, columns: Range, lse?: Tensor): Tensor {
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  const heads = call.batch * call.heads;
  const shape = [call.batch, call.heads, height, width];
  const all = heads * height * width;
  if (w.scopes.active || all <= PART) {
    return w.operation(() => {
      const weights = w.result(shape);
      writeWeights(w, call, rows, columns, lse, weights.address);
      return weights.tensor;
    });
  }
  const map = new Float32Array(all);
  const step = Math.max(1, Math.floor(PART / (heads * width)));
  for (let from = rows[0]; from < rows[1]; from += step) {
    const to = Math.min(from + step, rows[1]);
    const size = (to - from) * width;
    w.operation(() => {
      const part = w.temporary(heads * size * 4);
      writeWeights(w, call, [from, to], columns, lse, part);
      for (let h = 0; h < heads; h++) {
        const start = part / 4 + h * size;
        map.set(w.memory.floats.subarray(start, start + size), (h * height + from - rows[0]) * width);
      }
    });
  }
  return new Tensor({ array: map }, shape);
}

/** Writes [B, H, rows, columns] at an address. */
function writeWeights(
  w: Workspace,
  call: ScoredCall,
  rows: Range,
  columns: Range,
  lse: Tensor | undefined,
  out: number,
): void {
  const { batch, heads, headDim } = call;
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  if (height <= 0 || width <= 0) return;
  const total = w.operand(lse);
  const c = beginAttention(w, { ...call, v: call.k, valueDim: 0 });
  const blocks = Math.ceil(height / w.wasm.weightsRows!());
  c.o = out;
  c.lse = total;
  c.firstRow = rows[0];
  c.endRow = rows[1];
  c.firstColumn = columns[0];
  c.endColumn = columns[1];
  c.blockCount = blocks;
  const { address } = c;
  const pairs = batch * heads * height * (lse ? width : width + call.keys);
  const scratch = w.wasm.weightsScratch!(address);
  w.pool.run("attentionWeights", address, batch * heads * blocks, scratch, pairs * (headDim + PAIR), call.threads);
}
