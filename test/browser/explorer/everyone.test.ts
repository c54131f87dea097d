// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { cannot, choice, eventually, explorer } from "./open.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const views = ["text", "lines", "map", "heads", "neuron", "types", "whatif", "timeline", "compare", "lens", "flow"];

/** Rules of WCAG 2.2 A and AA and good practice; the page's own CSP forbids injected scripts, so the checker is evaluated. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const result = await (globalThis as any).axe.run(document, { resultTypes: ["violations"] });
    return result.violations.flatMap((v: { id: string; nodes: { html: string; failureSummary: string }[] }) =>
      v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} — ${n.failureSummary}`),
    );
  });
}

async function show(page: Page, view: string): Promise<void> {
  await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
  await page.waitForFunction(() => document.querySelector("#stage .waiting") === null);
}

describe.skipIf(cannot)("the explorer for everyone", () => {
  const e = explorer();

  for (const theme of ["light", "dark", "contrast"]) {
    test(`axe finds nothing in any view, ${theme} theme`, async () => {
      const page = await e.open(`theme=${theme}&q=5&k=2`);
      for (const view of views) {
        await show(page, view);
        expect(await violations(page), view).toEqual([]);
      }
      await page.close();
    });
  }

  test("the whole tour by keyboard: cell, layer, head, views, help, search, back to the text", async () => {
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
    await page.keyboard.press("t");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("text");
    await page.keyboard.press("Escape");
    for (let n = 0; n < 60; n++) await page.keyboard.press("Tab"); // no trap: focus leaves every part again
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBeTruthy();
    await page.close();
  });

  test("360 pixels wide: nothing sticks out, in any view", async () => {
    const page = await e.open("", { viewport: { width: 360, height: 740 } });
    for (const view of views) {
      await show(page, view);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), view).toBeLessThanOrEqual(360);
    }
    await page.close();
  });

  test("reduced motion: nothing moves by itself", async () => {
    const page = await e.open();
    expect(await page.evaluate(() => [...document.querySelectorAll("*")].filter((x) => { const s = getComputedStyle(x); return s.animationName !== "none" || s.transitionDuration.split(",").some((d) => Number.parseFloat(d) > 0); }).length)).toBe(0); // biome-ignore format: one question
    await page.close();
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
