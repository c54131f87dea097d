/** @file Matrix products: packing weights, cutting the work, `matmul` and `linear`. */
import type { Tensor } from "../../tensor/index.js";
import type { Activation, LinearOptions } from "../kernel.js";
import { linearExtent, matmulExtent } from "../shapes.js";
import { kindOf } from "./kinds.js";
import { FORMATS, packedLength, packInto, WasmWeight } from "./weights.js";
import type { Block, Workspace } from "./workspace.js";

/** Tiles of A a task: 96 rows of 768 numbers are 288 KB, a part of L2. */
const TILE_BLOCK = 16;
/** Columns of B a task. */
const COLUMN_BLOCK = 64;
/** Rows up to which matrix × vector is used: FEW of assembly/few-rows.ts. */
const FEW = 2;
/** Numbers of A packed at a time: 4 MB. */
const PACKED = 2 ** 20;
/** Moving a number while packing, in multiply-adds. */
const PACK_WORK = 8;

type Fields = Omit<Block<"ProductArgs">, "address">;

interface Product {
  M: number;
  K: number;
  N: number;
  batch?: number;
  /** Operands, result, what is added, and strides from item to item. */
  given: Partial<Fields> & Pick<Fields, "a" | "b" | "c" | "scale">;
}

/** Tiles of M rows: tall ones of R, then up to 3 of 4 rows, so that few rows are multiplied for nothing. */
function tilesOf(M: number, R: number): { tall: number; tiles: number; rows: number } {
  let best = { tall: Math.ceil(M / R), tiles: Math.ceil(M / R), rows: Math.ceil(M / R) * R };
  for (let low = 1; low <= 3; low++) {
    const tall = Math.max(0, Math.ceil((M - 4 * low) / R));
    const rows = tall * R + 4 * low;
    if (rows < best.rows) best = { tall, tiles: tall + low, rows };
  }
  return best;
}

export function runProduct(w: Workspace, { M, K, N, batch = 1, given }: Product): void {
  if (M === 0 || N === 0 || batch === 0) return;
  const panelBlock = Math.max(1, COLUMN_BLOCK / w.NR);
  const panelBlocks = Math.ceil(Math.ceil(N / w.NR) / panelBlock);
  const begin = (): Block<"ProductArgs"> => {
    const c = w.call("ProductArgs");
    c.a = given.a;
    c.aRow = given.aRow ?? 0;
    c.aStep = given.aStep ?? 0;
    c.aBatch = given.aBatch ?? 0;
    c.transposedA = given.transposedA ?? 0;
    c.b = given.b;
    c.bBatch = given.bBatch ?? 0;
    c.c = given.c;
    c.cBatch = given.cBatch ?? 0;
    c.bias = given.bias ?? 0;
    c.residual = given.residual ?? 0;
    c.activation = given.activation ?? 0;
    c.scale = given.scale;
    c.format = given.format ?? 0;
    c.columnScale = given.columnScale ?? 0;
    c.few = given.few ?? 0;
    c.depth = K;
    c.columns = N;
    c.cRow = N * 4;
    c.panelBlock = panelBlock;
    c.panelBlocks = panelBlocks;
    return c;
  };
  if (M <= FEW && !given.transposedA) {
    const c = begin();
    c.rows = M;
    c.tileBlocks = 1;
    w.pool.run("product", c.address, batch * panelBlocks, w.wasm.productScratch!(c.address), batch * M * N * K);
    return;
  }
  const R = w.MR;
  const whole = TILE_BLOCK * R;
  const part = Math.max(1, Math.floor(PACKED / (batch * Math.max(K, 1) * whole))) * whole; // rows
  const packedItems = given.aBatch === 0 ? 1 : batch;
  const packed = w.temporary(packedItems * (Math.min(M, part) + 2 * R) * K * 4);
  for (let m = 0; m < M; m += part) {
    const rows = Math.min(part, M - m);
    const { tall, tiles, rows: padded } = tilesOf(rows, R);
    const tileBlocks = Math.ceil(tiles / TILE_BLOCK);
    const c = begin();
    c.a = given.a + m * (given.transposedA ? 4 : (given.aRow ?? K * 4));
    c.c = given.c + m * N * 4;
    c.residual = given.residual ? given.residual + m * N * 4 : 0;
    c.packed = packed;
    c.packedBatch = packedItems === 1 ? 0 : padded * K * 4;
    c.rows = rows;
    c.tall = tall;
    c.tiles = tiles;
    c.tileBlock = TILE_BLOCK;
    c.tileBlocks = tileBlocks;
    w.pool.run("packRows", c.address, packedItems * tileBlocks, 0, packedItems * rows * K * PACK_WORK);
    const tasks = batch * tileBlocks * panelBlocks;
    w.pool.run("product", c.address, tasks, w.wasm.productScratch!(c.address), batch * rows * N * K);
  }
}

export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  scale?: number;
}

export function matmul(w: Workspace, a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { batch, M, K, N, aBatch, bBatch, shape } = matmulExtent(a, b, options);
  return w.operation(() => {
    const c = w.result(shape);
    const from = w.operand(b);
    const items = bBatch === 0 ? 1 : batch;
    const length = packedLength(w, K, N);
    const packed = w.temporary(items * length * 4);
    const [stepK, stepN] = options.transposeB ? [1, K] : [N, 1];
    for (let n = 0; n < items; n++) packInto(w, from + n * bBatch * 4, stepK, stepN, K, N, packed + n * length * 4);
    const given = {
      a: w.operand(a),
      aRow: K * 4,
      aStep: M * 4,
      aBatch: aBatch * 4,
      transposedA: options.transposeA ? 1 : 0,
      b: packed,
      bBatch: bBatch === 0 ? 0 : length * 4,
      c: c.address,
      cBatch: M * N * 4,
      scale: options.scale ?? 1,
    };
    runProduct(w, { M, K, N, batch, given });
    return c.tensor;
  });
}

/** Up to two rows are multiplied by a short weight as it lies, if they can be written as its format wants them. */
function prepareFew(w: Workspace, weight: WasmWeight, { a, aRow }: { a: number; aRow: number }, M: number): number {
  const { format, columns, finite } = weight;
  if (M > 2 || !finite || (format !== "f16" && format !== "int8")) return 0;
  const few = w.temporary(M * w.wasm.fewRow!(columns));
  const c = w.call("ProductArgs");
  c.a = a;
  c.aRow = aRow;
  c.few = few;
  c.rows = M;
  c.depth = columns;
  c.format = FORMATS.indexOf(format);
  return w.wasm.prepareFew!(c.address) ? few : 0;
}

/** A kind of `Activation` as the kernel numbers it. */
function activationOf(activation: Activation | undefined): number {
  return activation ? kindOf(activation) : 0;
}

export function linear(w: Workspace, x: Tensor, weight: Tensor | WasmWeight, options: LinearOptions = {}): Tensor {
  const { M, K, N, shape } = linearExtent(x, weight, options);
  return w.operation(() => {
    const y = w.result(shape);
    let packed: number;
    if (weight instanceof WasmWeight) packed = weight.storage.address;
    else {
      packed = w.temporary(packedLength(w, K, N) * 4);
      packInto(w, w.operand(weight), 1, K, K, N, packed);
    }
    const a = w.operand(x);
    const given = {
      a,
      aRow: K * 4,
      b: packed,
      c: y.address,
      bias: w.operand(options.bias),
      residual: w.operand(options.residual),
      activation: activationOf(options.activation),
      scale: 1,
      format: 0,
      columnScale: 0,
      few: 0,
    };
    if (weight instanceof WasmWeight) {
      given.format = FORMATS.indexOf(weight.format);
      given.columnScale = weight.scaleAddress;
      given.few = prepareFew(w, weight, given, M);
    }
    runProduct(w, { M, K, N, given });
    return y.tensor;
  });
}
