/** @file The shape and the weight of a line: a cubic Bézier between its ends, for the pens and the hit test. */
import type { Line } from "./scene.js";

/** A weight as a line: pixels thick = `thin` + `grows` · weight, opacity = `faint` + `firm` · √weight. */
export const pen = { thin: 0.75, grows: 3.25, faint: 0.12, firm: 0.88 } as const;
export const thickness = (weight: number): number => pen.thin + pen.grows * weight;
export const opacity = (weight: number): number => pen.faint + pen.firm * Math.sqrt(weight);

type Ends = Pick<Line, "x1" | "y1" | "x2" | "y2" | "handles">;
export type Handles = readonly [x1: number, y1: number, x2: number, y2: number];

/** Where the curve's handles stand: its own, else both half way across, or half way down. */
export function handlesOf({ x1, y1, x2, y2, handles }: Ends, down = false): Handles {
  if (handles) return handles;
  return down ? [x1, (y1 + y2) / 2, x2, (y1 + y2) / 2] : [(x1 + x2) / 2, y1, (x1 + x2) / 2, y2];
}

/** Height at x of a curve without handles of its own: x(t) = x1 + w·(1.5t(1−t)² + 1.5t²(1−t) + t³). */
export function curveAt({ x1, y1, x2, y2 }: Ends, x: number): number {
  const u = (x - x1) / (x2 - x1);
  let [low, high] = [0, 1];
  for (let n = 0; n < 20; n++) {
    const t = (low + high) / 2;
    const s = 1 - t;
    if (1.5 * t * s * s + 1.5 * t * t * s + t * t * t < u) low = t;
    else high = t;
  }
  const t = (low + high) / 2;
  return y1 + (y2 - y1) * (3 * t * t - 2 * t * t * t);
}

const [pieces, far] = [24, Number.POSITIVE_INFINITY];

/** How far a point is from a curve, in pixels; infinite where it is not beside it. */
export function distanceTo(l: Ends, x: number, y: number, down = false): number {
  if (l.handles) return toBezier(l, l.handles, x, y);
  if (down) return y < l.y1 || y > l.y2 ? far : Math.abs(curveAt({ x1: l.y1, y1: l.x1, x2: l.y2, y2: l.x2 }, y) - x);
  return x < l.x1 || x > l.x2 ? far : Math.abs(curveAt(l, x) - y);
}

function toBezier(l: Ends, [cx1, cy1, cx2, cy2]: Handles, x: number, y: number): number {
  const outside = (at: number, ...ends: number[]): boolean => at < Math.min(...ends) - 8 || at > Math.max(...ends) + 8;
  if (outside(x, l.x1, l.x2, cx1, cx2) || outside(y, l.y1, l.y2, cy1, cy2)) return far;
  let best = far;
  let [px, py] = [l.x1, l.y1];
  for (let n = 1; n <= pieces; n++) {
    const t = n / pieces;
    const s = 1 - t;
    const [a, b, c, d] = [s * s * s, 3 * t * s * s, 3 * t * t * s, t * t * t];
    const qx = a * l.x1 + b * cx1 + c * cx2 + d * l.x2;
    const qy = a * l.y1 + b * cy1 + c * cy2 + d * l.y2;
    const [dx, dy] = [qx - px, qy - py];
    const u = Math.min(1, Math.max(0, ((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy || 1)));
    best = Math.min(best, Math.hypot(px + u * dx - x, py + u * dy - y));
    [px, py] = [qx, qy];
  }
  return best;
}
