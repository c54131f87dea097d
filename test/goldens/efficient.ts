/** @file Golden cases of the efficient mechanisms: tensors by name, projections to heads, comparison that says where. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { ops } from "../../src/kernels/index.js";
import { readSafetensors, show, type Tensor, tensor } from "../../src/tensor/index.js";
import type { GoldenCase } from "./where.js";

export interface Tensors {
  /** A tensor of the case as float32. */
  (name: string): Tensor;
  has(name: string): boolean;
  names: string[];
  /** Parameters without a prefix: "param." → { "query.weight": … }. */
  under(prefix: string): Record<string, Tensor>;
}

export function tensorsOf(c: GoldenCase, file = "golden.safetensors"): Tensors {
  const st = readSafetensors(readFileSync(join(c.folder, file)), file);
  const under = (prefix: string) =>
    Object.fromEntries(st.names.filter((n) => n.startsWith(prefix)).map((n) => [n.slice(prefix.length), st.tensor(n)]));
  return Object.assign((name: string) => st.tensor(name), {
    has: (name: string) => st.names.includes(name),
    names: st.names,
    under,
  });
}

/** x·Wᵀ + b cut into heads: [B, L, K] → [B, H, L, D]. */
export function project(x: Tensor, weight: Tensor, bias: Tensor | undefined, heads: number): Tensor {
  const o = ops();
  const [B, L] = x.shape as [number, number];
  const y = o.linear(x, weight, { bias });
  return o.permute(o.reshape(y, [B, L, heads, y.shape[2]! / heads]), [0, 2, 1, 3]);
}

/** [B, H, L, D] → [B, L, H·D]. */
export function merged(x: Tensor): Tensor {
  const [B, H, L, D] = x.shape as [number, number, number, number];
  return ops().reshape(ops().permute(x, [0, 2, 1, 3]), [B, L, H * D]);
}

/** The identity as values: an output is then the mechanism's effective map. */
export function identity(batch: number, heads: number, length: number): Tensor {
  const data = new Float32Array(batch * heads * length * length);
  for (let n = 0; n < batch * heads * length; n++) data[n * length + (n % length)] = 1;
  return tensor(data, [batch, heads, length, length]);
}

/** Equal within the case's tolerance; `skip` leaves numbers out by index along the axes. */
export function within(
  got: Tensor,
  want: Tensor,
  c: GoldenCase,
  name: string,
  skip: (index: number[]) => boolean = () => false,
): void {
  expect(show(got.shape), `${c.id} ${name}: shape`).toBe(show(want.shape));
  const tolerance: number = c.about.tensors[name].tol_abs;
  const index = (n: number) => {
    const at: number[] = [];
    for (let axis = want.shape.length - 1, rest = n; axis >= 0; axis--) {
      at.unshift(rest % want.shape[axis]!);
      rest = Math.floor(rest / want.shape[axis]!);
    }
    return at;
  };
  let worst = { error: -1, at: [] as number[], got: 0, want: 0 };
  for (let n = 0; n < want.size; n++) {
    const error = Math.abs(got.data[n]! - want.data[n]!);
    if ((error > worst.error || Number.isNaN(error)) && !skip(index(n))) {
      worst = { error, at: index(n), got: got.data[n]!, want: want.data[n]! };
      if (Number.isNaN(error)) break;
    }
  }
  expect(
    worst.error <= tolerance ? "within" : `[${worst.at}]: got ${worst.got}, want ${worst.want}, |Δ| ${worst.error} > ${tolerance}`,
    `${c.id} ${name}`,
  ).toBe("within");
}
