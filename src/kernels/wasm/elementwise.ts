/** @file Functions of one or two numbers, and training in place, on kernel memory. Undefined = let the reference do it. */
import { broadcastShapes, broadcastStrides, type Tensor } from "../../tensor/index.js";
import type { Binary, Unary } from "../kernel.js";
import { mergeAxes } from "../reference/elementwise.js";
import type { AdamWStep } from "../reference/in-place.js";
import { checkSame } from "../shapes.js";
import { binaryKindOf, kindOf, slopeKindOf } from "./kinds.js";
import type { Workspace } from "./workspace.js";

export type { AdamWStep };

export function unary(w: Workspace, kind: Unary, x: Tensor): Tensor | undefined {
  const code = kindOf(kind);
  if (code === undefined) return undefined;
  return w.operation(() => {
    const y = w.result(x.shape);
    w.wasm.unary!(code, w.operand(x), y.address, x.size);
    return y.tensor;
  });
}

export function unaryBackward(w: Workspace, kind: Unary, x: Tensor, dy: Tensor): Tensor | undefined {
  const code = slopeKindOf(kind);
  if (code === undefined) return undefined;
  checkSame(`${kind} backward`, "dy", dy, x);
  return w.operation(() => {
    const dx = w.result(x.shape);
    w.wasm.unaryBackward!(code, w.operand(x), w.operand(dy), dx.address, x.size);
    return dx.tensor;
  });
}

/** Operands that, after joining axes, are rows of neighbours: equal shapes, a repeated row, a number a row, one number. */
export function binary(w: Workspace, kind: Binary, a: Tensor, b: Tensor): Tensor | undefined {
  const shape = broadcastShapes(a.shape, b.shape, kind);
  const walk = mergeAxes(shape, [
    broadcastStrides(a.shape, shape, kind, "a"),
    broadcastStrides(b.shape, shape, kind, "b"),
  ]);
  const axes = walk.shape.length;
  if (axes > 2) return undefined;
  const n = walk.shape[axes - 1] ?? 1;
  const rows = axes === 2 ? walk.shape[0]! : 1;
  const [aRow, bRow] = walk.strides.map((s) => (axes === 2 ? s[0]! * 4 : 0)) as [number, number];
  const [aOne, bOne] = walk.strides.map((s) => (s[axes - 1] ?? 0) === 0) as [boolean, boolean];
  return w.operation(() => {
    const y = w.result(shape);
    w.wasm.binary!(binaryKindOf(kind), w.operand(a), aRow, aOne, w.operand(b), bRow, bOne, y.address, rows, n);
    return y.tensor;
  });
}

export function affine(w: Workspace, x: Tensor, factor: number, shift: number): Tensor {
  return w.operation(() => {
    const y = w.result(x.shape);
    w.wasm.affine!(w.operand(x), y.address, x.size, factor, shift);
    return y.tensor;
  });
}

export function addInPlace(w: Workspace, target: Tensor, source: Tensor, factor: number): void {
  checkSame("addInPlace", "source", source, target);
  w.operation(() => w.inPlace(target, (address) => w.wasm.addScaled!(address, w.operand(source), target.size, factor)));
}

export function scaleInPlace(w: Workspace, target: Tensor, factor: number): void {
  w.operation(() => w.inPlace(target, (address) => w.wasm.affine!(address, address, target.size, factor, 0)));
}

export function sumOfSquares(w: Workspace, x: Tensor): number {
  return w.operation(() => w.wasm.sumOfSquares!(w.operand(x), x.size));
}

export function adamWInPlace(w: Workspace, p: Tensor, gradient: Tensor, m: Tensor, v: Tensor, o: AdamWStep): void {
  for (const [name, x] of [["gradient", gradient] as const, ["m", m] as const, ["v", v] as const]) {
    checkSame("adamW", name, x, p);
  }
  const stepSize = o.learningRate / (1 - o.beta1 ** o.step);
  const rootShare = 1 / Math.sqrt(1 - o.beta2 ** o.step);
  w.operation(() =>
    w.inPlace(p, (pAt) =>
      w.inPlace(m, (mAt) =>
        w.inPlace(v, (vAt) => {
          const g = w.operand(gradient);
          const keep = 1 - o.learningRate * o.weightDecay;
          w.wasm.adamW!(pAt, g, mAt, vAt, p.size, o.beta1, o.beta2, o.epsilon, keep, stepSize, rootShare);
        }),
      ),
    ),
  );
}
