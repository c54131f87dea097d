// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { visibleWeights, writeTrace } from "../../../src/trace/index.js";
import { syntheticTrace } from "../../../src/explorer/engine/synthetic.js";
import { weightText } from "../../../src/explorer/scene/tokens.js";
import { cannot, choice, eventually, explorer } from "./open.js";
import { withCard } from "./card.js";
import { drop } from "./drop.js";

/** Long enough for several tiles each way, short enough for a quick test; the bench page goes to 10,000. */
const N = 1600;
const trace = syntheticTrace({
  tokens: Array.from({ length: N }, (_, i) => ` w${i % 499}`),
  heads: [["previous", "first"]],
  headDim: 32,
  sharpness: 14, // 1,600 random codes: the wanted one must outweigh all the others
});

/** The colour of a point of the cells' canvas. */
const pixel = async (page: import("playwright-core").Page, query: number, key: number): Promise<number[]> =>
  page.evaluate(
    ([q, k]) => {
      const view = document.querySelector("qkv-tiles-view") as any;
      const { map } = view.current.scene;
      const cells = view.querySelector("canvas.cells") as HTMLCanvasElement;
      const canvas = cells.hidden ? (view.querySelector("canvas.picture") as HTMLCanvasElement) : cells;
      const copy = document.createElement("canvas");
      copy.width = canvas.width;
      copy.height = canvas.height;
      const g = copy.getContext("2d")!;
      g.drawImage(canvas, 0, 0);
      const scale = canvas.width / view.current.scene.width || 1;
      return [
        ...g.getImageData(
          Math.floor((map.x + (k! + 0.5) * map.zoom) * scale),
          Math.floor((map.y + (q! + 0.5) * map.zoom) * scale),
          1,
          1,
        ).data,
      ];
    },
    [query, key],
  );

const still = async (page: import("playwright-core").Page): Promise<void> => {
  await page.waitForSelector('qkv-tiles-view[data-ready="1"]');
  await page.waitForFunction(
    () => (document.querySelector("qkv-tiles-view") as any)?.current?.scene?.cells?.length > 0,
  );
  await page.evaluate(() => new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok))));
};

describe.skipIf(cannot)("a long text", () => {
  const e = explorer();

  test("tiles of every zoom have the trace's numbers, and the window is part of the link", async () => {
    const page = await e.open("view=map");
    await drop(page, "long.safetensors", writeTrace(trace));
    await still(page);
    const record = trace.record(0);
    for (let step = 0; step < 3; step++) {
      await page.waitForFunction(
        () => (document.querySelector("qkv-tiles-view") as any)?.current?.scene?.cells.length > 0,
      );
      const tiles = await page.evaluate(() =>
        ((document.querySelector("qkv-tiles-view") as any).current.scene.cells as any[]).map((c) => ({
          ...c,
          values: Array.from(c.values as Float32Array, (x) => (Number.isNaN(x) ? null : x)),
        })),
      );
      expect(tiles.length).toBeGreaterThan(0);
      for (const t of tiles) {
        const [rows, columns] = [
          [t.row0, Math.min(N, t.row0 + t.rows * t.step)],
          [t.column0, Math.min(N, t.column0 + t.columns * t.step)],
        ] as [[number, number], [number, number]];
        const exact = visibleWeights(record, { head: 0, rows, columns });
        const width = columns[1] - columns[0];
        for (let n = 0; n < 60; n++) {
          const [r, c] = [(n * 7919) % t.rows, (n * 104729) % t.columns];
          let most: number | null = null;
          for (let i = r * t.step; i < Math.min((r + 1) * t.step, rows[1] - rows[0]); i++) {
            for (let j = c * t.step; j < Math.min((c + 1) * t.step, width); j++) {
              const w = exact[i * width + j]!;
              if (!Number.isNaN(w)) most = Math.max(most ?? 0, w);
            }
          }
          const got = t.values[r * t.columns + c];
          if (most === null) expect(got).toBeNull();
          else expect(Math.abs(got - most)).toBeLessThan(2e-5);
        }
      }
      await page.getByRole("button", { name: "zoom in" }).click();
      await page.getByRole("button", { name: "zoom in" }).click();
      await still(page);
    }
    await eventually(async () => (await choice(page))["camera"]).not.toBeNull();
    expect(page.url()).toContain("at=");
  });

  test("the whole map at once never hides the diagonal of a head that looks one back", async () => {
    const page = await e.open("view=map");
    await drop(page, "long.safetensors", writeTrace(trace));
    await still(page);
    const [on, off] = [await pixel(page, 1200, 1199), await pixel(page, 1200, 300)];
    const dark = ([r, g, b]: number[]): number => r! + g! + b!;
    expect(dark(off) - dark(on)).toBeGreaterThan(300);
  });

  test("moving about a long map does not lay out its text again", async () => {
    const page = await e.open("view=map");
    await drop(page, "long.safetensors", writeTrace(trace));
    await still(page);
    const asked = await page.evaluate(async () => {
      let n = 0;
      const own = Object.getOwnPropertyDescriptor(Element.prototype, "scrollHeight")!;
      Object.defineProperty(HTMLTextAreaElement.prototype, "scrollHeight", {
        configurable: true,
        get() {
          n++;
          return own.get!.call(this);
        },
      });
      const { store } = (globalThis as any).qkv;
      const frame = () => new Promise((ok) => requestAnimationFrame(ok));
      for (let i = 0; i < 5; i++) {
        store.change({ camera: { row: 10 * i, column: 10 * i, zoom: 2 } });
        store.focus.value = { query: 20 * i, key: i };
        await frame();
        await frame();
      }
      delete (HTMLTextAreaElement.prototype as any).scrollHeight;
      store.change({ camera: null });
      return n;
    });
    expect(asked).toBe(0);
  });

  test("its text is shaded part by part with the row of the token asked", async () => {
    const page = await e.open("view=text");
    await drop(page, "long.safetensors", writeTrace(trace));
    await page.mouse.move(2, 2); // what the pointer is over would be asked
    for (const query of [900, 1234]) {
      await page.evaluate((q) => (globalThis as any).qkv.store.change({ query: q, layer: 0, head: 0 }), query);
      await eventually(() => page.locator(".token.is-query").getAttribute("data-n")).toBe(`${query}`);
      const row = visibleWeights(trace.record(0), { head: 0, rows: [query, query + 1] });
      const said = await page.locator(".passage .token").evaluateAll((all) =>
        all.map((x) => [Number((x as HTMLElement).dataset["n"]), x.querySelector(".sr")!.textContent!.slice(2)] as const),
      ); // biome-ignore format: one list
      expect(said).toHaveLength(600);
      for (const [n, words] of said) expect(words, `token ${n}`).toBe(Number.isNaN(row[n]!) ? "may not be seen" : weightText(row[n]!)); // biome-ignore format: one line
    }
    await page.getByRole("button", { name: "later" }).click();
    await eventually(() => page.getByTestId("part").textContent()).toContain("Tokens 1,000 to 1,599 of 1,600");
    await page.close();
  });

  test("by WebGL and by the 2D canvas the same colours; a lost context falls back to the one and comes back to the other", async () => {
    const page = await e.open("view=map");
    const without = await withCard(page);
    try {
      await drop(page, "long.safetensors", writeTrace(trace));
      await still(page);
      const before = await pixel(page, 1200, 1199);
      const can = await page.evaluate(() => {
        const canvas = document.querySelector("canvas.cells") as HTMLCanvasElement;
        const gl = canvas.getContext("webgl2");
        const lose = gl?.getExtension("WEBGL_lose_context");
        (globalThis as any).restore = () => lose?.restoreContext();
        lose?.loseContext();
        return lose !== null && lose !== undefined;
      });
      if (!can) return; // no WebGL in this browser: the 2D canvas was in use all along
      await eventually(() => page.locator("canvas.cells").isHidden()).toBe(true);
      expect(await pixel(page, 1200, 1199)).toEqual(before);
      await page.evaluate(() => (globalThis as any).restore());
      await eventually(() => page.locator("canvas.cells").isHidden()).toBe(false);
      expect(await pixel(page, 1200, 1199)).toEqual(before);
    } finally {
      await without();
    }
  });

  test("item 32: touch: two fingers apart zoom about the point between them, one finger moves the window", async () => {
    const page = await e.open("view=map", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await drop(page, "long.safetensors", writeTrace(trace));
    await still(page);
    const canvas = page.locator("qkv-tiles-view canvas.picture");
    await canvas.scrollIntoViewIfNeeded();
    const box = (await canvas.boundingBox())!;
    expect(box.x + box.width).toBeLessThanOrEqual(390);
    const [x, y] = [box.x + box.width * 0.55, box.y + box.height * 0.5];
    const wire = await page.context().newCDPSession(page);
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...points: [number, number][]): Promise<unknown> =>
      wire.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: points.map(([px, py], id) => ({ x: px, y: py, id })),
      });
    const map = (): Promise<{ x: number; y: number; zoom: number }> => page.evaluate(() => (document.querySelector("qkv-tiles-view") as any).current.scene.map); // biome-ignore format: one call
    const before = await map();
    const under = (m: { x: number; zoom: number }): number => (x - box.x - m.x) / m.zoom;
    await touch("touchStart", [x - 20, y], [x + 20, y]);
    for (let n = 1; n <= 10; n++) await touch("touchMove", [x - 20 - 6 * n, y], [x + 20 + 6 * n, y]);
    await touch("touchEnd");
    await eventually(async () => (await map()).zoom / before.zoom).toBeGreaterThan(3);
    const near = await map();
    expect(near.zoom / before.zoom).toBeLessThan(5); // the fingers went from 40 to 160 pixels apart
    expect(Math.abs(under(near) - under(before)) * near.zoom).toBeLessThan(60); // what was between them still is
    await touch("touchStart", [x, y]);
    for (let n = 1; n <= 10; n++) await touch("touchMove", [x - 8 * n, y - 4 * n]);
    await touch("touchEnd");
    await eventually(async () => near.x - (await map()).x).toBeGreaterThan(60);
    const moved = await map();
    expect(near.y - moved.y).toBeGreaterThan(25);
    expect(moved.zoom).toBe(near.zoom);
    expect((await choice(page))["query"]).toBe(-1); // a drag chooses nothing
    await page.context().close();
  });
});
