// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { pages } from "../../../src/explorer/pages.js";
import { readTrace, writeTrace } from "../../../src/trace/index.js";
import { violations } from "./axe.js";
import { cannot, eventually, explorer } from "./open.js";

/** The open run as a trace file, as Share would save it. */
const traceBytes = async (page: import("playwright-core").Page): Promise<Uint8Array> =>
  Uint8Array.from(
    await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      return Array.from((await store.engine.traceFile({ run: store.shown.peek().id })) as Uint8Array);
    }),
  );

describe.skipIf(cannot)("labs and chapters", () => {
  const e = explorer();

  test("every page opens, says something and stays within 360 pixels", async () => {
    const page = await e.open("", { viewport: { width: 360, height: 800 } });
    for (const { id, title } of pages) {
      await page.evaluate((p) => (globalThis as any).qkv.store.change({ page: p }), id);
      await page.waitForFunction(
        () =>
          (document.querySelector("#stage")?.textContent?.trim().length ?? 0) > 200 &&
          document.querySelector("#stage .waiting") === null,
      );
      expect(await page.locator("#stage .failure").count(), title).toBe(0);
      expect(await page.evaluate(() => document.documentElement.scrollWidth), title).toBeLessThanOrEqual(360);
    }
    await page.close();
  });

  test("item 20: a window as wide as the text is exact: error 0, all of the weight kept", async () => {
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

  test("item 20: every mechanism opens on this text; made as large as the text, those with a counterpart are exact", async () => {
    const page = await e.open();
    const off = async (mechanism: string, size: number): Promise<number> =>
      page.evaluate(
        async ([m, s]) => {
          const { store } = (globalThis as any).qkv;
          const run = store.shown.peek().id;
          const r = await store.engine.lab("efficient", {
            run,
            kind: "self",
            layer: 1,
            head: 0,
            mechanism: m,
            size: s,
          });
          return r.totalError as number;
        },
        [mechanism, size] as const,
      );
    for (const m of ["slidingWindow", "longformer", "streaming", "strided", "topKBlocks", "reformer"])
      expect(await off(m, 64), m).toBeLessThan(1e-5);
    await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "efficient", extra: { mechanism: "reformer", size: "64" } })); // biome-ignore format: one call
    await eventually(() => page.getByTestId("efficient").textContent()).toMatch(/off by (0\.0|<0\.1) %, against its own exact attention.*Against this model’s own attention it keeps \d+ % and it is off by \d+ %/); // biome-ignore format: one sentence
    for (const [m, size] of [
      ["dilated", 4],
      ["bigBird", 4],
      ["fixed", 6],
      ["linformer", 8],
      ["performer", 64],
      ["linearAttention", 0],
    ] as const) {
      const error = await off(m, size); // biome-ignore format: a list
      expect(error, m).toBeGreaterThan(1e-4);
      expect(error, m).toBeLessThan(50);
    }
    await page.close();
  });

  test("item 21: the cost meter counts this text and lengths to 10,000, in FLOP and bytes, with measured times", async () => {
    const page = await e.open('page=efficient&x={"mechanism":"slidingWindow","size":"8"}');
    const table = page.getByTestId("cost");
    await table.waitFor();
    const N = await page.evaluate(() => (globalThis as any).qkv.store.kind.peek().queries as number);
    const d = await page.evaluate(() => (globalThis as any).qkv.store.kind.peek().headDim as number);
    expect(await table.locator("caption").textContent()).toMatch(
      new RegExp(`On these ${N} tokens, measured: Window [\\d.]+ ms, exact [\\d.]+ ms`),
    );
    expect(await table.locator("tbody tr").first().locator("td").first().textContent()).toBe(String(N));
    const last = await table.locator("tbody tr").last().locator("td").allTextContents();
    expect(last[0]).toBe("10,000");
    const flop = 2 * ((10_000 * 10_001) / 2) * 2 * d; // pairs of the lower triangle, q·k and weight·v, 2 FLOP each
    expect(last[1]).toBe(`${(flop / 1e6).toLocaleString("en", { maximumFractionDigits: 0 })} M`);
    expect(last[6]).toBe("400.0 MB");
    expect(last.slice(7)).toEqual(["–", "–"]); // not measured yet
    await page.click("#measure");
    const ms = async (): Promise<number[]> =>
      (await table.locator("tbody tr").last().locator("td").allTextContents()).slice(7).map(Number);
    await eventually(async () => (await ms()).every((x) => x > 0)).toBe(true);
    expect(await page.locator(".charts .chart figcaption").allTextContents()).toContain(
      "Milliseconds of one head, measured here",
    );
    expect(await page.getByRole("radio").count()).toBe(12);
    await page.getByRole("radio", { name: "Window", exact: true }).focus();
    await page.keyboard.press("ArrowRight");
    await eventually(() => table.locator("thead").textContent()).toContain("ms Strided");
    expect(await page.locator(".charts .chart").count()).toBe(2); // another mechanism: not measured yet
    await page.close();
  });

  test("item 36: cutting the shown path moves the logit more than 20 random paths of equal length", async () => {
    const page = await e.open("page=path");
    await page.waitForSelector("[data-testid=path]");
    const shown: any = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      return store.engine.lab("path", { run: store.shown.peek().id, kind: "self" });
    });
    expect(shown.random).toHaveLength(20);
    expect(shown.edges.map((x: any) => x.layer)).toEqual([3, 2, 1, 0]);
    shown.edges.slice(1).forEach((x: any, n: number) => expect(x.query).toBe(shown.edges[n].key)); // a path, not a heap
    expect(Math.abs(shown.cut)).toBeGreaterThan(Math.max(...shown.random.map(Math.abs)));
    expect(await page.getByTestId("path").textContent()).toContain("none moves it as much");
    await page.getByRole("button", { name: /^map of layer 3/ }).click();
    await eventually(() => page.locator("[role=tab][aria-selected=true]").textContent()).toBe("Map");
    await page.close();
  });

  test("item 37: a 1e-3 change planted in one head of a reference trace is named, with its cell", async () => {
    const page = await e.open("page=reference");
    const trace = readTrace(await traceBytes(page));
    const file = async (name: string, bytes: Uint8Array): Promise<void> =>
      page.setInputFiles("#reference-file", { name, mimeType: "application/octet-stream", buffer: Buffer.from(bytes) });
    await file("same.safetensors", writeTrace(trace));
    await eventually(() => page.getByTestId("parts").textContent()).toMatch(/They agree: 24 heads/);
    const { tensor } = await import("../../../src/tensor/index.js");
    const { MapRecord, Trace } = await import("../../../src/trace/index.js");
    const records = trace.records.map((r) => {
      const w = tensor(r.weights().data.slice(), r.weights().shape);
      const [, H, L] = w.shape as [number, number, number];
      if (r.site.layer === 2) for (let i = 0; i < L; i++) { const at = (4 * L + i) * L; w.data[at] = w.data[at]! + (i === 5 ? 1e-3 : 0); } // biome-ignore format: one head
      if (r.site.layer === 3) w.data[(H - 1) * L * L] = 0.5; // what comes later is only inherited
      return new MapRecord(r.site, w);
    });
    await file(
      "planted.safetensors",
      writeTrace(new Trace({ info: { ...trace.info, provenance: { engine: "PyTorch" } }, records })),
    );
    await eventually(() => page.getByTestId("parts").textContent()).toMatch(
      /They part at layer 2, head 4: .* in planted\.safetensors \(PyTorch\); off by 1\.0e-3/,
    );
    await file("broken.safetensors", writeTrace(trace).slice(0, 400));
    await page.waitForSelector("[role=alert]");
    await page.evaluate(() => (globalThis as any).qkv.store.change({ text: "another text" }));
    await eventually(() => page.locator("[role=alert]").textContent()).not.toBe("");
    await page.close();
  });

  test("item 34: a thousand texts stream through in constant memory, with intervals, and heads that change their job are told", async () => {
    const page = await e.open("page=corpus", { viewport: { width: 1280, height: 900 } });
    const lines = Array.from({ length: 1000 }, (_, n) => `whale ${n % 7} and sea ${n % 5} and whale`).join("\n");
    const seen: any = await page.evaluate(async (texts) => {
      const { store } = (globalThis as any).qkv;
      const bytes: number[] = [];
      const counts: number[] = [];
      const end = await store.engine.lab("corpus", { model: store.shown.peek().model.id, corpora: [{ name: "thousand", texts: new Blob([texts]) }], longest: 12 }, {
        onStep: (s: any) => { bytes.push(s.corpora[0].bytes); counts.push(s.corpora[0].texts); },
      }); // biome-ignore format: one call
      return { end, bytes, counts, kept: JSON.stringify(end).length };
    }, lines);
    expect(seen.end.corpora[0].texts).toBe(1000);
    expect(new Set([...seen.bytes, seen.end.corpora[0].bytes]).size).toBe(1); // not one byte more at the end than at the start
    expect(seen.kept).toBeLessThan(100_000);
    const head = seen.end.corpora[0].heads[0];
    expect(head.scores.previous.n).toBe(1000);
    expect(head.scores.previous.half).toBeGreaterThan(0);
    await page.click("#read");
    await eventually(() => page.getByTestId("corpus-state").textContent()).toMatch(
      /prose: 16 texts.*repeats: 16 texts/,
    );
    await eventually(() => page.getByTestId("changed").textContent()).toMatch(
      /^(No head changes its job|One head changes its job|\d+ heads change their jobs) between prose and repeats/,
    );
    await page.close();
  });

  test("the sequence lab says what is read, trains in the page and says what came out at equal weights and steps", async () => {
    const page = await e.open('page=sequence&x={"far":"4","train":"100","unscaled":"1"}');
    expect(await page.locator(".task-row").textContent()).toMatch(/comes the marked letter\. .* tokens? back/);
    await page.click("#train");
    await eventually(() => page.locator(".buttons [role=status]").textContent()).toMatch(/step 100 of 100: done/);
    expect(await page.getByTestId("verdict").textContent()).toMatch(
      /^After 100 steps, right answers: .*attention \d+ %.*; guessing gives 13 %/,
    );
    const rows = await page.getByTestId("equal").locator("tbody tr").allInnerTexts();
    expect(rows.map((r) => r.split("\t")[0])).toEqual(["RNN", "LSTM", "attention", "attention without 1/√d"]);
    const weights = rows.map((r) => Number(r.split("\t")[1]!.replace(",", "")));
    expect(Math.max(...weights) / Math.min(...weights)).toBeLessThan(1.2);
    expect(rows.every((r) => r.split("\t")[2] === "100")).toBe(true);
    expect(await page.locator(".charts .chart").count()).toBe(5);
    await page.locator("#look").press("Home");
    await eventually(() => page.locator(".charts").textContent()).toContain("The same at step 0");
    expect(await violations(page)).toEqual([]);
  });

  test("a training that is stopped, left or whose worker dies goes on from its last look; other settings hold for the next", async () => {
    const page = await e.open('page=sequence&x={"far":"48","train":"1200"}');
    const state = (): Promise<string | null> => page.locator(".buttons [role=status]").textContent();
    const begin = async (button: string): Promise<void> => {
      await page.click(button);
      await page.waitForFunction(() => /^step [1-9]\d* of 1200/.test(document.querySelector(".buttons [role=status]")?.textContent ?? "")); // biome-ignore format: one question
    };
    const stopped = /^Stopped at step \d+ of 1200; it goes on from step \d+/;
    await begin("#train");
    await page.locator("#far").fill("8");
    expect(await page.getByTestId("other").textContent()).toMatch(/^Shown below: recall over 48 tokens, 1200 steps/);
    await page.getByRole("button", { name: "Stop" }).click();
    await eventually(state).toMatch(stopped);
    await begin("#go-on");
    await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "numbers" }));
    await page.waitForSelector("qkv-play");
    await page.evaluate(() => (globalThis as any).qkv.store.change({ page: "sequence" }));
    await eventually(state).toMatch(stopped);
    await begin("#go-on");
    await page.evaluate(() => (globalThis as any).qkv.store.engine.kill("tested"));
    await eventually(() => page.locator(".lab .error").textContent()).toBe(
      "The training stopped: tested. What was learned is kept.",
    );
    await eventually(state).toMatch(stopped);
    await begin("#go-on");
    await page.getByRole("button", { name: "Stop" }).click();
    expect(await page.locator(".lab .error").count()).toBe(0);
  });

  test("item 35: an induction head forms in the page: its score passes 0.5, the loss drops, seeded, and steps scrub back", async () => {
    const page = await e.open("page=forming");
    const seen: any = await page.evaluate(async () => {
      const { store } = (globalThis as any).qkv;
      const start = performance.now();
      const control = new AbortController();
      const out = { first: Number.NaN, loss: Number.NaN, induction: 0, step: 0, ms: 0 };
      await store.engine.lab("forming", { steps: 600, seed: 1 }, { signal: control.signal, onStep: (s: any) => {
        if (Number.isNaN(out.first)) out.first = s.loss;
        if (!Number.isNaN(s.loss)) out.loss = s.loss;
        out.induction = s.induction?.induction ?? out.induction;
        out.step = s.step;
        out.ms = performance.now() - start;
        if (out.induction > 0.6) control.abort();
      } }).catch(() => {}); // biome-ignore format: one call
      return out;
    });
    console.log(
      `induction ${seen.induction.toFixed(2)} at step ${seen.step} after ${(seen.ms / 1000).toFixed(0)} s; loss ${seen.first.toFixed(2)} → ${seen.loss.toFixed(2)}`,
    );
    expect(seen.induction).toBeGreaterThan(0.5);
    expect(seen.loss).toBeLessThan(0.6 * seen.first);
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
    expect(await page.getByTestId("formed").textContent()).toMatch(/^No induction head yet/);
    expect(await page.locator(".buttons [role=status]").textContent()).toMatch(
      /^Stopped at step \d+ of 600; it goes on from step \d+/,
    );
    await page.click("#go-on");
    await page.getByRole("button", { name: "Stop" }).click();
  });
});
