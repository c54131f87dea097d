/** @file The layouts of two views that are elements on the page, as scenes for export: all heads, and the shaded text. */
import type { Atlas, KindView } from "../engine/protocol.js";
import { type Cells, type Label, type Measure, type Scene, sceneOf } from "./scene.js";

export function headsScene(atlas: Atlas, k: KindView, tags: (layer: number, head: number) => string): Scene {
  const { size, heads, layers } = atlas;
  const [R, C] = [Math.min(size, k.queries), Math.min(size, k.keys)];
  const cell = Math.max(1, Math.floor(96 / Math.max(R, C)));
  const [w, h, left, top] = [C * cell + 14, R * cell + 30, 64, 12];
  const cells: Cells[] = [];
  const labels: Label[] = [];
  layers.forEach((layer, l) => {
    const y = top + l * h;
    labels.push({
      x: 8,
      y: y + (R * cell) / 2,
      text: `layer ${layer}`,
      align: "left",
      size: 13,
      tone: "soft",
      length: 50,
    });
    for (let head = 0; head < heads; head++) {
      const x = left + head * w;
      const values = new Float32Array(R * C);
      const at = (l * heads + head) * size * size;
      for (let r = 0; r < R; r++) values.set(atlas.values.subarray(at + r * size, at + r * size + C), r * C);
      cells.push({ x, y, cell, rows: R, columns: C, values, row0: 0, column0: 0, step: 1 });
      labels.push({
        x,
        y: y + R * cell + 12,
        text: `${layer}.${head} ${tags(layer, head)}`,
        align: "left",
        size: 12,
        tone: "ink",
        length: 60,
      });
    }
  });
  const [width, height] = [left + heads * w + 8, top + layers.length * h + 8];
  const says = `All ${layers.length * heads} heads; a row a layer.`;
  return sceneOf({ width, height, says, plot: { x: 0, y: 0, width, height }, cells, labels });
}

/** Tokens in reading order with their shade; lines break at the width. */
export function textScene(
  tokens: readonly string[],
  weights: ArrayLike<number>,
  chosen: number,
  lead: string,
  width: number,
  measure: Measure,
): Scene {
  const size = 20;
  const boxes: NonNullable<Scene["boxes"]> = [];
  const labels: Label[] = [
    { x: 12, y: 22, text: lead, align: "left", size: 16, tone: "soft", length: measure(lead, 16) },
  ];
  let [x, y] = [12, 48];
  tokens.forEach((text, n) => {
    const length = measure(text, size);
    if (x + length + 24 > width && x > 12) {
      x = 12;
      y += 54;
    }
    boxes.push({ x, y, width: length + 10, height: 32, weight: weights[n]!, chosen: n === chosen });
    labels.push({ x: x + 5, y: y + 16, text, align: "left", size, tone: "ink", length, on: weights[n]! });
    const w = weights[n]!;
    if (w >= 0.005)
      labels.push({
        x: x + length / 2 + 5,
        y: y + 42,
        text: w.toFixed(2).replace(/^0/, ""),
        align: "center",
        size: 12,
        tone: "soft",
        length: 20,
      });
    x += length + 12;
  });
  return sceneOf({ width, height: y + 60, says: lead, labels, boxes });
}
