// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { cannot, choice, engine, eventually, explorer, ready, views } from "./open.js";

describe.skipIf(cannot)("the explorer's views", () => {
  const e = explorer();

  test("a sentence becomes a picture of a trained model, isolated, with its numbers checked", async () => {
    const page = await e.open();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(await page.locator(".token").count()).toBeGreaterThan(8);
    await page.waitForSelector(".badges li");
    expect(await page.locator(".badges .bad").count()).toBe(0);
    expect(await page.locator(".badges .ok").count()).toBeGreaterThanOrEqual(5);
    await page.close();
  });

  test("the number said for a cell is the trace's number, in every view that says one", async () => {
    const page = await e.open("layer=1&head=2&q=7&k=3");
    const pair = await engine<{ weight: number; dot: number; score: number; q: number[]; k: number[] }>(page, "pair", {
      layer: 1,
      head: 2,
      query: 7,
      key: 3,
    });
    for (const view of ["text", "lines", "map", "heads", "neuron"]) {
      await page
        .getByRole("tab", {
          name: { text: "Text", lines: "Lines", map: "Map", heads: "All heads", neuron: "q · k" }[view]!,
        })
        .click();
      await eventually(() => page.getByTestId("weight").textContent()).toBe(shown(pair.weight));
    }
    const sum = pair.q.reduce((s, q, d) => s + q * pair.k[d]!, 0);
    expect(sum).toBeCloseTo(pair.dot, 4); // the neuron view's running sum ends at the score before scaling
    expect(await page.getByTestId("score").textContent()).toBe(pair.score.toFixed(4).replace("-", "−"));
    await page.close();
  });

  test("every weight printed in the map's table is found in the trace", async () => {
    const page = await e.open("view=map&layer=2&head=1&q=9&k=1");
    await page.waitForSelector("table.numbers tbody tr");
    const row = await engine<(number | null)[]>(page, "row", { layer: 2, head: 1, query: 9 });
    const printed = await page.locator("table.numbers tbody td:last-child").allTextContents();
    const known = new Set(row.filter((w): w is number => w !== null).map(shown));
    expect(printed.length).toBeGreaterThan(2);
    for (const number of printed) expect(known).toContain(number);
    await page.close();
  });

  test.each([
    ["a sentence", ""],
    ["a single token", "text=a"],
  ])("every view opens on the bundled model and says something of %s", async (_, text) => {
    const page = await e.open(text);
    for (const view of views) {
      await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
      await page.waitForFunction(
        () =>
          document.querySelector("#stage .waiting") === null &&
          (document.querySelector("#stage")?.textContent?.trim().length ?? 0) > 10,
      );
      expect(await page.locator("#stage .failure").count(), view).toBe(0);
    }
    await page.close();
  });

  test("the pointer over a cell gives its exact weight", async () => {
    const page = await e.open("view=map&layer=0&head=0");
    const canvas = page.locator("canvas.picture");
    await canvas.waitFor();
    const at = await page.evaluate(() => {
      const view = document.querySelector("qkv-map-view") as unknown as {
        picture: { scene: { map: { x: number; y: number; zoom: number } } };
      };
      return view.picture.scene.map;
    });
    await canvas.hover({ position: { x: at.x + 2.5 * at.zoom, y: at.y + 5.5 * at.zoom } });
    const pair = await engine<{ weight: number }>(page, "pair", { layer: 0, head: 0, query: 5, key: 2 });
    await eventually(() => page.getByTestId("weight").textContent()).toBe(shown(pair.weight));
    await page.close();
  });

  test("typing reads the text anew; a guess is written down by a click", async () => {
    const page = await e.open();
    await page.fill("#text", "The ship");
    await eventually(async () => (await choice(page))["text"]).toBe("The ship");
    await ready(page);
    await page.waitForSelector(".guess");
    const word = await page.evaluate(() => (globalThis as any).qkv.store.shown.peek().next[0].text as string);
    await page.locator(".guess").first().click();
    await eventually(async () => (await choice(page))["text"]).toBe(`The ship${word}`);
    await page.close();
  });

  test("silencing a head changes the next token's odds; undoing gives the exact original", async () => {
    const page = await e.open("view=whatif&layer=2&head=0");
    await page.waitForSelector("[data-testid=kl]");
    const before = await engine<{ id: number; probability: number }[][]>(page, "predictions", { top: 5 });
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await eventually(() => page.getByTestId("kl").textContent()).not.toBe("0.0000 nats");
    await page.getByRole("button", { name: "Undo" }).click();
    await eventually(() => page.getByTestId("kl").textContent()).toBe("0.0000 nats");
    expect(await engine(page, "predictions", { top: 5 })).toEqual(before);
    await page.close();
  });

  test("a sweep silences every head and can be stopped", async () => {
    const page = await e.open("view=whatif");
    await page.click("#sweep");
    await page.waitForSelector("table.score-grid tbody tr:nth-child(4) td:nth-child(7)");
    const cells = await page.locator(".score-cell").count();
    expect(cells).toBe(24);
    await page.close();
  });

  test("A against A differs by exactly nothing", async () => {
    const page = await e.open(
      "view=compare&layer=1&head=3&x=%7B%22with%22%3A%22head%22%2C%22layerB%22%3A%221%22%2C%22headB%22%3A%223%22%7D",
    );
    await eventually(() => page.getByTestId("difference").textContent()).toBe("They are exactly equal.");
    await page.close();
  });

  test("generation keeps a row a token, and cached rows equal those of the whole text read at once", async () => {
    const page = await e.open('view=timeline&x={"count":"6"}');
    await page.click("#generate");
    await page.waitForFunction(() => document.querySelectorAll(".story-token").length === 6);
    await page.waitForSelector("qkv-timeline-view qkv-plain-map");
    expect(await page.locator("#scrub").getAttribute("max")).toBe("5");
    await page.close();
  });

  test("merging word pieces keeps rows at 1; hiding without renormalising does not", async () => {
    const page = await e.open();
    const filter = { hideSpecial: false, hideFirst: false, renormalise: false, words: true };
    const sums = async (f: object): Promise<number[]> => {
      const maps = await engine<{ values: (number | null)[]; rows: unknown[]; columns: unknown[] }>(page, "layerMaps", {
        layer: 1,
        filter: f,
      });
      const C = maps.columns.length;
      return maps.rows.map((_, i) => maps.values.slice(i * C, (i + 1) * C).reduce<number>((s, w) => s + (w ?? 0), 0));
    };
    for (const s of await sums(filter)) expect(s).toBeCloseTo(1, 4);
    expect(Math.min(...(await sums({ ...filter, hideFirst: true })))).toBeLessThan(0.99);
    for (const s of (await sums({ ...filter, hideFirst: true, renormalise: true })).slice(1))
      expect(s).toBeCloseTo(1, 4);
    await page.close();
  });

  test("an empty text is said, and the next text is read as if nothing had been", async () => {
    const page = await e.open();
    await page.fill("#text", "");
    await eventually(() => page.locator("#entry-note").textContent()).toContain("is empty");
    await page.fill("#text", "A whale");
    await page.waitForSelector(".guess");
    await page.close();
  });
});

/** As the page words a weight. */
function shown(w: number): string {
  if (w === 0) return "0";
  if (w < 0.00005) return w.toExponential(1);
  return w > 0.99995 && w < 1 ? ">0.9999" : w.toFixed(4);
}
