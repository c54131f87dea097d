// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { measured, mistakes } from "../../../src/explorer/labs/mistakes.js";
import { ruleOf } from "../../../src/check/rules/index.js";
import { cannot, eventually, explorer } from "./open.js";

/** A head without one job: one that looks only at the token before leaks nothing, whatever the triangle. */
const [layer, head] = [1, 2];
const asked = (id: string): string => `page=gotchas&layer=${layer}&head=${head}&x=${encodeURIComponent(JSON.stringify({ mistake: id, seen: id }))}`; // biome-ignore format: one link

describe.skipIf(cannot)("item 19: the gotcha lab", () => {
  const e = explorer();

  test("every mistake changes its stated quantity in the stated direction, on the bundled model", async () => {
    const page = await e.open();
    for (const m of mistakes) {
      const shown: any = await page.evaluate(
        async ([id, at, n]) => {
          const { store } = (globalThis as any).qkv;
          const run = store.shown.peek();
          const s = await store.engine.lab("gotcha", { run: run.id, id, kind: "self", layer: at, head: n });
          return { ...s, right: Array.from(s.right as Float32Array, (x) => (Number.isNaN(x) ? null : x)), wrong: Array.from(s.wrong as Float32Array) }; // biome-ignore format: one answer
        },
        [m.id, layer, head] as const,
      );
      expect(shown.wrong.length, m.id).toBe(shown.rows * shown.columns);
      const [right, wrong] = measured(shown, m.change.of)!;
      const rotary = m.id === "left-pad-positions"; // the bundled model knows distances only: it shrugs, and the page says so
      if (rotary) expect(Math.abs(wrong - right), m.id).toBeLessThan(1e-3);
      else if (m.change.way === "rises") expect(wrong - right, m.id).toBeGreaterThan(1e-3);
      else expect(right - wrong, m.id).toBeGreaterThan(1e-3);
    }
    await page.close();
  });

  test("each is predicted first; then the page says what moved, gives the one line that mends it and its rule", async () => {
    const page = await e.open(`page=gotchas&x=${encodeURIComponent(JSON.stringify({ mistake: "scale-missing" }))}`);
    await page.waitForSelector(".ask");
    expect(await page.locator("[data-testid=change]").count()).toBe(0);
    await page.getByRole("button", { name: "Show me" }).click();
    await eventually(() => page.getByTestId("change").textContent()).toMatch(
      /rises; here it rises from 0\.\d+ to 0\.\d+/,
    );
    expect(await page.getByTestId("fix").textContent()).toBe("softmax(q·kᵀ / √d)");
    for (const m of mistakes) {
      expect(m.right.length, m.id).toBeLessThan(80);
      if (m.rule) expect(ruleOf(m.rule)?.id, m.id).toBe(m.rule);
    }
    await page.close();
  });

  test("numbers change with the text: the same mistake on another sentence", async () => {
    const page = await e.open(asked("mask-after-softmax"));
    await page.waitForSelector("[data-testid=change]");
    const first = await page.getByTestId("change").textContent();
    await page.evaluate(() => (globalThis as any).qkv.store.change({ text: "Call me Ishmael. Some years ago" }));
    await eventually(() => page.getByTestId("change").textContent()).not.toBe(first);
    await page.close();
  });
});
