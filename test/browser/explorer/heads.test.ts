// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { syntheticTrace, type PlannedHead } from "../../../src/explorer/engine/synthetic.js";
import { loadModel } from "../../../src/models/index.js";
import { tensor } from "../../../src/tensor/index.js";
import { MapRecord, Trace, writeTrace } from "../../../src/trace/index.js";
import { drop } from "./drop.js";
import { cannot, choice, engine, eventually, explorer, lab, sentence } from "./open.js";

const scoresOf = (page: Page) =>
  engine<{ types: { id: string; chance: number }[]; heads: { layer: number; head: number; scores: Record<string, number> }[] }>(page, "headTypes", {}); // biome-ignore format: one call

describe.skipIf(cannot)("what heads do", () => {
  const e = explorer();

  test("item 15: planned heads score 1 for their habit, the uniform head scores chance", async () => {
    const tokens = [..."abcdabcd"];
    const [L, before] = [8, (i: number) => i - 4]; // each of the last four was said four tokens earlier
    const plan: Record<string, (i: number) => number> = {
      previous: (i) => Math.max(0, i - 1),
      next: (i) => Math.min(L - 1, i + 1),
      self: (i) => i,
      first: () => 0,
      local: (i) => Math.max(0, i - 2),
      duplicate: (i) => (i >= 4 ? before(i) : 0),
      induction: (i) => (i >= 4 ? before(i) + 1 : 0),
    };
    const names = Object.keys(plan);
    const maps = new Float32Array((names.length + 1) * L * L);
    names.forEach((n, h) => { for (let i = 0; i < L; i++) maps[(h * L + i) * L + plan[n]!(i)] = 1; }); // biome-ignore format: one line
    maps.fill(1 / L, names.length * L * L);
    const trace = new Trace({
      info: { model: "made", architecture: "by hand", sequences: [{ ids: tokens.map((t) => t.charCodeAt(0)), tokens }], provenance: { engine: "a test" } },
      records: [new MapRecord({ kind: "self", layer: 0 }, tensor(maps, [1, names.length + 1, L, L]))],
    }); // biome-ignore format: one trace
    const page = await e.open("view=types");
    await drop(page, "planned.safetensors", writeTrace(trace));
    const { types, heads } = await scoresOf(page);
    names.forEach((id, h) => { expect(heads[h]!.scores[id], id).toBeCloseTo(1, 5); }); // biome-ignore format: one line
    const even = heads[names.length]!.scores;
    for (const { id, chance } of types)
      if (chance !== null && even[id] !== null) expect(even[id], id).toBeCloseTo(chance, 5);
    expect(even["broad"]).toBeCloseTo(1, 5);
  });

  test("item 15: the three formulas of induction are named and chosen; induction heads stand in the top decile by each", async () => {
    const page = await e.open("view=types");
    await page.waitForSelector("table.score-grid");
    const names = await page.locator("#typeX option").allTextContents();
    for (const n of ["Induction", "Induction, weights ≥ 0.3", "Induction, share of the map"])
      expect(names).toContain(n);
    await page.selectOption("#typeX", "inductionMass");
    await eventually(() => page.locator("#stage").textContent()).toContain("Three formulas of induction are in use");
    // Two induction heads among 144 stand in the top decile, whichever formula ranks them.
    const grid = Array.from({ length: 12 }, (_, l): PlannedHead[] =>
      Array.from(
        { length: 12 },
        (_, h): PlannedHead =>
          (l === 5 && h === 5) || (l === 6 && h === 9)
            ? "induction"
            : (["previous", "broad", "first", "self"] as const)[(l + h) % 4]!,
      ),
    );
    const words = [..."abcdefghijklmnop"].map((w) => ` ${w}`);
    await drop(page, "grid.safetensors", writeTrace(syntheticTrace({ tokens: [...words, ...words], heads: grid, headDim: 32, sharpness: 12 }))); // biome-ignore format: one call
    const { heads } = await scoresOf(page);
    for (const formula of ["induction", "inductionStrict", "inductionMass"]) {
      const top = [...heads].sort((a, b) => b.scores[formula]! - a.scores[formula]!).slice(0, 14).map((h) => `${h.layer}.${h.head}`); // biome-ignore format: one list
      expect(top, formula).toEqual(expect.arrayContaining(["5.5", "6.9"]));
    }
  });

  test("item 15: a head that goes by position alone scores 1 whatever the order of the words", async () => {
    const page = await e.open("view=types&model=bundled");
    await page.click("#positional");
    await page.getByTestId("positional").waitFor();
    const { heads } = await lab<{ heads: { layer: number; head: number; score: number }[] }>(page, "positional", {});
    expect(heads).toHaveLength(24);
    for (const h of heads) expect(h.score).toBeLessThanOrEqual(1 + 1e-5);
    const { heads: types } = await scoresOf(page);
    const previous = types.reduce((a, b) => (a.scores["previous"]! > b.scores["previous"]! ? a : b));
    const own = heads.find((h) => h.layer === previous.layer && h.head === previous.head)!.score;
    expect(own).toBeGreaterThan(0.8); // a head that looks one back does so whatever is written
  });

  test("item 16: 1,200 heads: every one has its dot and its cell, and choosing one gives its nearest and its group", async () => {
    const kinds: PlannedHead[] = ["previous", "self", "first", "local", "duplicate", "induction", "broad"];
    const layers = Array.from({ length: 48 }, (_, l) => Array.from({ length: 25 }, (_, h) => kinds[(l * 25 + h) % 7]!));
    const tokens = " a b c d e f a b c d e f".match(/ \w/g)!;
    const page = await e.open("view=types");
    await drop(page, "many.safetensors", writeTrace(syntheticTrace({ tokens, heads: layers, headDim: 16 })));
    await page.waitForFunction(() => document.querySelectorAll(".scatter circle").length === 1200);
    expect(await page.locator(".score-cell").count()).toBe(1200);
    await page.locator(".score-cell[aria-label^='layer 30 head 12:']").click();
    expect(await choice(page)).toMatchObject({ layer: 30, head: 12 });
    const pressed = (): Promise<unknown> => page.evaluate(() => [...document.querySelectorAll("[data-mark][aria-pressed=true], .dot[data-here]")].map((x) => x.getAttribute("data-mark"))); // biome-ignore format: one question
    await eventually(pressed).toEqual(["30.12", "30.12", "30.12"]); // thumbnail, cell and dot: the sign has moved, none stayed
    await eventually(() => page.locator("#stage").textContent()).toContain("Heads most like 30.12");
    const own = kinds[(30 * 25 + 12) % 7]!;
    const near = await page.getByTestId("nearest").locator("th[scope=row]").allTextContents();
    for (const n of near) {
      const [l, h] = n.trim().split(".").map(Number);
      expect(layers[l!]![h!], n).toBe(own);
    }
    await page.locator("#groups").fill("7");
    await eventually(() => page.getByTestId("groups").locator("> li").count()).toBe(7);
  });

  test("item 17: silencing a head equals deleting its slice of the output projection's input, within 1e-5", async () => {
    const [layer, head] = [1, 2];
    const page = await e.open(
      `view=whatif&layer=${layer}&head=${head}&edits=${encodeURIComponent(JSON.stringify([{ layer, head, output: "zero" }]))}`,
    );
    const shown = await engine<{ id: number; probability: number }[][]>(page, "predictions", { top: 600 });
    const model = await loadModel("bundled");
    const config = model.config as Record<string, number>;
    const name = [...model.named()].find(([n]) => n.endsWith(`layers.${layer}.self_attn.o_proj.weight`))!;
    const { shape } = name[1].copy();
    const [width, inputs] = shape as [number, number];
    const D = inputs / config["num_attention_heads"]!;
    // The oracle: the difference that the head's columns make, taken from every row by an edited copy of the matrix.
    const whole = name[1].copy().data.slice();
    for (let n = 0; n < width; n++) whole.fill(0, n * inputs + head * D, n * inputs + (head + 1) * D);
    name[1].set({ data: whole, shape: [width, inputs] } as never);
    const { logits } = model.read(sentence);
    const V = logits!.shape.at(-1)!;
    let worst = 0;
    shown.forEach((row, i) => {
      const own = logits!.data.subarray(i * V, (i + 1) * V);
      const max = Math.max(...own);
      const total = own.reduce((s, x) => s + Math.exp(x - max), 0);
      for (const g of row) worst = Math.max(worst, Math.abs(Math.exp(own[g.id]! - max) / total - g.probability));
    });
    expect(worst).toBeLessThan(1e-5);
  });

  test("item 17: all five ways of taking a head out, on chosen tokens only: earlier tokens stay as they were", async () => {
    const page = await e.open("view=whatif&layer=1&head=2&q=6");
    const before = await engine<{ id: number; probability: number }[][]>(page, "predictions", { top: 4 });
    for (const form of [
      { output: "zero" },
      { output: "mean" },
      { mask: "uniform" },
      { mask: "self-only" },
      { mask: "first-only" },
    ]) {
      const edits = [{ kind: "self", layer: 1, head: 2, rows: [6, 7], ...form }];
      await page.evaluate((x) => (globalThis as any).qkv.store.change({ edits: x }), edits);
      await page.waitForFunction((n) => { const r = (globalThis as any).qkv.store.run.peek(); return r.state === "ready" && JSON.stringify(r.value.edits) === n; }, JSON.stringify(edits)); // biome-ignore format: one question
      const after = await engine<{ id: number; probability: number }[][]>(page, "predictions", { top: 4 });
      for (let i = 0; i < 6; i++) after[i]!.forEach((g, n) => { expect(g.probability, JSON.stringify(form)).toBeCloseTo(before[i]![n]!.probability, 6); }); // biome-ignore format: one line
      expect(after[6], JSON.stringify(form)).not.toEqual(before[6]);
    }
  });

  test("item 17: a head patched from the same text changes nothing; from another text it does", async () => {
    const page = await e.open("view=whatif&layer=2&head=1");
    const kl = () => page.getByTestId("kl").textContent();
    const patch = async (text: string): Promise<void> => {
      await page.fill("#knob-patch", text);
      await page.getByRole("button", { name: "Patch" }).click();
      await page.waitForFunction((t) => { const r = (globalThis as any).qkv.store.run.peek(); return r.state === "ready" && r.value.edits[0]?.patch === t; }, text); // biome-ignore format: one question
    };
    await patch(sentence);
    await eventually(kl).toBe("0.0000 nats");
    await patch("A quiet house by the road, and nobody in it at all.");
    await eventually(kl).not.toBe("0.0000 nats");
  });

  test("item 18: a weight is dragged, a cell rubbed out, the next token changes; undo gives the exact original", async () => {
    const page = await e.open("view=whatif&layer=2&head=0");
    const before = await engine<unknown>(page, "predictions", { top: 5 });
    await page.getByTestId("kl").waitFor(); // all of the view is there: nothing moves under the pointer
    const map = page.locator("qkv-what-if-view qkv-plain-map canvas.picture");
    await map.waitFor();
    const at = async (query: number, key: number): Promise<{ x: number; y: number }> => {
      await map.scrollIntoViewIfNeeded();
      const box = (await map.boundingBox())!;
      const m = await page.evaluate(
        () => (document.querySelector("qkv-what-if-view qkv-plain-map") as any).picture.scene.map,
      );
      return { x: box.x + m.x + (key + 0.5) * m.zoom, y: box.y + m.y + (query + 0.5) * m.zoom };
    };
    await page.getByRole("button", { name: "drag a weight up or down" }).click();
    const from = await at(9, 4);
    await page.mouse.move(from.x, from.y);
    await page.mouse.down();
    await page.mouse.move(from.x, from.y - 60, { steps: 6 });
    await page.mouse.up();
    const painted = (await choice(page))["edits"] as { paint: [number, number, number][] }[];
    expect(painted[0]!.paint[0]!.slice(0, 2)).toEqual([9, 4]);
    expect(painted[0]!.paint[0]![2]).toBeGreaterThan(0.3);
    await page.getByRole("button", { name: "rub out" }).click();
    const off = await at(9, 2);
    await page.mouse.move(off.x, off.y);
    await page.mouse.down();
    await page.mouse.up();
    await eventually(async () => JSON.stringify((await choice(page))["edits"])).toContain("[9,2,0]");
    await eventually(async () => JSON.stringify(await engine<unknown>(page, "predictions", { top: 5 }))).not.toBe(JSON.stringify(before)); // biome-ignore format: one call
    await page.getByRole("button", { name: "Original" }).click();
    await eventually(async () => (await choice(page))["edits"]).toEqual([]);
    await eventually(async () => JSON.stringify(await engine<unknown>(page, "predictions", { top: 5 }))).toBe(JSON.stringify(before)); // biome-ignore format: one call
  });
});
