/** @file Shape algebra: sizes, strides, broadcasting by NumPy's rule. */
import { ShapeError } from "./errors.js";

/** How many numbers a shape holds; 1 for the empty shape (a scalar). */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** Distance between neighbours along each axis of a contiguous row-major array, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return strides;
}

/** Whether two shapes are equal axis by axis. */
export function isSameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** A shape as text: "[2, 8, 5, 64]". */
export function show(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The common shape of two arrays by NumPy's rule: aligned at the right, an axis of 1 stretches.
 * @throws {ShapeError} naming the first axis, from the right, that disagrees
 */
export function broadcastShapes(a: readonly number[], b: readonly number[], where: string): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1;
    const y = b[b.length - i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError({
        where,
        argument: "the second operand",
        got: `has ${y} on axis −${i} of ${show(b)}`,
        expected: `${x} or 1, as in ${show(a)}`,
      });
    }
    out[rank - i] = Math.max(x === 0 || y === 0 ? 0 : x, x === 0 || y === 0 ? 0 : y);
  }
  return out;
}

/**
 * Strides, in elements, that read an array of `shape` as if it had shape `target`: 0 where an axis stretches.
 * @throws {ShapeError} when `shape` does not broadcast to `target`
 */
export function broadcastStrides(
  shape: readonly number[],
  target: readonly number[],
  where: string,
  argument: string,
): number[] {
  const own = stridesOf(shape);
  const lead = target.length - shape.length;
  const refuse = (): never => {
    throw new ShapeError({
      where,
      argument,
      got: `has shape ${show(shape)}`,
      expected: `a shape that broadcasts to ${show(target)} (each axis equal or 1, aligned at the right)`,
    });
  };
  if (lead < 0) refuse();
  return target.map((d, axis) => {
    const mine = axis < lead ? 1 : shape[axis - lead]!;
    if (mine !== d && mine !== 1) refuse();
    return mine === 1 ? 0 : own[axis - lead]!;
  });
}
