/** @file What a rule of shapes is, and the small arithmetic of axes that rules share. */
import type { Node } from "../proto/model.js";
import type { Value } from "./scope.js";

export type Made = Pick<Value, "type" | "dims"> & Partial<Pick<Value, "ints">>;
export type Input = Value | undefined;
export type Rule = (inputs: readonly Input[], node: Node) => (Made | undefined)[];
export type Dims = (number | undefined)[] | undefined;

export const one = (type: number, dims: Dims, ints?: (number | undefined)[]): Made[] => [{ type, dims, ints }];
export const typeOf = (x: Input): number => x?.type ?? 0;
export const last = (x: Input): number | undefined => x?.dims?.at(-1);
/** Axis −1 of rank 4 is 3. */
export const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
export const withLast = (dims: Dims, d: number | undefined): Dims => dims && [...dims.slice(0, -1), d];

/** NumPy's rule with unknowns: an unknown axis against a known length above 1 is that length. */
export function broadcast(a: Dims, b: Dims): Dims {
  if (!a || !b) return undefined;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a, b].map((d) => (i < rank - d.length ? 1 : d[i - (rank - d.length)]));
    if (x === 1) return y;
    if (y === 1) return x;
    return x ?? y;
  });
}

/** Axes of which only the number is known. A damaged file may claim any number. */
export const ofRank = (rank: number | undefined): Dims =>
  rank === undefined || rank > 64 ? undefined : new Array<undefined>(rank).fill(undefined);

export const same: Rule = ([x]) => one(typeOf(x), x?.dims, x?.ints);
export const likeFirst: Rule = ([x]) => one(typeOf(x), x?.dims);

export const matmul = (a: Dims, b: Dims): Dims => {
  if (!a || !b || a.length === 0 || b.length === 0) return undefined;
  if (a.length === 1 || b.length === 1) return undefined; // vectors do not occur here
  const lead = broadcast(a.slice(0, -2), b.slice(0, -2));
  return lead && [...lead, a.at(-2), b.at(-1)];
};
export const swapped = (dims: Dims): Dims => dims && [...dims.slice(0, -2), dims.at(-1), dims.at(-2)];
