/** @file Functions of one or two numbers, and training in place, on kernel memory. Undefined = let the reference do it. */
import { broadcastShapes, broadcastStrides, type Tensor } from "../../tensor/index.js";
import { isSameShape } from "../../tensor/shape.js";
import type { Binary, Unary } from "../kernel.js";
import { mergeAxes } from "../reference/elementwise.js";
import type { AdamWStep } from "../reference/in-place.js";
import { checkSame } from "../shapes.js";
import { blockOf, runEach } from "./each.js";
import { binaryKindOf, kindOf } from "./kinds.js";
import type { Workspace } from "./workspace.js";

export type { AdamWStep };

export function unary(w: Workspace, kind: Unary, x: Tensor): Tensor {
  return w.operation(() => {
    const y = w.result(x.shape);
    const a = w.operand(x);
    const c = w.call("EachArgs");
    c.kind = kindOf(kind);
    c.a = a;
    c.y = y.address;
    runEach(w, c, "unary", x.size);
    return y.tensor;
  });
}

export function unaryBackward(w: Workspace, kind: Unary, x: Tensor, dy: Tensor): Tensor {
  checkSame(`${kind} backward`, "dy", dy, x);
  return w.operation(() => {
    const dx = w.result(x.shape);
    const [a, b] = [w.operand(x), w.operand(dy)];
    const c = w.call("EachArgs");
    c.kind = kindOf(kind);
    c.a = a;
    c.b = b;
    c.y = dx.address;
    runEach(w, c, "unaryBackward", x.size);
    return dx.tensor;
  });
}

/** Operands that, after joining axes, are rows of neighbours: equal shapes, a repeated row, a number a row, one number. */
export function binary(w: Workspace, kind: Binary, a: Tensor, b: Tensor): Tensor | undefined {
  if (isSameShape(a.shape, b.shape)) return pairs(w, kind, a, b, a.shape, 0, 0);
  const shape = broadcastShapes(a.shape, b.shape, kind);
  const walk = mergeAxes(shape, [
    broadcastStrides(a.shape, shape, kind, "a"),
    broadcastStrides(b.shape, shape, kind, "b"),
  ]);
  const axes = walk.shape.length;
  if (axes > 2) return undefined;
  const [aOne, bOne] = walk.strides.map((s) => ((s[axes - 1] ?? 0) === 0 ? 1 : 0)) as [number, number];
  if (axes < 2) return pairs(w, kind, a, b, shape, aOne, bOne);
  const [rows, n] = walk.shape as [number, number];
  return w.operation(() => {
    const y = w.result(shape);
    const [from, other] = [w.operand(a), w.operand(b)];
    const c = w.call("EachArgs");
    c.kind = binaryKindOf(kind);
    c.a = from;
    c.aOne = aOne;
    c.aRow = walk.strides[0]![0]! * 4;
    c.b = other;
    c.bOne = bOne;
    c.bRow = walk.strides[1]![0]! * 4;
    c.y = y.address;
    runEach(w, c, "binary", rows, n);
    return y.tensor;
  });
}

/** Number by number; `aOne`, `bOne`: the operand is a single number for all. */
function pairs(
  w: Workspace,
  kind: Binary,
  a: Tensor,
  b: Tensor,
  shape: readonly number[],
  aOne: number,
  bOne: number,
): Tensor {
  return w.operation(() => {
    const y = w.result(shape);
    const [from, other] = [w.operand(a), w.operand(b)];
    const c = w.call("EachArgs");
    c.kind = binaryKindOf(kind);
    c.a = from;
    c.aOne = aOne;
    c.b = other;
    c.bOne = bOne;
    c.y = y.address;
    runEach(w, c, "pairs", y.tensor.size);
    return y.tensor;
  });
}

export function affine(w: Workspace, x: Tensor, factor: number, shift: number): Tensor {
  return w.operation(() => {
    const y = w.result(x.shape);
    const a = w.operand(x);
    const c = w.call("EachArgs");
    c.a = a;
    c.y = y.address;
    c.f0 = factor;
    c.f1 = shift;
    runEach(w, c, "affine", x.size);
    return y.tensor;
  });
}

export function addInPlace(w: Workspace, target: Tensor, source: Tensor, factor: number): void {
  checkSame("addInPlace", "source", source, target);
  w.operation(() =>
    w.inPlace(target, (y) => {
      const a = w.operand(source);
      const c = w.call("EachArgs");
      c.y = y;
      c.a = a;
      c.f0 = factor;
      runEach(w, c, "addScaled", target.size);
    }),
  );
}

export function scaleInPlace(w: Workspace, target: Tensor, factor: number): void {
  w.operation(() =>
    w.inPlace(target, (a) => {
      const c = w.call("EachArgs");
      c.a = a;
      c.y = a;
      c.f0 = factor;
      runEach(w, c, "affine", target.size);
    }),
  );
}

/** Sums of stretches of equal length, then their sum: what threads do changes no bit. */
export function sumOfSquares(w: Workspace, x: Tensor): number {
  return w.operation(() => {
    const tasks = Math.ceil(x.size / blockOf(1));
    const a = w.operand(x);
    const sums = w.temporary(tasks * 8);
    const c = w.call("EachArgs");
    c.a = a;
    c.y = sums;
    runEach(w, c, "sumOfSquares", x.size);
    return w.memory.doubles(sums, tasks).reduce((total, part) => total + part, 0);
  });
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
          const c = w.call("EachArgs");
          c.y = pAt;
          c.a = g;
          c.b = mAt;
          c.c = vAt;
          c.f0 = o.beta1;
          c.f1 = o.beta2;
          c.f2 = o.epsilon;
          c.f3 = 1 - o.learningRate * o.weightDecay;
          c.f4 = stepSize;
          c.f5 = rootShare;
          runEach(w, c, "adamW", p.size);
        }),
      ),
    ),
  );
}
