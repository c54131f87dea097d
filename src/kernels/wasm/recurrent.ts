/**
 * @file Recurrent layers on kernel memory: a product and a cell a step, weights packed once for all steps.
 *
 *     forward    a = W_hh h + b_hh [B, G·H]  ─▶ cells: gates, c, h of this step, written where all steps lie
 *     backward   cells: dx, da of this step  ─▶ dh = da·W_hh [B, H] for the step before
 *     then       dW_hh = daᵀ·h and db_hh = Σ da over all steps at once
 *
 * Rows of a batch are cut into tasks; every number is computed as it would be alone.
 */
import type { Tensor } from "../../tensor/index.js";
import type { Cell, RecurrentCall, RecurrentResult, RecurrentSlopes } from "../kernel.js";
import { recurrentExtent } from "../shapes.js";
import { runProduct } from "./products.js";
import { sumOfRows } from "./rows.js";
import { packedLength, packInto, WasmWeight } from "./weights.js";
import type { Block, Workspace } from "./workspace.js";

const CELLS: Record<Cell, number> = { tanh: 0, relu: 1, lstm: 2, gru: 3 };
/** A unit's functions in multiply-adds: some four exponentials. */
const UNIT = 120;
/** Units a task, about. */
const BLOCK = 4096;

interface Extent {
  batch: number;
  length: number;
  H: number;
  G: number;
  kept: number;
}

/** Where an array over all steps lies: [B, L, width]. 0 where there is none. */
interface Steps {
  address: number;
  width: number;
}

/** A state [B, H] and the bytes from a row to the next. */
interface State {
  address: number;
  row: number;
}

/** A step's arguments, either way: what lies over all steps, at step t, and the states before it. */
function beginCells(
  w: Workspace,
  cell: Cell,
  e: Extent,
  t: number,
  all: Record<"x" | "gates" | "h" | "c", Steps>,
  last: State,
  lastCell: State,
): Block<"CellArgs"> {
  const c = w.call("CellArgs");
  c.cell = CELLS[cell];
  c.x = at(all.x, t);
  c.xRow = rowOf(all.x, e);
  c.gates = at(all.gates, t);
  c.gatesRow = rowOf(all.gates, e);
  c.h = at(all.h, t);
  c.hRow = rowOf(all.h, e);
  c.before = last.address;
  c.beforeRow = last.row;
  c.c = at(all.c, t);
  c.cRow = rowOf(all.c, e);
  c.cBefore = lastCell.address;
  c.cBeforeRow = lastCell.row;
  return c;
}

/** Runs one step of every row. */
function runCells(w: Workspace, name: "cells" | "cellsBackward", c: Block<"CellArgs">, { batch, H }: Extent): void {
  const block = Math.max(1, Math.floor(BLOCK / H));
  c.size = H;
  c.rows = batch;
  c.block = block;
  w.pool.run(name, c.address, Math.ceil(batch / block), 0, batch * H * UNIT);
}

/** Row 0 of an array at step t. */
const at = ({ address, width }: Steps, t: number): number => (address ? address + t * width * 4 : 0);
/** Bytes from a row to the next. */
const rowOf = ({ width }: Steps, { length }: Extent): number => width * length * 4;

/** Steps in the order they are taken. */
const stepAt = (n: number, { length }: Extent, reversed: boolean | undefined): number =>
  reversed ? length - 1 - n : n;

/** The state before step number n: of an array over all steps, or the one the call began with, [B, H]. */
function before(all: Steps, first: number, n: number, e: Extent, reversed: boolean | undefined): State {
  if (n === 0) return { address: first, row: e.H * 4 };
  return { address: at(all, stepAt(n - 1, e, reversed)), row: rowOf(all, e) };
}

/** W [N, K] packed for x·Wᵀ, in float32. */
function packTransposed(w: Workspace, from: number, N: number, K: number): number {
  const packed = w.temporary(packedLength(w, K, N) * 4);
  packInto(w, from, 1, K, K, N, packed);
  return packed;
}

/** A [K, N] packed for x·A. */
function packPlain(w: Workspace, from: number, K: number, N: number): number {
  const packed = w.temporary(packedLength(w, K, N) * 4);
  packInto(w, from, N, 1, K, N, packed);
  return packed;
}

export function recurrent(w: Workspace, call: RecurrentCall): RecurrentResult {
  const e: Extent = recurrentExtent(call);
  const { batch, length, H, G, kept } = e;
  const { cell, reversed } = call;
  return w.operation(() => {
    const output = w.result([batch, length, H]);
    const cells = cell === "lstm" ? w.result([batch, length, H]) : undefined;
    const gates = kept ? w.result([batch, length, kept * H]) : undefined;
    const { weight } = call;
    const isPacked = weight instanceof WasmWeight && weight.format === "f32";
    const packed = isPacked ? weight.storage.address : packTransposed(w, w.operand(weight as Tensor), G * H, H);
    const [h0, c0, bias] = [w.operand(call.h), w.operand(call.c), w.operand(call.bias)];
    const x: Steps = { address: w.operand(call.inputs), width: G * H };
    const h: Steps = { address: output.address, width: H };
    const state: Steps = { address: cells?.address ?? 0, width: H };
    const kinds: Steps = { address: gates?.address ?? 0, width: kept * H };
    const a = w.temporary(batch * G * H * 4);
    for (let n = 0; n < length; n++) {
      const t = stepAt(n, e, reversed);
      const last = before(h, h0, n, e, reversed);
      const given = { a: last.address, aRow: last.row, b: packed, c: a, bias, scale: 1 };
      runProduct(w, { M: batch, K: H, N: G * H, given });
      const lastCell = before(state, c0, n, e, reversed);
      const c = beginCells(w, cell, e, t, { x, gates: kinds, h, c: state }, last, lastCell);
      c.a = a;
      c.aRow = G * H * 4;
      runCells(w, "cells", c, e);
    }
    return { output: output.tensor, cells: cells?.tensor, gates: gates?.tensor };
  });
}

export function recurrentBackward(
  w: Workspace,
  call: RecurrentCall & { weight: Tensor },
  saved: RecurrentResult,
  dOutput: Tensor | undefined,
  dCells: Tensor | undefined,
): RecurrentSlopes {
  const e: Extent = recurrentExtent(call);
  const { batch, length, H, G, kept } = e;
  const { cell, reversed } = call;
  return w.operation(() => {
    const dInputs = w.result([batch, length, G * H]);
    const dWeight = w.result([G * H, H]);
    const dH = w.result([batch, H]);
    const dC = cell === "lstm" ? w.result([batch, H]) : undefined;
    const packed = packPlain(w, w.operand(call.weight), G * H, H);
    const [h0, c0] = [w.operand(call.h), w.operand(call.c)];
    const h: Steps = { address: w.operand(saved.output), width: H };
    const state: Steps = { address: w.operand(saved.cells), width: H };
    const kinds: Steps = { address: w.operand(saved.gates), width: kept * H };
    const dh: Steps = { address: w.operand(dOutput), width: H };
    const dc: Steps = { address: w.operand(dCells), width: H };
    const dx: Steps = { address: dInputs.address, width: G * H };
    const da: Steps = cell === "gru" ? { address: w.temporary(batch * length * G * H * 4), width: G * H } : dx;
    const carry = cell === "gru" ? w.temporary(batch * H * 4) : 0;
    for (const end of [dH, dC]) end?.tensor.data.fill(0);
    for (let n = length - 1; n >= 0; n--) {
      const t = stepAt(n, e, reversed);
      const [last, lastCell] = [before(h, h0, n, e, reversed), before(state, c0, n, e, reversed)];
      const c = beginCells(w, cell, e, t, { x: dx, gates: kinds, h, c: state }, last, lastCell);
      c.a = dH.address;
      c.aRow = H * 4;
      c.dOutput = at(dh, t);
      c.dCells = at(dc, t);
      c.dc = dC?.address ?? 0;
      c.da = at(da, t);
      c.carry = carry;
      runCells(w, "cellsBackward", c, e);
      const given = { a: at(da, t), aRow: rowOf(da, e), b: packed, c: dH.address, residual: carry, scale: 1 };
      runProduct(w, { M: batch, K: G * H, N: H, given });
    }
    const all = batch * length;
    const states = packPlain(w, statesBefore(w, call, saved.output, e), all, H);
    const given = { a: da.address, aStep: G * H * 4, transposedA: 1, b: states, c: dWeight.address, scale: 1 };
    runProduct(w, { M: G * H, K: all, N: H, given });
    const dBias = sumOfRows(w, da.address, all, G * H, [G * H]);
    return { dInputs: dInputs.tensor, dWeight: dWeight.tensor, dBias, dH: dH.tensor, dC: dC?.tensor };
  });
}

/** h before every step, [B·L, H]. */
function statesBefore(
  w: Workspace,
  { h, reversed }: RecurrentCall,
  output: Tensor,
  { batch, length, H }: Extent,
): number {
  const address = w.temporary(batch * length * H * 4);
  const [to, from, first] = [w.memory.floats, output.data, h.data];
  const row = length * H;
  for (let b = 0; b < batch; b++) {
    const start = address / 4 + b * row;
    to.set(first.subarray(b * H, (b + 1) * H), reversed ? start + row - H : start);
    const kept = reversed ? from.subarray(b * row + H, (b + 1) * row) : from.subarray(b * row, (b + 1) * row - H);
    to.set(kept, reversed ? start : start + H);
  }
  return address;
}
