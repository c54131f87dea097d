// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { chapters } from "../../../src/explorer/chapters/texts.js";
import { violations } from "./axe.js";
import { openGoldenModel } from "./models.js";
import { choice, cannot, eventually, explorer, lab } from "./open.js";

describe.skipIf(cannot)("chapters", () => {
  const { folders, onnx } = openGoldenModel();
  const sources = { bert: folders["bert"]!, t5: folders["t5"]!, gguf: folders["gguf"]!, onnx };
  const e = explorer(Object.values(sources));
  const run = async (page: import("playwright-core").Page, code: string): Promise<string> => {
    await page.locator("#edit-code").fill(code);
    await page.locator("qkv-code").first().locator("[data-run]").click();
    await eventually(() => page.locator("qkv-code").first().locator("[role=status]").textContent()).toMatch(/ms$/);
    return (await page.locator(".code-out").first().textContent()) ?? "";
  };

  test("item 8: the minimal example runs in the page and equals the library; changed, it says how far off it is", async () => {
    const page = await e.open("page=example");
    await page.waitForSelector("#edit-code");
    const code = await page.locator("#edit-code").inputValue();
    expect(await run(page, code)).toMatch(/largest difference from the library 0\n/);
    const unscaled = await run(page, code.replace(" / Math.sqrt(d)", ""));
    expect(Number(/library ([\d.]+)/.exec(unscaled)![1])).toBeGreaterThan(0.01);
    expect((await choice(page))["extra"]).toHaveProperty("code"); // what was changed travels with the link
    expect(await violations(page)).toEqual([]);
    await page.getByRole("button", { name: "Start again" }).first().click();
    expect(await page.locator("#edit-code").inputValue()).toBe(code);
    for (const edit of ["#edit-code2"]) {
      await page.locator(edit).press("Control+Enter");
      await eventually(() => page.locator(".code-out").last().textContent()).toContain("side by side again");
    }
    await page.close();
  });

  test("typed letter by letter the code keeps the cursor, and questions are answered by keyboard", async () => {
    const page = await e.open("page=example", { viewport: { width: 1000, height: 800 } });
    await page.waitForSelector("#edit-code");
    await page.locator("#edit-code").fill("");
    await page.locator("#edit-code").pressSequentially("console.log(1+1)");
    await page.keyboard.press("Control+Enter");
    await eventually(() => page.locator(".code-out").first().textContent()).toBe("2\n");
    const asked = page.locator("qkv-predict").first();
    await asked.locator("button").first().focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    expect(await asked.textContent()).toContain("No. ");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("3, one for each key");
    await page.context().close();
  });

  test("what is typed there is TypeScript, errors name their line, and a loop without an end is stopped", async () => {
    const page = await e.open("page=example");
    await page.waitForSelector("#edit-code");
    expect(
      await run(page, "interface A<T> { x: T }\nconst a = { x: 2 } satisfies A<number>;\nconsole.log(a.x as number);"),
    ).toBe("2\n");
    expect(await run(page, "const a: number = 1;\n\nthrow new Error('here');")).toBe("line 3: Error: here\n");
    expect(await run(page, "const a = ;")).toMatch(/^line 1: SyntaxError/);
    expect(await run(page, 'import x from "fs";\nconsole.log(x);')).toContain("this page has qkv");
    expect(await run(page, "for (;;);")).toContain("Stopped after 5 seconds");
    await page.close();
  });

  test("the reader's code reaches no network and no page, and does not run by itself from a link", async () => {
    const code =
      'console.log("ran"); try { await fetch("/api/start"); console.log("fetched"); } catch (e) { console.log("refused"); }\nconsole.log(typeof document, typeof localStorage);';
    const page = await e.open(`page=example&x=${encodeURIComponent(JSON.stringify({ code }))}`, {
      viewport: { width: 1000, height: 800 },
    });
    await page.waitForSelector("#edit-code");
    expect(await page.locator("#edit-code").inputValue()).toBe(code);
    expect(await page.locator(".code-out").count()).toBe(0);
    const policy = await page.evaluate(async () => (await fetch("sandbox.js")).headers.get("content-security-policy"));
    expect(policy).toBe("default-src 'none'; script-src 'self' 'unsafe-eval'");
    expect(await page.evaluate(async () => (await fetch("/")).headers.get("content-security-policy"))).not.toContain(
      "'unsafe-eval'",
    );
    page.removeAllListeners("console"); // the refused request is told to the console: that is the point
    expect(await run(page, code)).toBe("ran\nrefused\nundefined undefined\n");
    await page.close();
    await page.context().close();
  });

  test("every chapter asks before it tells: no answer is in the page until one is chosen", async () => {
    const page = await e.open();
    for (const c of chapters) {
      const asks = c.blocks.filter((b) => "ask" in b);
      expect(asks.length, c.id).toBeGreaterThan(0);
      await page.evaluate((p) => (globalThis as any).qkv.store.change({ page: p }), c.id);
      await eventually(() => page.locator("qkv-predict").count()).toBe(asks.length);
      for (const b of asks)
        expect(await page.locator("#stage").textContent(), c.id).not.toContain(b.answer.slice(0, 40));
      const first = page.locator("qkv-predict").first();
      await first
        .locator("button")
        .nth(asks[0]!.right === 0 ? 1 : 0)
        .click(); // a wrong one
      expect(await first.textContent(), c.id).toContain("No. ");
      await first.locator("button").nth(asks[0]!.right).click();
      expect(await first.textContent(), c.id).toContain("Yes. ");
    }
    await page.close();
  });

  test("numbers that a chapter speaks of are computed while one reads, and change with what is chosen", async () => {
    const page = await e.open("page=mistakes");
    const table = page.getByTestId("scale");
    await table.waitFor();
    const { rows } = await lab<any>(page, "scale", { keys: 64, sizes: [1024] });
    await eventually(() => table.locator("tbody tr").last().textContent()).toContain(rows[0].top[0].toFixed(3));
    const bare = (): Promise<string | null> => table.locator("tbody tr").last().locator("td").nth(1).textContent();
    const at64 = await bare();
    await page.locator("#scale-keys").fill("2");
    await eventually(() => table.locator("caption").textContent()).toContain(" 2 keys");
    expect(await bare()).not.toBe(at64);
    await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "heads" }));
    await page.getByTestId("resting").waitFor();
    expect(await page.getByTestId("resting").textContent()).toMatch(/0 of 24 heads .*none rests there/s);
    expect(await violations(page)).toEqual([]);
    await page.close();
  });

  test("the block, stage by stage: live numbers of the model, ending exactly at the hidden state of the trace", async () => {
    const page = await e.open("page=block&layer=1");
    await page.waitForSelector(".stage-row");
    expect(await page.locator(".stage-row b").allTextContents()).toEqual(["what block 0 left", "norm", "query", "key", "value", "attention", "the sum", "norm", expect.stringMatching(/^feed-forward/), "the sum"]); // biome-ignore format: one list
    expect(await page.getByTestId("block-off").textContent()).toContain("largest difference 0, exactly");
    const before = await page.locator(".stage-row .number").first().textContent();
    await page.locator("#block-token").selectOption("1");
    await eventually(() => page.locator(".stage-row .number").first().textContent()).not.toBe(before);
    await page.close();
  });

  test("the checklist runs on the page's own model: four points measured, the rules for models asked", async () => {
    const page = await e.open("page=checklist");
    await page.click("#run-checklist");
    await page.waitForSelector("[data-testid=verdict]");
    expect(await page.locator("[data-testid=items] .ok").count()).toBe(4);
    expect(await page.locator("[data-testid=items]").textContent()).toMatch(
      /read from the weights themselves: 0\.1767\d/,
    );
    expect(await page.getByTestId("verdict").textContent()).toMatch(
      /^\d\d rules were tested on this model: no mistake found\.$/,
    );
    await page.close();
  });

  test("on a BERT, a T5, a GGUF file and an ONNX graph no chapter fails, hangs or takes the reader's text away", async () => {
    for (const [n, name] of Object.keys(sources).entries()) {
      const text = name === "t5" ? "5 17 3 9 5 17 3 => 5 17 3 9" : "5 17 3 9 5 17 3 9 11 5 17";
      const page = await e.open(`model=model-${n + 1}&page=numbers&text=${encodeURIComponent(text)}`);
      for (const c of chapters) {
        await page.evaluate((p) => (globalThis as any).qkv.store.change({ page: p }), c.id);
        await eventually(() => page.locator("article.chapter h2").textContent()).toBe(c.title);
        await page.waitForFunction(() => document.querySelector("#stage .waiting") === null);
        expect(await page.locator("#stage .failure, #stage [role=alert]").allTextContents(), `${name} ${c.id}`).toEqual([]); // biome-ignore format: one list
      }
      const ids = await page.evaluate(() => (globalThis as any).qkv.store.run.peek().value?.model.readsIds === true);
      const kept = (await choice(page))["text"];
      if (ids) expect(kept, name).toBe(text);
      await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "causal" }));
      const mask = page.getByTestId("mask");
      await eventually(() => mask.textContent()).toMatch(
        name === "bert" || name === "onnx"
          ? /nothing is hidden\. All 121 pairs may attend/
          : /pairs above the diagonal, of [\d,]+, are absent in every head/,
      );
      await page.waitForSelector("article.chapter qkv-map-view canvas");
      if (ids) expect(await page.getByTestId("own-text").textContent()).toContain("so your own text stays");
    }
  });
});
