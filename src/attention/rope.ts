/**
 * @file Rotary position embedding: pairs of numbers of q and k turn by an angle proportional to their position, so that
 * q·k depends on the distance alone. Su et al. 2021 (arXiv:2104.09864).
 *
 *     interleaved (GPT-J, GLM)    (x₀, x₁) (x₂, x₃) …            turn together
 *     half-split  (Llama, NeoX)   (x₀, x_{n/2}) (x₁, x_{n/2+1}) …
 */
import { ops } from "../kernels/current.js";
import { asTensor, ShapeError, show, type Tensor, type TensorLike, tensor } from "../tensor/index.js";
import { flat, integers } from "./lists.js";
import type { NumberTable } from "./options.js";
import { type RopeScaling, ropeFrequencies } from "./rope-scaling.js";

export interface RopeOptions {
  /** Which numbers make a pair. A wrong guess runs and gives nonsense: ask the checkpoint. Default false: half-split. */
  interleaved?: boolean | undefined;
  /** How many leading numbers of each head turn, the rest pass. Default all. */
  dim?: number | undefined;
  /** Default 10000. */
  base?: number | undefined;
  scaling?: RopeScaling | undefined;
}

/**
 * cos and sin of every position below `positions`, [positions, dim/2] each, times the scaling's attention factor.
 * @param options.length tokens of the text, for scalings that look at it; default `positions`
 */
export function ropeTables(
  positions: number,
  options: { dim: number; base?: number | undefined; scaling?: RopeScaling | undefined; length?: number | undefined },
): { cos: Tensor; sin: Tensor } {
  const { frequencies, attentionFactor } = ropeFrequencies({ ...options, length: options.length ?? positions });
  const pairs = frequencies.length;
  const [cos, sin] = [new Float32Array(positions * pairs), new Float32Array(positions * pairs)];
  for (let m = 0; m < positions; m++) {
    for (let p = 0; p < pairs; p++) {
      cos[m * pairs + p] = Math.cos(m * frequencies[p]) * attentionFactor;
      sin[m * pairs + p] = Math.sin(m * frequencies[p]) * attentionFactor;
    }
  }
  return { cos: tensor(cos, [positions, pairs]), sin: tensor(sin, [positions, pairs]) };
}

/**
 * Turns x [B, H, L, D] (or [H, L, D], [L, D]) by position.
 * @param positions of the L tokens: the first one's position (the rest follow), a list [L] or a table [B, L]. Default 0.
 * @returns the shape of x
 * @example
 * const x = tensor([1, 0], [1, 2]);
 * rope(x, 0).data  // [1, 0]
 */
export function rope(
  x: Tensor | TensorLike,
  positions: number | ArrayLike<number> | NumberTable = 0,
  options: RopeOptions = {},
): Tensor {
  const where = "rope";
  const t = asTensor(x, where, "x");
  if (t.shape.length < 2 || t.shape.length > 4) {
    throw new ShapeError({
      where,
      argument: "x",
      got: `has ${t.shape.length} axes in ${show(t.shape)}`,
      expected: "2, 3 or 4: […, length, headDim]",
    });
  }
  const [batch, heads, length, headDim] = [...Array<number>(4 - t.shape.length).fill(1), ...t.shape];
  const { interleaved = false, dim = headDim } = options;
  const given =
    typeof positions === "number"
      ? Int32Array.from({ length }, (_, i) => positions + i)
      : listOf(positions, batch, length);
  const rows = new Int32Array(batch * heads * length);
  for (let r = 0; r < rows.length; r++) {
    const b = Math.floor(r / (heads * length));
    rows[r] = given[(given.length === length ? 0 : b * length) + (r % length)];
  }
  const last = given.reduce((m, p) => Math.max(m, p), -1);
  const { cos, sin } = ropeTables(last + 1, { ...options, dim });
  const turned = ops().rotary(ops().reshape(t, [rows.length, headDim]), cos, sin, rows, { interleaved, dim });
  return ops().reshape(turned, t.shape);
}

function listOf(positions: ArrayLike<number> | NumberTable, batch: number, length: number): Int32Array {
  const { data, shape } = flat(positions, "rope", "positions");
  if (data.length !== length && data.length !== batch * length) {
    throw new ShapeError({
      where: "rope",
      argument: "positions",
      got: `has shape ${show(shape)}`,
      expected: `[${length}] or ${show([batch, length])}`,
    });
  }
  return integers(data, "rope", "positions");
}
