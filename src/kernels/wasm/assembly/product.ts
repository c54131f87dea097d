/**
 * @file Matrix products: C [M, N] = activation(scale · A·B + bias) + residual, both operands packed (pack.ts).
 *
 *      B [K, N] packed:  ┌──NR──┬──NR──┬──…     once for a weight. A part of a panel stays near while all tiles of a row
 *                        │ K    │ K    │        block of A pass by.
 *                        └──────┴──────┴──
 *      A [M, K] packed:  [K, MR] [K, MR] … [K, 4] for each product: M·K numbers are moved, M·K·N multiplied.
 *
 * A task is a block of A's tiles × a few panels. Every sum runs over K in order, whatever the cut, so the bits are the same
 * for any number of threads. Tiles are finished in scratch, bias, activation and residual on the way from there to C; a
 * tile that needs none of it is written to C at once.
 */
import { ProductArgs } from "./calls.generated";
import { FEW, fewRows } from "./few-rows";
import { finish } from "./finish";
import { firstRow } from "./pack";
import { DEPTH, expand, sizeOfSteps } from "./short";
import { MR, NR, packedZero, WIDTH } from "./tile";
import { packedAdd4x8, packedAdd4x16, packedAdd5x8, packedAdd6x8, packedAdd6x16, packedZero4x8, packedZero4x16 } from "./tiles.generated";

/** Steps of K done at once, at most; K is cut into equal parts. An even number. */
// @ts-ignore: decorator
@inline const STEPS: i32 = 768;

/** Sums of a block and an expanded part of a panel, or of four panels for few rows. */
export function productScratch(args: usize): usize {
  const tileBlock = changetype<ProductArgs>(args).tileBlock;
  return <usize>(tileBlock > 0 ? tileBlock * MR + STEPS : 4 * DEPTH) * WIDTH + 512;
}

// @ts-ignore: decorator
@inline function tallTile(add: bool, a: usize, b: usize, c: usize, cRow: usize, n: i32): void {
  if (!add) packedZero(a, b, c, cRow, n);
  else if (WIDE) packedAdd6x16(a, b, c, cRow, n);
  else if (RELAXED) packedAdd6x8(a, b, c, cRow, n);
  else packedAdd5x8(a, b, c, cRow, n);
}

// @ts-ignore: decorator
@inline function lowTile(add: bool, a: usize, b: usize, c: usize, cRow: usize, n: i32): void {
  if (WIDE) add ? packedAdd4x16(a, b, c, cRow, n) : packedZero4x16(a, b, c, cRow, n);
  else add ? packedAdd4x8(a, b, c, cRow, n) : packedZero4x8(a, b, c, cRow, n);
}

// @ts-ignore: decorator
@inline function tile(tall: bool, add: bool, a: usize, b: usize, c: usize, cRow: usize, n: i32): void {
  if (tall) tallTile(add, a, b, c, cRow, n);
  else lowTile(add, a, b, c, cRow, n);
}

export function product(args: usize, task: i32, scratch: usize): void {
  const g = changetype<ProductArgs>(args);
  const perItem = g.tileBlocks * g.panelBlocks;
  const item = task / perItem;
  const cut = task % perItem;
  const p0 = (cut / g.tileBlocks) * g.panelBlock;
  const p1 = min(p0 + g.panelBlock, (g.columns + NR - 1) / NR);
  const b = g.b + <usize>item * g.bBatch, c = g.c + <usize>item * g.cBatch;
  const residual = g.residual + <usize>item * g.cBatch;
  const strip = (scratch + 63) & ~63;
  if (g.rows <= FEW && !g.transposedA) {
    fewRows(g, g.a + <usize>item * g.aBatch, b, c, residual, p0, p1, strip);
    return;
  }
  const t0 = (cut % g.tileBlocks) * g.tileBlock, t1 = min(t0 + g.tileBlock, g.tiles);
  const m0 = firstRow(g, t0), m1 = min(firstRow(g, t1), g.rows);
  const a = g.packed + <usize>item * g.packedBatch;
  const expanded = strip + <usize>(g.tileBlock * MR) * WIDTH;
  const parts = max(1, (g.depth + STEPS - 1) / STEPS), part = ((g.depth + parts - 1) / parts + 1) & ~1;
  const plain = !g.bias && !g.residual && !g.activation && !g.columnScale && g.scale == 1 && g.depth > 0;
  for (let p = p0; p < p1; p++) {
    const n0 = p * NR, width = min(NR, g.columns - n0);
    const at = <usize>m0 * g.cRow + (<usize>n0 << 2);
    const straight = plain && width == NR;
    for (let k = 0; k < g.depth; k += part) {
      const steps = min(part, g.depth - k);
      let panel = b + <usize>p * sizeOfSteps(g.format, g.depth) + sizeOfSteps(g.format, k);
      if (g.format != 0) {
        expand(g.format, panel, expanded, steps);
        panel = expanded;
      }
      for (let t = t0; t < t1; t++) {
        const m = firstRow(g, t), tall = t < g.tall, R = tall ? MR : 4;
        const from = a + (<usize>(m * g.depth + k * R) << 2);
        // Two calls: a function called from one place alone is inlined, and the engine spills registers of its loop.
        if (straight && m + R <= g.rows) tile(tall, k > 0, from, panel, c + at + <usize>(m - m0) * g.cRow, g.cRow, steps);
        else tile(tall, k > 0, from, panel, strip + <usize>(m - m0) * WIDTH, WIDTH, steps);
      }
    }
    if (g.depth == 0) memory.fill(strip, 0, <usize>(m1 - m0) * WIDTH);
    let done = 0; // rows of the block that are in C
    if (straight) {
      done = m1 - m0;
      if (firstRow(g, t1) > g.rows) done = firstRow(g, t1 - 1) - m0;
    }
    const skip = <usize>done * g.cRow;
    finish(g, strip + <usize>done * WIDTH, m1 - m0 - done, c + at + skip, residual + at + skip, n0, width);
  }
}
