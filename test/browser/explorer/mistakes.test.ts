// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { measured, mistakes } from "../../../src/explorer/labs/mistakes.js";
import { ruleOf } from "../../../src/check/rules/index.js";
import { violations } from "./axe.js";
import { openGoldenModel } from "./models.js";
import { cannot, eventually, explorer } from "./open.js";

/** A head without one job: one that looks only at the token before leaks nothing, whatever the triangle. */
const [layer, head] = [1, 2];
const asked = (id: string): string => `page=gotchas&layer=${layer}&head=${head}&x=${encodeURIComponent(JSON.stringify({ mistake: id, seen: id }))}`; // biome-ignore format: one link

/** What cannot be made on a model, and is said to be so; everything else must move its quantity the stated way. */
const mask = ["mask-multiplied-before-softmax", "mask-after-softmax"];
const triangle = ["causal-reversed", "causal-off-by-one", "future-leak"];
const ofModels = ["padding-leak", "left-pad-positions", "rope-layout", "residual-missing", "norm-order"];
const notHere: Record<string, readonly string[]> = {
  "gpt2 self": ["rope-layout"],
  "llama self": [],
  "bert self": [...mask, ...triangle, "rope-layout", "norm-order"],
  "t5 encoder": ["scale-missing", "scale-d_model", ...mask, ...triangle, "rope-layout", "left-pad-positions"],
  "t5 decoder": ["scale-missing", "scale-d_model", "padding-leak", "rope-layout", "left-pad-positions"],
  "t5 cross": ["scale-missing", "scale-d_model", ...mask, ...triangle, "rope-layout", "left-pad-positions"],
  "onnx self": [...mask, ...triangle, ...ofModels],
};

describe.skipIf(cannot)("item 19: the gotcha lab", () => {
  const { folders, onnx } = openGoldenModel();
  const sources: Record<string, string> = { gpt2: folders["gpt2"]!, llama: folders["llama"]!, bert: folders["bert"]!, t5: folders["t5"]!, onnx }; // biome-ignore format: one record
  const e = explorer(Object.values(sources));

  test("on a GPT-2, a Llama, a BERT, a T5 and an ONNX graph each mistake moves its quantity the stated way or says why it cannot be made", async () => {
    for (const [at, expected] of Object.entries(notHere)) {
      const [name, kind] = at.split(" ") as [string, string];
      const text = name === "t5" ? "5 17 3 9 5 17 3 => 5 17 3 9" : "5 17 3 9 5 17 3 9 11 5 17";
      const page = await e.open(`model=model-${Object.keys(sources).indexOf(name) + 1}&page=gotchas&text=${encodeURIComponent(text)}`); // biome-ignore format: one link
      const answers = await page.evaluate(
        async ([ids, k]) => {
          const { store } = (globalThis as any).qkv;
          const run = store.run.peek().value;
          const layer = run.kinds.find((x: any) => x.kind === k).layers.at(-1);
          const out: any[] = [];
          for (const id of ids) {
            const { right, wrong, ...rest } = await store.engine.lab("gotcha", { run: run.id, id, kind: k, layer, head: 1 }); // biome-ignore format: one call
            out.push({ id, drawn: right?.length === wrong?.length, ...rest });
          }
          return out;
        },
        [mistakes.map((m) => m.id), kind] as const,
      );
      expect(answers.filter((a) => a.not).map((a) => a.id).sort(), at).toEqual([...expected].sort()); // biome-ignore format: one list
      for (const a of answers) {
        if (a.not) expect(a.not.length, `${at} ${a.id}`).toBeGreaterThan(60);
        else {
          const m = mistakes.find((x) => x.id === a.id)!;
          const [right, wrong] = measured(a, m.change.of)!;
          const way = m.change.way === "rises" ? wrong - right : right - wrong;
          if (name === "llama" && a.id === "left-pad-positions")
            expect(Math.abs(way)).toBeLessThan(1e-3); // it knows distances only
          else expect(way, `${at} ${a.id}`).toBeGreaterThan(1e-3);
          if (a.id !== "batch-transposed") expect(a.moved ?? a.output, `${at} ${a.id}`).not.toBeNull();
        }
      }
    }
  });

  test("one of nineteen by keyboard: Tab reaches the group, arrows move in it; what cannot be made is no error", async () => {
    const page = await e.open(`model=model-3&page=gotchas&text=${encodeURIComponent("5 17 3 9 5 17")}&x=${encodeURIComponent(JSON.stringify({ mistake: "scale-twice" }))}`); // biome-ignore format: one link
    const radio = page.getByRole("radio", { name: "1/√d where there is none (T5)" });
    await radio.waitFor();
    expect(await page.getByRole("radio").count()).toBe(19);
    await radio.focus();
    await page.keyboard.press("ArrowDown");
    await eventually(() => page.locator("h3#mistake").textContent()).toBe("scores multiplied by the mask");
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).value)).toBe("mask-multiplied-before-softmax"); // biome-ignore format: one value
    await page.getByRole("button", { name: "Show me" }).click();
    await eventually(() => page.getByTestId("not-here").textContent()).toMatch(
      /^Not on this run\. Nothing is hidden here/,
    );
    expect(await page.locator(".failure").count()).toBe(0);
    expect(await violations(page)).toEqual([]);
  });

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
    expect(await page.getByTestId("effect").textContent()).toMatch(
      /^The output: what this attention gives is off by \d+ %/,
    );
    await page.locator("[data-testid=rule] summary").click();
    expect(await page.getByTestId("rule").textContent()).toContain(ruleOf("scale-missing")!.fix);
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
