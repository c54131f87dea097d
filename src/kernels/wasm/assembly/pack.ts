/**
 * @file The operands of a product, laid out as its register tile reads them.
 *
 *     B [K, N] in panels: panel p holds columns [p·NR, p·NR + NR) as [K, NR]; the last one is filled up with 0
 *     A [M, K] in tiles:  a tile of R rows holds them as [K, R]; first the tall ones, then those of 4 rows (product.ts)
 */
import { ProductArgs } from "./calls.generated";
import { MR, NR, WIDTH } from "./tile";

/** B with strides in bytes: element (k, n) at `from` + k·stepK + n·stepN. Panels [first, last) → `to`. */
export function packPanels(from: usize, stepK: usize, stepN: usize, K: i32, N: i32, first: i32, last: i32, to: usize): void {
  for (let p = first; p < last; p++) {
    let out = to + <usize>p * (<usize>(K * NR) << 2);
    const n0 = p * NR, width = min(NR, N - n0);
    const column = from + <usize>n0 * stepN;
    if (width == NR && stepN == 4) {
      let row = column, k = 0;
      for (; k + 4 <= K; k += 4, out += 4 * WIDTH) {
        copyStep(row, out);
        copyStep(row += stepK, out + WIDTH);
        copyStep(row += stepK, out + 2 * WIDTH);
        copyStep(row += stepK, out + 3 * WIDTH);
        row += stepK;
      }
      for (; k < K; k++, row += stepK, out += WIDTH) copyStep(row, out);
    } else if (width == NR && stepK == 4) {
      for (let x = 0; x < NR; x += 4) fourRows(column + <usize>x * stepN, stepN, 3, K, out + (<usize>x << 2), WIDTH);
    } else {
      for (let k = 0; k < K; k++) {
        for (let x = 0; x < NR; x++, out += 4) {
          store<f32>(out, x < width ? load<f32>(column + <usize>k * stepK + <usize>x * stepN) : 0);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline function copyStep(from: usize, to: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  if (!WIDE) return;
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
}

/** Four rows of K neighbours turned into K groups of four, `step` bytes apart. Rows past `last` read row `last` again. */
function fourRows(from: usize, row: usize, last: i32, K: i32, to: usize, step: usize): void {
  const r1 = from + <usize>min(1, last) * row, r2 = from + <usize>min(2, last) * row, r3 = from + <usize>min(3, last) * row;
  let k = 0;
  for (; k + 4 <= K; k += 4, to += 4 * step) {
    const at = <usize>k << 2;
    const a = v128.load(from + at), b = v128.load(r1 + at), c = v128.load(r2 + at), d = v128.load(r3 + at);
    const t0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5), t1 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const t2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7), t3 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(t0, t1, 0, 2));
    v128.store(to + step, v128.shuffle<i64>(t0, t1, 1, 3));
    v128.store(to + 2 * step, v128.shuffle<i64>(t2, t3, 0, 2));
    v128.store(to + 3 * step, v128.shuffle<i64>(t2, t3, 1, 3));
  }
  for (; k < K; k++, to += step) {
    const at = <usize>k << 2;
    store<f32>(to, load<f32>(from + at));
    store<f32>(to, load<f32>(r1 + at), 4);
    store<f32>(to, load<f32>(r2 + at), 8);
    store<f32>(to, load<f32>(r3 + at), 12);
  }
}

/** One or two more rows of a tall tile. */
function moreRows(from: usize, row: usize, count: i32, last: i32, K: i32, to: usize, step: usize): void {
  const second = from + <usize>min(1, last) * row;
  let k = 0;
  for (; k + 4 <= K; k += 4, to += 4 * step) {
    const at = <usize>k << 2;
    const a = v128.load(from + at);
    if (count == 2) {
      const b = v128.load(second + at);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), more = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      v128.store64_lane(to, ab, 0);
      v128.store64_lane(to + step, ab, 1);
      v128.store64_lane(to + 2 * step, more, 0);
      v128.store64_lane(to + 3 * step, more, 1);
    } else {
      v128.store32_lane(to, a, 0);
      v128.store32_lane(to + step, a, 1);
      v128.store32_lane(to + 2 * step, a, 2);
      v128.store32_lane(to + 3 * step, a, 3);
    }
  }
  for (; k < K; k++, to += step) {
    const at = <usize>k << 2;
    store<f32>(to, load<f32>(from + at));
    if (count == 2) store<f32>(to, load<f32>(second + at), 4);
  }
}

/** Rows as tiles of MR, [K, MR] each: the keys of attention. Rows past the last one repeat it. */
export function packTiles(from: usize, row: usize, rows: i32, K: i32, to: usize): void {
  const step = <usize>MR << 2;
  for (let r = 0; r < rows; r += MR, from += MR * row, to += <usize>K * step) tallTile(from, row, min(MR, rows - r) - 1, K, to, step);
}

// @ts-ignore: decorator
@inline function tallTile(from: usize, row: usize, last: i32, K: i32, to: usize, step: usize): void {
  fourRows(from, row, last, K, to, step);
  moreRows(from + <usize>min(4, last) * row, row, MR - 4, last - min(4, last), K, to + 16, step);
}

/** A task packs a block of A's tiles. Rows past the end are of any number: what they give is not stored. */
export function packRows(args: usize, task: i32, _scratch: usize): void {
  const g = changetype<ProductArgs>(args);
  const item = task / g.tileBlocks, first = task % g.tileBlocks * g.tileBlock;
  const a = g.a + <usize>item * g.aBatch, to = g.packed + <usize>item * g.packedBatch;
  for (let t = first; t < min(first + g.tileBlock, g.tiles); t++) {
    const m = firstRow(g, t), R = t < g.tall ? MR : 4, last = min(R, g.rows - m) - 1;
    let out = to + (<usize>(m * g.depth) << 2);
    const step = <usize>R << 2;
    if (g.transposedA) {
      let from = a + (<usize>m << 2);
      for (let k = 0; k < g.depth; k++, from += g.aStep, out += step) {
        v128.store(out, v128.load(from));
        if (R == 6) store<i64>(out, load<i64>(from, 16), 16);
        else if (R == 5) store<i32>(out, load<i32>(from, 16), 16);
      }
    } else {
      const from = a + <usize>m * g.aRow;
      if (R == 4) fourRows(from, g.aRow, last, g.depth, out, step);
      else tallTile(from, g.aRow, last, g.depth, out, step);
    }
  }
}

/** Where tile t begins. */
// @ts-ignore: decorator
@inline export function firstRow(g: ProductArgs, t: i32): i32 {
  return t < g.tall ? t * MR : g.tall * MR + (t - g.tall) * 4;
}
