/**
 * @file One step of a recurrent layer for rows of a batch: everything but the product with W_hh, and its slope.
 *
 * A row is a text. Its x, gates, h and c lie in arrays over all steps, so each has a stride from row to row; a = W_hh h + b_hh
 * is the product of this step, [rows, G·H]. Equations: `RecurrentCall` in ../../kernel.ts. Lanes run along the hidden units.
 */
import { CellArgs } from "./calls.generated";
import { madd, sigmoidLanes, tanhLanes } from "./simd";
import { put } from "./rows";

// @ts-ignore: decorator
@inline const TANH: i32 = 0;
// @ts-ignore: decorator
@inline const RELU: i32 = 1;
// @ts-ignore: decorator
@inline const LSTM: i32 = 2;

// Functions, not put into their callers: an LSTM's unit would hold five exponentials.
function sigmoid(x: v128): v128 {
  return sigmoidLanes(x);
}

function tanh(x: v128): v128 {
  return tanhLanes(x);
}

/** x(1 − x), the slope of σ in terms of itself. */
// @ts-ignore: decorator
@inline function sigmoidSlope(s: v128): v128 {
  return f32x4.mul(s, f32x4.sub(f32x4.splat(1), s));
}

/** 1 − x², the slope of tanh in terms of itself. */
// @ts-ignore: decorator
@inline function tanhSlope(t: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(t, t));
}

/** Four units of a gate before its function. */
// @ts-ignore: decorator
@inline function sum(x: usize, a: usize, at: usize): v128 {
  return f32x4.add(v128.load(x + at), v128.load(a + at));
}

/** Rows of a task, from `g.block`. */
export function cells(args: usize, task: i32, _scratch: usize): void {
  const g = changetype<CellArgs>(args);
  const end = min((task + 1) * g.block, g.rows);
  for (let r: usize = task * g.block; r < <usize>end; r++) {
    const x = g.x + r * g.xRow, a = g.a + r * g.aRow, h = g.h + r * g.hRow, before = g.before + r * g.beforeRow;
    const gates = g.gates + r * g.gatesRow;
    if (g.cell == LSTM) lstm(g.size, x, a, gates, g.cBefore + r * g.cBeforeRow, g.c + r * g.cRow, h);
    else if (g.cell == TANH || g.cell == RELU) plain(g.cell, g.size, x, a, h);
    else gru(g.size, x, a, gates, before, h);
  }
}

function plain(cell: i32, n: i32, x: usize, a: usize, h: usize): void {
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2, s = sum(x, a, at);
    put(h + at, cell == TANH ? tanh(s) : f32x4.pmax(s, f32x4.splat(0)), n - i); // NaN stays
  }
}

function lstm(n: i32, x: usize, a: usize, gates: usize, c: usize, cNext: usize, h: usize): void {
  const step = <usize>n << 2;
  for (let j = 0; j < n; j += 4) {
    const at = <usize>j << 2, left = n - j;
    const i = sigmoid(sum(x, a, at)), f = sigmoid(sum(x, a, at + step));
    const g = tanh(sum(x, a, at + 2 * step)), o = sigmoid(sum(x, a, at + 3 * step));
    const next = f32x4.add(f32x4.mul(f, v128.load(c + at)), f32x4.mul(i, g));
    put(gates + at, i, left);
    put(gates + at + step, f, left);
    put(gates + at + 2 * step, g, left);
    put(gates + at + 3 * step, o, left);
    put(cNext + at, next, left);
    put(h + at, f32x4.mul(o, tanh(next)), left);
  }
}

function gru(n: i32, x: usize, a: usize, gates: usize, before: usize, h: usize): void {
  const step = <usize>n << 2;
  for (let j = 0; j < n; j += 4) {
    const at = <usize>j << 2, left = n - j;
    const r = sigmoid(sum(x, a, at)), z = sigmoid(sum(x, a, at + step));
    const hidden = v128.load(a + at + 2 * step);
    const s = tanh(madd(r, hidden, v128.load(x + at + 2 * step)));
    put(gates + at, r, left);
    put(gates + at + step, z, left);
    put(gates + at + 2 * step, s, left);
    put(gates + at + 3 * step, hidden, left);
    put(h + at, madd(z, f32x4.sub(v128.load(before + at), s), s), left); // (1 − z) n + z h
  }
}

/**
 * The slope of a step. dh = the output's slope here + `a` [rows, H], what the step after handed back; x takes dx; `da` the
 * slope of a where it is another one (GRU); `carry` [rows, H] what reaches the step before past W_hh (GRU); `dc` [rows, H]
 * comes from the step after and leaves for the step before (LSTM).
 */
export function cellsBackward(args: usize, task: i32, _scratch: usize): void {
  const g = changetype<CellArgs>(args);
  const end = min((task + 1) * g.block, g.rows);
  const wide = <usize>g.size << 2;
  for (let r: usize = task * g.block; r < <usize>end; r++) {
    const dx = g.x + r * g.xRow, a = g.a + r * g.aRow, h = g.h + r * g.hRow, before = g.before + r * g.beforeRow;
    const dh = g.dOutput ? g.dOutput + r * g.hRow : 0;
    const gates = g.gates + r * g.gatesRow, c = g.c + r * g.cRow, cBefore = g.cBefore + r * g.cBeforeRow;
    if (g.cell == LSTM) lstmBackward(g.size, dx, a, gates, cBefore, c, dh, g.dCells ? g.dCells + r * g.cRow : 0, g.dc + r * wide);
    else if (g.cell == TANH || g.cell == RELU) plainBackward(g.cell, g.size, dx, a, h, dh);
    else gruBackward(g.size, dx, g.da + r * g.xRow, a, gates, before, dh, g.carry + r * wide);
  }
}

/** Slope of h after the step. */
// @ts-ignore: decorator
@inline function slopeOf(a: usize, dh: usize, at: usize): v128 {
  const d = v128.load(a + at);
  return dh ? f32x4.add(d, v128.load(dh + at)) : d;
}

function plainBackward(cell: i32, n: i32, dx: usize, a: usize, h: usize, dh: usize): void {
  for (let i = 0; i < n; i += 4) {
    const at = <usize>i << 2, y = v128.load(h + at), d = slopeOf(a, dh, at);
    put(dx + at, cell == TANH ? f32x4.mul(d, tanhSlope(y)) : v128.and(d, f32x4.gt(y, f32x4.splat(0))), n - i);
  }
}

function lstmBackward(n: i32, dx: usize, a: usize, gates: usize, cBefore: usize, c: usize, dh: usize, dCells: usize, dc: usize): void {
  const step = <usize>n << 2;
  for (let j = 0; j < n; j += 4) {
    const at = <usize>j << 2, left = n - j, d = slopeOf(a, dh, at);
    const i = v128.load(gates + at), f = v128.load(gates + at + step), g = v128.load(gates + at + 2 * step), o = v128.load(gates + at + 3 * step);
    const t = tanh(v128.load(c + at));
    let slope = v128.load(dc + at);
    if (dCells) slope = f32x4.add(slope, v128.load(dCells + at));
    slope = madd(f32x4.mul(d, o), tanhSlope(t), slope);
    put(dx + at, f32x4.mul(f32x4.mul(slope, g), sigmoidSlope(i)), left);
    put(dx + at + step, f32x4.mul(f32x4.mul(slope, v128.load(cBefore + at)), sigmoidSlope(f)), left);
    put(dx + at + 2 * step, f32x4.mul(f32x4.mul(slope, i), tanhSlope(g)), left);
    put(dx + at + 3 * step, f32x4.mul(f32x4.mul(d, t), sigmoidSlope(o)), left);
    put(dc + at, f32x4.mul(slope, f), left);
  }
}

function gruBackward(n: i32, dx: usize, da: usize, a: usize, gates: usize, before: usize, dh: usize, carry: usize): void {
  const step = <usize>n << 2;
  for (let j = 0; j < n; j += 4) {
    const at = <usize>j << 2, left = n - j, d = slopeOf(a, dh, at);
    const r = v128.load(gates + at), z = v128.load(gates + at + step), s = v128.load(gates + at + 2 * step);
    const ds = f32x4.mul(f32x4.mul(d, f32x4.sub(f32x4.splat(1), z)), tanhSlope(s));
    const dr = f32x4.mul(f32x4.mul(ds, v128.load(gates + at + 3 * step)), sigmoidSlope(r));
    const dz = f32x4.mul(f32x4.mul(d, f32x4.sub(v128.load(before + at), s)), sigmoidSlope(z));
    put(dx + at, dr, left);
    put(dx + at + step, dz, left);
    put(dx + at + 2 * step, ds, left);
    put(da + at, dr, left);
    put(da + at + step, dz, left);
    put(da + at + 2 * step, f32x4.mul(ds, r), left);
    put(carry + at, f32x4.mul(d, z), left);
  }
}
