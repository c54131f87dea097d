import { expect, test } from "vitest";
import { heatmapScene } from "../scene/heatmap.js";
import { drawScene, type Look } from "./canvas.js";

/** A 2D context that keeps the texts written on it. */
function paper(): { g: CanvasRenderingContext2D; written: { text: string; x: number; y: number }[] } {
  const written: { text: string; x: number; y: number }[] = [];
  const own: Record<string, unknown> = {
    fillText: (text: string, x: number, y: number) => written.push({ text, x, y }),
  };
  const g = new Proxy(own, {
    get: (o, name) => o[name as string] ?? (() => {}),
  }) as unknown as CanvasRenderingContext2D;
  return { g, written };
}

test("of a tile of 65,536 weights those in the window are written, and all of these", () => {
  const values = Float32Array.from({ length: 256 * 256 }, (_, n) => ((n % 89) + 1) / 100);
  const names = Array.from({ length: 1000 }, (_, n) => `w${n}`);
  const scene = heatmapScene({ rows: names, columns: names, width: 700, height: 600, camera: { zoom: 32, row: 100.5, column: 40.25 }, measure: (t, size) => t.length * size * 0.5, says: "", cells: [{ rows: 256, columns: 256, values, row0: 0, column0: 0, step: 1 }] }); // biome-ignore format: one scene
  const look = { mode: "light", ramp: new Uint8Array(768), transform: "linear", font: "x", numbers: true } as unknown as Look; // biome-ignore format: one look
  const { g, written } = paper();
  drawScene(g, scene, look, { cells: false });
  const numbers = written.filter(({ text }) => /^\.\d+$/.test(text));
  const { x, y, width, height } = scene.plot;
  const seen = numbers.filter((n) => n.x >= x && n.x <= x + width && n.y >= y && n.y <= y + height);
  expect(seen.length).toBeGreaterThanOrEqual(Math.floor(width / 32) * Math.floor(height / 32));
  expect(numbers.length).toBeLessThan((width / 32 + 3) * (height / 32 + 3));
});
