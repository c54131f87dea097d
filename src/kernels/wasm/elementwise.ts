/** @file Functions of one or two numbers, and training in place, on kernel memory. Undefined = let the reference do it. */
import { broadcastShapes, broadcastStrides, type Tensor } from "../../tensor/index.js";
import type { Binary, Unary } from "../kernel.js";
import { mergeAxes } from "../reference/elementwise.js";
import type { AdamWStep } from "../reference/in-place.js";
import { checkSame } from "../shapes.js";
import { runEach } from "./each.js";
import { binaryKindOf, kindOf, slopeKindOf } from "./kinds.js";
import type { Workspace } from "./workspace.js";

export type { AdamWStep };

export function unary(w: Workspace, kind: Unary, x: Tensor): Tensor | undefined {
  const code = kindOf(kind);
  if (code === undefined) return undefined;
  return w.operation(() => {
    const y = w.result(x.shape);
    runEach(w, "unary", x.size, { kind: code, a: w.operand(x), y: y.address });
    return y.tensor;
  });
}

export function unaryBackward(w: Workspace, kind: Unary, x: Tensor, dy: Tensor): Tensor | undefined {
  const code = slopeKindOf(kind);
  if (code === undefined) return undefined;
  checkSame(`${kind} backward`, "dy", dy, x);
  return w.operation(() => {
    const dx = w.result(x.shape);
    runEach(w, "unaryBackward", x.size, { kind: code, a: w.operand(x), b: w.operand(dy), y: dx.address });
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
  const [aOne, bOne] = walk.strides.map((s) => ((s[axes - 1] ?? 0) === 0 ? 1 : 0)) as [number, number];
  return w.operation(() => {
    const y = w.result(shape);
    const [from, other] = [w.operand(a), w.operand(b)];
    const values = { kind: binaryKindOf(kind), a: from, aOne, b: other, bOne, y: y.address };
    if (rows === 1) runEach(w, "pairs", n, values);
    else runEach(w, "binary", rows, { ...values, aRow, bRow, length: n });
    return y.tensor;
  });
}

export function affine(w: Workspace, x: Tensor, factor: number, shift: number): Tensor {
  return w.operation(() => {
    const y = w.result(x.shape);
    runEach(w, "affine", x.size, { a: w.operand(x), y: y.address, f0: factor, f1: shift });
    return y.tensor;
  });
}

export function addInPlace(w: Workspace, target: Tensor, source: Tensor, factor: number): void {
  checkSame("addInPlace", "source", source, target);
  w.operation(() =>
    w.inPlace(target, (y) => runEach(w, "addScaled", target.size, { y, a: w.operand(source), f0: factor })),
  );
}

export function scaleInPlace(w: Workspace, target: Tensor, factor: number): void {
  w.operation(() => w.inPlace(target, (a) => runEach(w, "affine", target.size, { a, y: a, f0: factor, f1: 0 })));
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
          const numbers = { f0: o.beta1, f1: o.beta2, f2: o.epsilon, f3: keep, f4: stepSize, f5: rootShare };
          runEach(w, "adamW", p.size, { y: pAt, a: g, b: mAt, c: vAt, ...numbers });
        }),
      ),
    ),
  );
}
