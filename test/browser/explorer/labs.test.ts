// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { pages } from "../../../src/explorer/pages.js";
import { cannot, eventually, explorer } from "./open.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe.skipIf(cannot)("labs and chapters", () => {
  const e = explorer();

  test("every page opens, says something, stays within 360 pixels, and axe finds nothing", async () => {
    const page = await e.open("", { viewport: { width: 360, height: 800 } });
    const all: string[] = [];
    for (const { id, title } of pages) {
      await page.evaluate((p) => (globalThis as any).qkv.store.change({ page: p }), id);
      await page.waitForFunction(
        () =>
          (document.querySelector("#stage")?.textContent?.trim().length ?? 0) > 200 &&
          document.querySelector("#stage .waiting") === null,
      );
      expect(await page.locator("#stage .failure").count(), title).toBe(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), title).toBeLessThanOrEqual(360);
      await page.evaluate(axe);
      const found = await page.evaluate(async () => {
        const result = await (globalThis as any).axe.run(document, { resultTypes: ["violations"] });
        return result.violations.flatMap((v: any) => v.nodes.map((n: any) => `${v.id}: ${n.html.slice(0, 160)}`));
      });
      all.push(...found.map((f: string) => `${title}: ${f}`));
    }
    expect(all).toEqual([]);
    await page.close();
  });

  test("a window as wide as the text is exact: error 0, all of the weight kept", async () => {
    const page = await e.open('page=efficient&x={"mechanism":"slidingWindow","size":"128"}&layer=1');
    await eventually(() => page.getByTestId("efficient").textContent()).toMatch(/keeps 100 % .* off by (0\.0|<0\.1) %/);
    const shown: any = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      const r = await store.engine.lab("efficient", {
        run: store.shown.peek().id,
        kind: "self",
        layer: 1,
        head: 0,
        mechanism: "slidingWindow",
        size: 3,
      });
      return {
        kept: Array.from(r.kept as Float32Array),
        exact: Array.from(r.exact as Float32Array, (x) => (Number.isNaN(x) ? 0 : x)),
      };
    });
    const L = shown.kept.length;
    shown.kept.forEach((got: number, i: number) => {
      let want = 0;
      for (let j = Math.max(0, i - 3); j <= i; j++) want += shown.exact[i * L + j];
      expect(got).toBeCloseTo(want, 5); // window 3: its own position and three before it
    });
  });

  test("the sequence lab trains in the page, tells every step and stops when asked", async () => {
    const page = await e.open('page=sequence&x={"far":"4","train":"100"}');
    await page.click("#train");
    await eventually(() => page.locator("[role=status]", { hasText: "step" }).textContent()).toMatch(/step 100 of 100/);
    await page.click("#train");
    await page.getByRole("button", { name: "Stop" }).click();
    await page.waitForSelector("#train");
    expect(await page.locator(".error").count()).toBe(0);
  });

  test("the forming head: steps come in, maps can be scrubbed", async () => {
    const page = await e.open("page=forming");
    await page.click("#train");
    await page.waitForFunction(
      () => Number((document.querySelector("#scrub") as HTMLInputElement | null)?.max ?? 0) >= 3,
    );
    await page.getByRole("button", { name: "Stop" }).click();
    expect(await page.locator(".map-row qkv-plain-map").count()).toBe(4);
    await page.locator("#scrub").press("Home");
    await eventually(() => page.locator(".knob").textContent()).toContain("step 0");
  });
});
