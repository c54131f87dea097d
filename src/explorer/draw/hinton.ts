/**
 * @file Weights as squares whose area is the weight (Hinton diagrams, Hinton 1986): a map without colours, for systems that
 * take colours away. Of signed numbers the negative ones are hollow.
 */
import type { Scene } from "../scene/scene.js";
import type { Look } from "./canvas.js";
import { position } from "./colour.js";

/** Cells smaller than this many pixels keep their colour: a square in them would not be told from its neighbour. */
const smallest = 4;

/** Draws the cells that have room. @returns whether they had */
export function hinton(g: CanvasRenderingContext2D, { plot, cells }: Scene, look: Look): boolean {
  if (!cells.every((c) => c.cell >= smallest)) return false;
  g.fillStyle = g.strokeStyle = look.ink;
  g.lineWidth = 1;
  for (const c of cells) {
    const from = (start: number, at: number): number => Math.max(0, Math.floor((start - at) / c.cell));
    const [r1, k1] = [(plot.y + plot.height - c.y) / c.cell, (plot.x + plot.width - c.x) / c.cell];
    for (let r = from(plot.y, c.y); r < Math.min(c.rows, r1); r++) {
      for (let k = from(plot.x, c.x); k < Math.min(c.columns, k1); k++) {
        const w = c.values[r * c.columns + k]!;
        if (Number.isNaN(w)) continue;
        const share = look.signed ? Math.abs(w) : position(w, look.transform === "log" ? "log" : "linear");
        const side = Math.sqrt(share) * (c.cell - 1);
        const at = (n: number): number => (n + 0.5) * c.cell - side / 2;
        g.clearRect(c.x + k * c.cell, c.y + r * c.cell, c.cell, c.cell); // no hatch under a pair that may attend
        if (look.signed && w < 0) g.strokeRect(c.x + at(k), c.y + at(r), side, side);
        else g.fillRect(c.x + at(k), c.y + at(r), side, side);
      }
    }
  }
  return true;
}
