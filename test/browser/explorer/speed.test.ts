// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tensor } from "../../../src/tensor/index.js";
import { headsOf, QkRecord, Trace, writeTrace } from "../../../src/trace/index.js";
import { root } from "../../goldens/where.js";
import { drop } from "./drop.js";
import { cannot, engine, explorer } from "./open.js";

const [N, row, column] = [10_000, 7321, 1234];

/** An even causal head with one cell of 0.9, from q and k of four numbers a token. */
function oneSpike(): Trace {
  const [q, k] = [new Float32Array(N * 4), new Float32Array(N * 4)];
  const score = Math.log(9 * row); // e^s / (e^s + row) = 0.9
  q[row * 4] = 1;
  k[column * 4] = score;
  const lse = Float32Array.from({ length: N }, (_, i) =>
    i === row ? Math.log(Math.exp(score) + row) : Math.log(i + 1),
  );
  const shape = [1, 1, N, 4];
  const call = { batch: 1, heads: 1, keyHeads: 1, queries: N, keys: N, headDim: 4, scale: 1, q: headsOf(tensor(q, shape)), k: headsOf(tensor(k, shape)), rule: { perBatch: false, first: new Int32Array(N), end: Int32Array.from({ length: N }, (_, i) => i + 1) } }; // biome-ignore format: one call
  const tokens = Array.from({ length: N }, (_, i) => `w${i % 100}`);
  return new Trace({
    info: { model: "made", architecture: "one spike", sequences: [{ ids: tokens.map((_, i) => i % 100), tokens }], provenance: { engine: "a test" } }, // biome-ignore format: one record
    records: [new QkRecord({ kind: "self", layer: 0 }, call, tensor(lse, [1, 1, N]))],
  });
}

describe.skipIf(cannot)("long texts and the first picture", () => {
  const e = explorer();

  test("item 23: one cell of 0.9 among 10,000 × 10,000 is seen with the whole map on screen", async () => {
    const page = await e.open("view=map");
    await drop(page, "spike.safetensors", writeTrace(oneSpike()));
    const { weight } = await engine<{ weight: number }>(page, "pair", { layer: 0, head: 0, query: row, key: column });
    expect(weight).toBeCloseTo(0.9, 4);
    await page.waitForSelector('qkv-tiles-view[data-ready="1"]', { timeout: 240_000 });
    await page.evaluate(() => new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok))));
    const [darkest, level] = await page.evaluate(
      ([r, c]) => {
        const view = document.querySelector("qkv-tiles-view") as any;
        const { map, width, plot } = view.current.scene;
        const cells = view.querySelector("canvas.cells") as HTMLCanvasElement;
        const canvas = cells.hidden ? (view.querySelector("canvas.picture") as HTMLCanvasElement) : cells;
        const copy = document.createElement("canvas");
        [copy.width, copy.height] = [canvas.width, canvas.height];
        const g = copy.getContext("2d", { willReadFrequently: true })!;
        g.drawImage(canvas, 0, 0);
        const scale = canvas.width / width;
        const ink = (x: number, y: number): number => {
          const d = g.getImageData(Math.round(x * scale) - 2, Math.round(y * scale) - 2, 5, 5).data;
          let most = 765;
          for (let i = 0; i < d.length; i += 4) if (d[i + 3]! > 0) most = Math.min(most, d[i]! + d[i + 1]! + d[i + 2]!);
          return most;
        };
        const at = (i: number, j: number): number => ink(map.x + (j + 0.5) * map.zoom, map.y + (i + 0.5) * map.zoom);
        return [at(r!, c!), at(r! + 400, c! + 400), map.zoom * 10_000 <= plot.width + 1 ? 1 : 0];
      },
      [row, column] as const,
    );
    expect(darkest!).toBeLessThan(level! - 200);
  }, 300_000);

  test("item 24: the viewer weighs at most 80 kB gzip without the engine, and asks no other origin", async () => {
    const page = await e.open("view=text");
    const policy = await page.evaluate(async () => (await fetch("/")).headers.get("content-security-policy"));
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("connect-src 'self'");
    expect(await page.evaluate(() => performance.getEntriesByName("qkv-first-picture").length)).toBe(1);
    const weight = join(process.env["QKV_PAGE"] ?? join(root, "dist/explorer/app"), "weight.json");
    if (existsSync(weight)) expect(JSON.parse(readFileSync(weight, "utf8")).viewer).toBeLessThanOrEqual(80 * 1024);
    // What other origins were asked is watched in every test of this folder: see open.ts.
  });

  test("item 24: a model comes with progress, and again from the browser's own memory", async () => {
    const page = await e.open("view=text");
    const told = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      const steps: number[] = [];
      await store.engine.open("bundled", { onProgress: (done: number) => steps.push(done) });
      return steps.length;
    });
    expect(told).toBe(0); // loaded already: nothing is fetched twice
    const fetched = await page.evaluate(() => performance.getEntriesByType("resource").map((r) => r.name).filter((n) => /model\.safetensors/.test(n)).length); // biome-ignore format: one question
    expect(fetched).toBeLessThanOrEqual(1);
  });
});
