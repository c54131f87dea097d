/**
 * @file Matrix products: C [M, N] = activation(scale · A·B + bias) + residual, B packed once in panels.
 *
 *      B [K, N] packed:  ┌──NR──┬──NR──┬──…     panel p holds columns [p·NR, p·NR + NR) as [K, NR], contiguous, so a
 *                        │ K    │ K    │        step of the tile loads NR neighbours; the last panel is filled up with 0.
 *                        └──────┴──────┴──      Bytes: K·NR·4 a panel, 24 KB for K = 768: it stays in L1 while
 *      A [M, K] rows ─→  all row tiles of a row block pass by (A's block in L2).
 *
 * A task is a row block × a few panels. Every sum runs over K in order, whatever the cut, so the bits are the same for any
 * number of threads. A is read where it lies, by rows or, when it is stored [K, M], by columns. Tiles are finished in
 * scratch (MR × NR numbers): ragged edges, bias, activation and residual happen on the way from there to C.
 */
import { ProductArgs } from "./calls.generated";
import { FEW, fewRows } from "./few-rows";
import { finish } from "./finish";
import { DEPTH, expand, sizeOfSteps } from "./short";
import { columnsAdd, columnsZero, MR, NR, rowsAdd, rowsZero, WIDTH } from "./tile";

/** B with strides in bytes: element (k, n) at `from` + k·stepK + n·stepN. Panels [first, last) → `to`. */
export function packPanels(from: usize, stepK: usize, stepN: usize, K: i32, N: i32, first: i32, last: i32, to: usize): void {
  for (let p = first; p < last; p++) {
    let out = to + <usize>p * (<usize>(K * NR) << 2);
    const n0 = p * NR, width = min(NR, N - n0);
    const column = from + <usize>n0 * stepN;
    if (width == NR && stepN == 4) {
      let row = column;
      for (let k = 0; k < K; k++, row += stepK, out += WIDTH) {
        for (let x: usize = 0; x < WIDTH; x += 16) v128.store(out + x, v128.load(row + x));
      }
    } else if (width == NR && stepK == 4) {
      packTransposed(column, stepN, K, out);
    } else {
      for (let k = 0; k < K; k++) {
        for (let x = 0; x < NR; x++, out += 4) {
          store<f32>(out, x < width ? load<f32>(column + <usize>k * stepK + <usize>x * stepN) : 0);
        }
      }
    }
  }
}

/** A panel from NR rows of K neighbours: 4 × 4 blocks turned in registers. */
function packTransposed(from: usize, row: usize, K: i32, to: usize): void {
  const step = WIDTH;
  for (let x = 0; x < NR; x += 4) {
    const r0 = from + <usize>x * row, r1 = r0 + row, r2 = r1 + row, r3 = r2 + row;
    let out = to + (<usize>x << 2);
    let k = 0;
    for (; k + 4 <= K; k += 4, out += 4 * step) {
      const at = <usize>k << 2;
      const a = v128.load(r0 + at), b = v128.load(r1 + at), c = v128.load(r2 + at), d = v128.load(r3 + at);
      const t0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      const t2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7), t3 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(out, v128.shuffle<i64>(t0, t1, 0, 2));
      v128.store(out + step, v128.shuffle<i64>(t0, t1, 1, 3));
      v128.store(out + 2 * step, v128.shuffle<i64>(t2, t3, 0, 2));
      v128.store(out + 3 * step, v128.shuffle<i64>(t2, t3, 1, 3));
    }
    for (; k < K; k++, out += step) {
      const at = <usize>k << 2;
      store<f32>(out, load<f32>(r0 + at));
      store<f32>(out, load<f32>(r1 + at), 4);
      store<f32>(out, load<f32>(r2 + at), 8);
      store<f32>(out, load<f32>(r3 + at), 12);
    }
  }
}

export function productScratch(args: usize): usize {
  return <usize>(changetype<ProductArgs>(args).rowBlock + MR + 4 * DEPTH) * WIDTH + 256;
}

export function product(args: usize, task: i32, scratch: usize): void {
  const g = changetype<ProductArgs>(args);
  const perItem = g.rowBlocks * g.panelBlocks;
  const item = task / perItem;
  const cut = task % perItem;
  const m0 = (cut % g.rowBlocks) * g.rowBlock;
  const p0 = (cut / g.rowBlocks) * g.panelBlock;
  const m1 = min(m0 + g.rowBlock, g.rows);
  const p1 = min(p0 + g.panelBlock, (g.columns + NR - 1) / NR);
  const a = g.a + <usize>item * g.aBatch;
  const b = g.b + <usize>item * g.bBatch;
  const c = g.c + <usize>item * g.cBatch;
  const strip = (scratch + 63) & ~63;
  const wide = WIDTH;
  if (g.rows <= FEW && !g.transposedA) {
    fewRows(g, a, b, c, g.residual + <usize>item * g.cBatch, p0, p1, strip);
    return;
  }
  const expanded = strip + <usize>(g.rowBlock + MR) * wide;
  for (let p = p0; p < p1; p++) {
    const n0 = p * NR;
    for (let k = 0; k < g.depth; k += DEPTH) {
      const steps = min(DEPTH, g.depth - k);
      let panel = b + <usize>p * sizeOfSteps(g.format, g.depth) + sizeOfSteps(g.format, k);
      if (g.format != 0) {
        expand(g.format, panel, expanded, steps);
        panel = expanded;
      }
      for (let m = m0; m < m1; m += MR) {
        const tile = strip + <usize>(m - m0) * wide;
        if (g.transposedA) {
          const at = a + <usize>k * g.aStep + (<usize>m << 2);
          if (k == 0) columnsZero(at, g.aStep, panel, wide, tile, wide, steps);
          else columnsAdd(at, g.aStep, panel, wide, tile, wide, steps);
        } else {
          const at = a + <usize>m * g.aRow + (<usize>k << 2);
          const last = <usize>min(MR, m1 - m) - 1;
          if (k == 0) rowsZero(at, g.aRow, last, panel, wide, tile, wide, steps);
          else rowsAdd(at, g.aRow, last, panel, wide, tile, wide, steps);
        }
      }
    }
    if (g.depth == 0) memory.fill(strip, 0, <usize>(m1 - m0) * wide);
    const at = <usize>m0 * g.cRow + (<usize>n0 << 2);
    finish(g, strip, m1 - m0, c + at, g.residual + <usize>item * g.cBatch + at, n0, min(NR, g.columns - n0));
  }
}
