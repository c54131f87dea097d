/**
 * @file Recurrent layers, step by step, and their slopes by backpropagation through time.
 *
 *     a = W_hh h + b_hh [G·H]        every cell is a function of x, a, h (and c), number by number: see `RecurrentCall`
 *     back from the last step:  dh = dOutput + W_hhᵀ da + what the cell hands on itself;  dW_hh = Σ da hᵀ,  db_hh = Σ da
 */
import type { Tensor } from "../../tensor/index.js";
import type { Cell, RecurrentCall, RecurrentResult, RecurrentSlopes } from "../kernel.js";
import { recurrentExtent } from "../shapes.js";
import { type Allocate, zeros } from "./allocate.js";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** x and a of one unit, by gate; h and c before the step. Writes `kept` and gives [h', c']. */
type Forward = (x: number[], a: number[], h: number, c: number, kept: number[]) => [h: number, c: number];

const forwards: Record<Cell, Forward> = {
  tanh: ([x], [a]) => [Math.tanh(x + a), 0],
  relu: ([x], [a]) => [Math.max(x + a, 0), 0],
  lstm: (x, a, _h, c, kept) => {
    const [i, f, g, o] = x.map((xs, n) => (n === 2 ? Math.tanh(xs + a[n]) : sigmoid(xs + a[n])));
    const next = f * c + i * g;
    kept.splice(0, 4, i, f, g, o);
    return [o * Math.tanh(next), next];
  },
  gru: (x, a, h, _c, kept) => {
    const [r, z] = [sigmoid(x[0] + a[0]), sigmoid(x[1] + a[1])];
    const n = Math.tanh(x[2] + r * a[2]);
    kept.splice(0, 4, r, z, n, a[2]);
    return [n + z * (h - n), 0];
  },
};

/** What one unit was: h, c after the step and before it, and what was kept of its gates. */
interface Unit {
  after: number;
  cAfter: number;
  before: number;
  cBefore: number;
  kept: number[];
}

/** Slopes of x and a by gate, and what goes to the step before without passing W_hh. */
interface UnitSlopes {
  dx: number[];
  da: number[];
  dh: number;
  dc: number;
}

const backwards: Record<Cell, (unit: Unit, dh: number, dc: number) => UnitSlopes> = {
  tanh: ({ after }, dh) => alike([dh * (1 - after * after)]),
  relu: ({ after }, dh) => alike([after > 0 ? dh : 0]),
  lstm: ({ cAfter, cBefore, kept: [i, f, g, o] }, dh, dcNext) => {
    const t = Math.tanh(cAfter);
    const dc = dcNext + dh * o * (1 - t * t);
    const d = [dc * g * i * (1 - i), dc * cBefore * f * (1 - f), dc * i * (1 - g * g), dh * t * o * (1 - o)];
    return { ...alike(d), dc: dc * f };
  },
  gru: ({ before, kept: [r, z, n, an] }, dh) => {
    const dn = dh * (1 - z) * (1 - n * n);
    const dr = dn * an * r * (1 - r);
    const dz = dh * (before - n) * z * (1 - z);
    return { dx: [dr, dz, dn], da: [dr, dz, dn * r], dh: dh * z, dc: 0 };
  },
};

const alike = (d: number[]): UnitSlopes => ({ dx: d, da: d, dh: 0, dc: 0 });

/** Steps in the order they are taken. */
const orderOf = (length: number, reversed: boolean | undefined): number[] =>
  Array.from({ length }, (_, n) => (reversed ? length - 1 - n : n));

export function recurrent(empty: Allocate, call: RecurrentCall & { weight: Tensor }): RecurrentResult {
  const { batch, length, H, G, kept } = recurrentExtent(call);
  const output = empty([batch, length, H]);
  const cells = call.cell === "lstm" ? empty([batch, length, H]) : undefined;
  const gates = kept ? empty([batch, length, kept * H]) : undefined;
  const [xs, ws, bias] = [call.inputs.data, call.weight.data, call.bias?.data];
  const [outs, cs, gs] = [output.data, cells?.data, gates?.data];
  const step = forwards[call.cell];
  for (let b = 0; b < batch; b++) {
    let h = call.h.data.slice(b * H, (b + 1) * H);
    let c = call.c?.data.slice(b * H, (b + 1) * H) ?? h;
    for (const t of orderOf(length, call.reversed)) {
      const row = b * length + t;
      const a = Array.from({ length: G * H }, (_, n) => {
        let sum = bias ? bias[n] : 0;
        for (let k = 0; k < H; k++) sum += ws[n * H + k] * h[k];
        return sum;
      });
      for (let j = 0; j < H; j++) {
        const gate = (of: ArrayLike<number>, from: number): number[] =>
          Array.from({ length: G }, (_, g) => of[from + g * H + j]);
        const keep: number[] = [];
        const [next, cell] = step(gate(xs, row * G * H), gate(a, 0), h[j], c[j], keep);
        outs[row * H + j] = next;
        if (cs) cs[row * H + j] = cell;
        if (gs) keep.forEach((v, g) => void (gs[(row * kept + g) * H + j] = v));
      }
      h = outs.slice(row * H, (row + 1) * H);
      if (cs) c = cs.slice(row * H, (row + 1) * H);
    }
  }
  return { output, cells, gates };
}

export function recurrentBackward(
  empty: Allocate,
  call: RecurrentCall & { weight: Tensor },
  { output, cells, gates }: RecurrentResult,
  dOutput: Tensor | undefined,
  dCells: Tensor | undefined,
): RecurrentSlopes {
  const { batch, length, H, G, kept } = recurrentExtent(call);
  const dInputs = empty([batch, length, G * H]);
  const [dWeight, dBias] = [zeros(empty, [G * H, H]), zeros(empty, [G * H])];
  const dH = empty([batch, H]);
  const dC = cells && empty([batch, H]);
  const [ws, outs, cs, gs] = [call.weight.data, output.data, cells?.data, gates?.data];
  const [dWeights, dBiases] = [new Float64Array(G * H * H), new Float64Array(G * H)];
  const step = backwards[call.cell];
  for (let b = 0; b < batch; b++) {
    let [dh, dc] = [new Float64Array(H), new Float64Array(H)];
    const order = orderOf(length, call.reversed).reverse();
    order.forEach((t, n) => {
      const row = b * length + t;
      const earlier = order[n + 1]; // undefined: the state the call began with
      const before = (of: Float32Array | undefined, first: Tensor | undefined, j: number): number =>
        earlier === undefined ? (first?.data[b * H + j] ?? 0) : (of?.[(b * length + earlier) * H + j] ?? 0);
      const [nextDh, nextDc, da] = [new Float64Array(H), new Float64Array(H), new Float64Array(G * H)];
      for (let j = 0; j < H; j++) {
        const unit: Unit = {
          after: outs[row * H + j],
          cAfter: cs?.[row * H + j] ?? 0,
          before: before(outs, call.h, j),
          cBefore: before(cs, call.c, j),
          kept: Array.from({ length: kept }, (_, g) => gs![(row * kept + g) * H + j]),
        };
        const [fromOutput, fromCells] = [dOutput?.data[row * H + j] ?? 0, dCells?.data[row * H + j] ?? 0];
        const slopes = step(unit, dh[j] + fromOutput, dc[j] + fromCells);
        slopes.dx.forEach((d, g) => void (dInputs.data[(row * G + g) * H + j] = d));
        slopes.da.forEach((d, g) => void (da[g * H + j] = d));
        [nextDh[j], nextDc[j]] = [slopes.dh, slopes.dc];
      }
      for (let m = 0; m < G * H; m++) {
        dBiases[m] += da[m];
        for (let k = 0; k < H; k++) {
          dWeights[m * H + k] += da[m] * before(outs, call.h, k);
          nextDh[k] += da[m] * ws[m * H + k];
        }
      }
      [dh, dc] = [nextDh, nextDc];
    });
    dH.data.set(dh, b * H);
    dC?.data.set(dc, b * H);
  }
  dWeight.data.set(dWeights);
  dBias.data.set(dBiases);
  return { dInputs, dWeight, dBias, dH, dC };
}
