/**
 * @file Moving rows: gather by head, pad to a multiple, blank what is absent, choose between two tensors. All of it
 * through the kernel's gather, so that slopes flow back.
 */
import { ops } from "../../kernels/current.js";
import { type Tensor, zeros } from "../../tensor/index.js";
import type { Problem } from "./operands.js";
import { ints } from "./fill.js";

/** Rows `ids` of x [B, H, L, N], given for each head in turn (ids within the head) → [B, H, ids.length/(B·H), N]. */
export function takeRows(x: Tensor, ids: Int32Array): Tensor {
  const [B, H, L, N] = x.shape as [number, number, number, number];
  const each = ids.length / (B * H);
  const flat = ids.map((id, n) => id + Math.floor(n / each) * L);
  return ops().reshape(ops().gather(ops().reshape(x, [B * H * L, N]), flat), [B, H, each, N]);
}

/** [B, H, L, N] with zero rows after the last, up to `length`. */
export function padRows(x: Tensor, length: number): Tensor {
  const [B, H, L, N] = x.shape as [number, number, number, number];
  return length === L ? x : ops().concat([x, zeros([B, H, length - L, N])], 2);
}

/** The mask [B, Lk] of padded keys: what was padded is absent. */
export function padMask(
  mask: Uint8Array | undefined,
  batch: number,
  keys: number,
  length: number,
): Uint8Array | undefined {
  if (length === keys) return mask;
  const out = new Uint8Array(batch * length);
  for (let b = 0; b < batch; b++) {
    if (mask) out.set(mask.subarray(b * keys, (b + 1) * keys), b * length);
    else out.fill(1, b * length, b * length + keys);
  }
  return out;
}

/** The next multiple of `block`. */
export function roundUp(n: number, block: number): number {
  return Math.ceil(n / block) * block;
}

/** x [B, Hk, Lk, N] with the rows of absent keys as zeros. Gathered, not multiplied: 0·NaN would be NaN. */
export function blank(x: Tensor, keyMask: Uint8Array | undefined): Tensor {
  if (!keyMask) return x;
  const [B, H, L, N] = x.shape as [number, number, number, number];
  const rows = B * H * L;
  const ids = new Int32Array(rows);
  for (let r = 0; r < rows; r++) ids[r] = keyMask[Math.floor(r / (H * L)) * L + (r % L)] ? r : rows;
  const table = ops().concat([ops().reshape(x, [rows, N]), zeros([1, N])], 0);
  return ops().reshape(ops().gather(table, ids), x.shape);
}

/** Row by row from a where `fromB` is −1, else that row of b. a [.., N] and b [.., N] are taken as lists of rows. */
export function replaceRows(a: Tensor, b: Tensor, fromB: Int32Array): Tensor {
  const N = a.shape[a.shape.length - 1]!;
  const rows = a.size / N;
  const ids = fromB.map((at, r) => (at < 0 ? r : rows + at));
  const table = ops().concat([ops().reshape(a, [rows, N]), ops().reshape(b, [b.size / N, N])], 0);
  return ops().reshape(ops().gather(table, ids), a.shape);
}

/** Key heads repeated until there are as many as query heads: contiguous groups, x [B, Hk, L, N] → [B, H, L, N]. */
export function spreadHeads(x: Tensor, heads: number): Tensor {
  const [B, Hk, L, N] = x.shape as [number, number, number, number];
  if (Hk === heads) return x;
  const group = heads / Hk;
  const ids = ints(B * heads, (n) => Math.floor(n / group));
  return ops().reshape(ops().gather(ops().reshape(x, [B * Hk, L * N]), ids), [B, heads, L, N]);
}

/** Whether every number is finite; where not, a form that never multiplies a masked number is used. */
export function finite(...tensors: readonly Tensor[]): boolean {
  for (const t of tensors) {
    const data = t.data;
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return false;
  }
  return true;
}

/** The result without the rows that were padded. */
export function cut(x: Tensor, p: Problem): Tensor {
  return x.shape[2] === p.queries ? x : ops().slice(x, 2, 0, p.queries);
}
