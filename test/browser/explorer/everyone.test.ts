// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { syntheticTrace } from "../../../src/explorer/engine/synthetic.js";
import { writeTrace } from "../../../src/trace/index.js";
import { violations } from "./axe.js";
import { drop } from "./drop.js";
import { cannot, choice, engine, eventually, explorer, views } from "./open.js";
import { enlarge, show, staysWithin } from "./turn.js";

describe.skipIf(cannot)("the explorer for everyone", () => {
  const e = explorer();

  test("item 31: forced colours: weights are squares by area, in the map and in its scale, bars are drawn, axe finds nothing", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await e.open("view=map&layer=1&head=2", { viewport: { width: 1280, height: 900 }, forcedColors: "active", colorScheme }); // biome-ignore format: one page
      await page.locator("canvas.picture").waitFor();
      await page.locator(".bar i").first().waitFor();
      // Ink covers a share of the cell that is the weight itself.
      const covered = await page.evaluate(async () => {
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const { scene, canvas } = (document.querySelector("qkv-map-view") as any).picture;
        const [cells, map, ratio] = [scene.cells[0], scene.map, canvas.width / scene.width];
        return [...Array(cells.rows).keys()].map((n) => {
          const row = cells.values.subarray(n * cells.columns, (n + 1) * cells.columns);
          const best = row.indexOf(Math.max(...[...row].map((w: number) => w || 0)));
          const { data } = canvas.getContext("2d").getImageData(Math.round((map.x + best * map.zoom) * ratio), Math.round((map.y + n * map.zoom) * ratio), Math.round(map.zoom * ratio), Math.round(map.zoom * ratio)); // biome-ignore format: one cell
          let ink = 0;
          for (let i = 3; i < data.length; i += 4) ink += data[i] / 255;
          return { weight: row[best], share: ink / (data.length / 4) };
        });
      });
      for (const { weight, share } of covered.filter((c) => c.weight > 0.2))
        expect(share, `${weight}`).toBeCloseTo(weight, 0.5);
      expect(covered.some((c) => c.weight < 0.7) && covered.some((c) => c.weight > 0.7)).toBe(true);
      const colours = await page.evaluate(() => [".bar", ".bar i", ".bar b"].map((q) => getComputedStyle(document.querySelector(q)!).backgroundColor)); // biome-ignore format: one question
      expect(new Set(colours).size).toBe(3);
      expect(await page.evaluate(() => document.documentElement.dataset["theme"])).toBe(colorScheme === "dark" ? "dark" : "contrast"); // biome-ignore format: one line
      for (const view of colorScheme === "light" ? ["map", "text", "heads"] : []) {
        await show(page, view); // its parts are told apart in the system's own colours too
        expect(await violations(page), view).toEqual([]);
      }
      await page.context().close();
    }
  });

  test("item 30: a cell of a map too long to be held is spoken too, and so are cells of maps without a cursor of their own", async () => {
    const page = await e.open("view=compare&layer=1&head=2&with=head");
    const canvas = page.locator("qkv-compare-view canvas.picture").first();
    await canvas.focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await eventually(() => page.locator("qkv-app > .sr[role=status]").textContent()).toMatch(
      /^“.+”, “.+”, (0|[\d.e>-]+|may not attend)$/,
    );
    await eventually(() => page.getByTestId("pair").textContent()).toMatch(/: A [\d.]+.*, B [\d.]+/);
    await page.evaluate((t) => (globalThis as any).qkv.store.change({ text: t, view: "map", query: -1, key: -1, layer: 1, head: 2 }), "the sea rose ".repeat(200)); // biome-ignore format: one line
    await page.waitForFunction(() => (globalThis as any).qkv.store.run.peek().state === "ready" && (globalThis as any).qkv.store.kind.peek().queries > 590); // biome-ignore format: one line
    await page.locator("qkv-tiles-view canvas.picture").focus();
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    await eventually(() => page.locator("qkv-app > .sr[role=status]").textContent()).toMatch(
      /^layer 1 head 2, “.+” (looks at|may not look at) “.+”/,
    );
    await page.close();
  });

  test("item 29: after a dialog the focus is where it was", async () => {
    const page = await e.open("view=map");
    await page.locator("canvas.picture").focus();
    for (const key of ["?", "/"]) {
      await page.keyboard.press(key);
      await page.waitForSelector("dialog[open]");
      await page.keyboard.press("Escape");
      await page.waitForFunction(() => document.querySelector("dialog[open]") === null);
      expect(await page.evaluate(() => document.activeElement?.className), key).toBe("picture");
    }
    const help = page.getByRole("button", { name: "Keyboard help" });
    await help.click();
    await page.keyboard.press("Escape");
    await eventually(() => help.evaluate((x) => x === document.activeElement)).toBe(true);
    await page.close();
  });

  test("item 29: the whole tour by keyboard: cell, layer, head, views, help, search, back to the text", async () => {
    const page = await e.open("view=map");
    await page.waitForSelector("canvas.picture");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowLeft");
    const at = await choice(page);
    expect(at["query"]).toBeGreaterThan(0);
    await eventually(() => page.locator("qkv-app > .sr[role=status]").textContent()).toMatch(
      /^layer 0 head 0, “.+” (looks at|may not look at) “.+”(, [\d.e>-]+, rank \d+ of \d+)?$/,
    );
    await page.keyboard.press("]");
    await page.keyboard.press(".");
    await page.keyboard.press(".");
    expect(await choice(page)).toMatchObject({ layer: 1, head: 2 });
    await page.keyboard.press("2");
    expect(await choice(page)).toMatchObject({ view: "lines" });
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.keyboard.press("/");
    await page.keyboard.type("sea");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("dialog.find") === null);
    const before = (await choice(page))["query"] as number;
    await page.keyboard.press("/");
    await page.keyboard.type("whale"); // several tokens to this model
    await eventually(() => page.locator("dialog.find [role=status]").textContent()).toContain("2 places");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("dialog.find") === null);
    expect((await choice(page))["query"]).not.toBe(before);
    await page.keyboard.press("t");
    await eventually(() => page.evaluate(() => document.activeElement?.id)).toBe("text");
    await page.keyboard.press("Escape");
    for (let n = 0; n < 60; n++) await page.keyboard.press("Tab"); // no trap: focus leaves every part again
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBeTruthy();
    await page.close();
  });

  test("item 32: reduced motion: nothing moves by itself", async () => {
    const page = await e.open();
    expect(await page.evaluate(() => [...document.querySelectorAll("*")].filter((x) => { const s = getComputedStyle(x); return (s.animationName !== "none" && (s as any).animationTimeline === "auto") || // what only scrolling moves does not move by itself
      s.transitionDuration.split(",").some((d) => Number.parseFloat(d) > 0); }).length)).toBe(0); // biome-ignore format: one question
    await page.close();
  });

  test("item 30: under text, lines and map stands a real table of what the chosen token looks at, and it is the trace's", async () => {
    const page = await e.open("layer=1&head=2&q=7");
    const row = await engine<(number | null)[]>(page, "row", { layer: 1, head: 2, query: 7 });
    const best = Math.max(...row.map((w) => w ?? 0));
    for (const view of ["text", "lines", "map"]) {
      await show(page, view);
      const table = page.locator("#stage table.numbers").first();
      await table.locator("tbody tr").first().waitFor();
      expect(await table.locator("caption").count(), view).toBe(1);
      expect(await table.locator("thead th[scope=col]").count(), view).toBeGreaterThan(2);
      expect(await table.locator("tbody tr").first().locator("td").last().textContent(), view).toBe(best.toFixed(4));
    }
    await page.close();
  });

  test("item 32: every page of words and labs by keyboard alone: menu, page, question, next page", async () => {
    const page = await e.open("view=text");
    await page.locator("summary", { hasText: "Chapters" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await eventually(async () => (await choice(page))["page"]).toBe("why");
    await page.waitForSelector("qkv-predict button");
    await page.locator("qkv-predict button").first().focus();
    await page.keyboard.press("Enter");
    await eventually(() => page.locator("qkv-predict [role=status]").textContent()).toMatch(/^(Yes|No)\./);
    for (const [title, id] of [
      [/^2 · .* →$/, "intuition"],
      [/^3 · .* →$/, "numbers"],
    ] as const) {
      await page.getByRole("button", { name: title }).focus();
      await page.keyboard.press("Enter");
      await eventually(async () => (await choice(page))["page"]).toBe(id);
    }
    await page.getByRole("spinbutton").first().focus();
    await page.keyboard.press("ArrowUp");
    await eventually(async () => JSON.stringify((await choice(page))["extra"])).toContain("1.5");
    await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "explore" }));
    await page.close();
  });

  test("item 32: at 200 % zoom and with text at twice its size nothing is cut off", async () => {
    const page = await e.open("", { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 }); // 1280 × 900 at 200 %
    for (const large of [false, true]) {
      if (large) await enlarge(page);
      for (const view of views) {
        await show(page, view);
        await staysWithin(page, 640, large ? `${view}, large text` : view);
      }
    }
    await show(page, "map"); // the letters of a picture grow with the text
    const grown = (): Promise<number> =>
      page.evaluate(() => {
        const view = document.querySelector("qkv-map-view") as any;
        return view.querySelector("canvas.picture").clientWidth / view.picture.scene.width;
      });
    await eventually(grown).toBeCloseTo(2, 2);
    await page.context().close();
  });

  test("item 32: touch: a tap chooses the cell under the finger", async () => {
    const page = await e.open("view=map&layer=1&head=2", {
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
    });
    await page.locator("canvas.picture").waitFor();
    await page.locator("canvas.picture").scrollIntoViewIfNeeded();
    const at = await page.evaluate(() => (document.querySelector("qkv-map-view") as any).picture.scene.map);
    await page.locator("canvas.picture").tap({ position: { x: at.x + 2.5 * at.zoom, y: at.y + 6.5 * at.zoom } });
    await eventually(async () => [(await choice(page))["query"], (await choice(page))["key"]]).toEqual([6, 2]);
    await page.context().close();
  });

  test("item 32: contrast: the theme of a system that asks for more of it is high contrast", async () => {
    const page = await e.open("view=text", { viewport: { width: 1280, height: 900 }, contrast: "more" });
    await eventually(() => page.evaluate(() => document.documentElement.dataset["theme"])).toBe("contrast");
    await page.context().close();
  });

  test("right-to-left and CJK tokens keep their own direction and stay whole in text, tables and pictures", async () => {
    for (const text of ["שלום עולם, שלום לכם", "السلام عليكم ورحمة", "鯨は海の魚ではない。鯨は獣である。"]) {
      const page = await e.open(`text=${encodeURIComponent(text)}`);
      for (const view of ["text", "lines", "map", "neuron", "types"]) {
        await show(page, view);
        expect(await page.locator("#stage .failure").count(), `${text} ${view}`).toBe(0);
      }
      await show(page, "text");
      expect(await page.locator(".passage bdi").count()).toBeGreaterThan(3); // each isolated: its neighbours keep their place
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(1280);
      await page.close();
    }
  });

  test("a text from right to left stands so although its model begins it with [CLS]", async () => {
    const page = await e.open();
    const trace = syntheticTrace({ tokens: ["[CLS]", "של", "ום", " עולם", "[SEP]"], heads: [["previous", "first"]], headDim: 8 }); // biome-ignore format: one trace
    await drop(page, "hebrew.safetensors", writeTrace(trace));
    await show(page, "text");
    const left = await page
      .locator(".passage .token")
      .evaluateAll((all) => all.map((x) => x.getBoundingClientRect().left));
    expect([...left].sort((a, b) => b - a)).toEqual(left);
    const figure = page.locator(".token .under").first();
    expect(await figure.evaluate((x) => getComputedStyle(x).direction)).toBe("ltr"); // .42 and not 42.
  });

  test("tokens that would be markup or turn the text around stay text", async () => {
    const hostile = 'x </script><img src=x onerror="globalThis.hit=1"> \u202eabc \u{1F40B} \n ﷽ 鯨';
    const page = await e.open(`text=${encodeURIComponent(hostile)}&view=lines`);
    for (const view of ["text", "lines", "map", "neuron", "types"]) await show(page, view);
    expect(await page.evaluate(() => (globalThis as any).hit)).toBeUndefined();
    expect(await page.locator("main img").count()).toBe(0);
    expect(await page.locator("main").textContent()).not.toContain("\u202e");
    await page.close();
  });
});
