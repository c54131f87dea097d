// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { describe, expect, test } from "vitest";
import { syntheticTrace } from "../../../src/explorer/engine/synthetic.js";
import { tensor } from "../../../src/tensor/index.js";
import { MapRecord, Trace, writeTrace } from "../../../src/trace/index.js";
import { drop } from "./drop.js";
import { cannot, choice, eventually, explorer } from "./open.js";

const trace = writeTrace(
  syntheticTrace({ tokens: ["a", " b", " a", " b"], heads: [["previous", "first"]], headDim: 8 }),
);

describe.skipIf(cannot)("what can go wrong is said in the page, and nothing is lost", () => {
  const e = explorer();
  const notice = (page: import("playwright-core").Page) => () => page.locator(".notice.error").textContent();

  test("a trace file is opened by dropping it, and cannot be edited", async () => {
    const page = await e.open();
    await drop(page, "small.safetensors", trace);
    await eventually(() => page.locator("#text").getAttribute("readonly")).not.toBeNull();
    expect(await page.locator("#model option:checked").textContent()).toContain("small.safetensors");
    await page.getByRole("tab", { name: "What if" }).click();
    await eventually(() => page.locator("#stage").textContent()).toContain("can be looked at, not changed");
  });

  test("a file dropped again under the same name is read anew", async () => {
    const page = await e.open();
    const trace = (tokens: string[]): Uint8Array =>
      writeTrace(syntheticTrace({ tokens, heads: [["previous"]], headDim: 8 }));
    await drop(page, "run.safetensors", trace(["one", " two", " three"]));
    await eventually(() => page.locator(".passage .word").allTextContents()).toEqual(["one", "two", "three"]);
    await drop(page, "run.safetensors", trace(["four", " five"]));
    await eventually(() => page.locator(".passage .word").allTextContents()).toEqual(["four", "five"]);
  });

  test("a damaged trace, a foreign file and a folder without a model are refused in words; the picture stays", async () => {
    const page = await e.open();
    const text = (await choice(page))["text"];
    const cut = trace.slice(0, trace.length - 40);
    await drop(page, "cut.safetensors", cut);
    await eventually(notice(page)).toContain("cut short");
    const lying = trace.slice();
    new DataView(lying.buffer).setBigUint64(0, 2n ** 40n, true);
    await drop(page, "lying.safetensors", lying);
    await eventually(notice(page)).toContain("a header within the file");
    await drop(page, "holiday.jpg", new Uint8Array([1, 2, 3]));
    await eventually(notice(page)).toContain("holds no trace and no model");
    await drop(page, "config.json", new TextEncoder().encode("{}"));
    await eventually(notice(page)).toContain("has no .safetensors weights");
    expect((await choice(page))["text"]).toBe(text);
    expect(await page.locator(".token").count()).toBeGreaterThan(3);
  });

  test("a worker that dies in the middle of a sweep is said, started again, and the text is read again", async () => {
    const page = await e.open("view=whatif&layer=1");
    await page.waitForSelector("#sweep");
    await page.click("#sweep");
    await page.waitForSelector("progress[aria-label='heads tried']");
    await page.evaluate(() => (globalThis as any).qkv.store.engine.kill("killed by this test"));
    await eventually(() => page.locator(".notice").textContent()).toContain("The engine stopped");
    await page.waitForSelector("#sweep");
    await page.waitForSelector("[data-testid=kl]");
    expect(await choice(page)).toMatchObject({ view: "whatif", layer: 1 });
    await page.click("#sweep");
    await page.waitForSelector("table.score-grid tbody tr:nth-child(4)");
  });

  test("a model too large for the tab is refused before it is read, with what it would need", async () => {
    const page = await e.open();
    const text = (await choice(page))["text"];
    await page.evaluate(() => {
      const files = new DataTransfer();
      const weights = new File([new Uint8Array(8)], "model.safetensors");
      Object.defineProperty(weights, "size", { value: 14e9 });
      weights.arrayBuffer = () => {
        throw new Error("read all the same");
      };
      const config = new File(["{}"], "config.json");
      const event = new Event("drop", { bubbles: true });
      Object.assign(event, { dataTransfer: { items: [], files: [config, weights], types: ["Files"] } });
      void files;
      document.querySelector("qkv-app")!.dispatchEvent(event);
    });
    await eventually(notice(page)).toMatch(/needs about 28\.0 GB of memory, more than a browser tab can hold/);
    await eventually(notice(page)).toContain("qkv explore FOLDER");
    expect((await choice(page))["text"]).toBe(text);
    expect(await page.locator(".token").count()).toBeGreaterThan(3);
  });

  test("a canvas whose context was lost is drawn again when it comes back, in every view that draws on one", async () => {
    const page = await e.open("model=bundled&layer=1&head=2");
    for (const view of ["heads", "map", "lines", "compare", "flow", "whatif"]) {
      await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
      const where = view === "heads" ? "qkv-heads[large] canvas" : "#stage canvas.picture";
      await page.waitForSelector(where);
      const ink = (): Promise<number> =>
        page.evaluate((q) => {
          const canvas = document.querySelector(q) as HTMLCanvasElement;
          const copy = Object.assign(document.createElement("canvas"), { width: 200, height: 200 });
          const g = copy.getContext("2d", { willReadFrequently: true })!;
          if (canvas.width * canvas.height > 0) g.drawImage(canvas, 0, 0, 200, 200);
          return g.getImageData(0, 0, 200, 200).data.reduce((a, b) => a + b, 0);
        }, where);
      await eventually(ink).toBeGreaterThan(0);
      await page.evaluate(() => new Promise((ok) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(ok)), 200))); // biome-ignore format: one wait
      const before = await ink();
      const blank = await page.evaluate((q) => {
        const canvas = document.querySelector(q) as HTMLCanvasElement;
        const g = canvas.getContext("2d")!;
        g.save();
        g.setTransform(1, 0, 0, 1, 0, 0);
        g.clearRect(0, 0, canvas.width, canvas.height); // as a restored context finds it
        g.restore();
        canvas.dispatchEvent(new Event("contextrestored"));
        return canvas.width > 0;
      }, where);
      expect(blank, view).toBe(true);
      await eventually(ink).toBe(before);
    }
  });

  test("WebGL refused altogether: long maps and lines are drawn all the same", async () => {
    const page = await e.open("view=text&model=bundled");
    await page.evaluate(() => {
      const own = HTMLCanvasElement.prototype.getContext as any;
      (HTMLCanvasElement.prototype as any).getContext = function (kind: string, options?: unknown) {
        return kind === "webgl2" ? null : own.call(this, kind, options);
      };
      Object.assign(globalThis, { ownContext: own });
    });
    try {
      const words = Array.from({ length: 600 }, (_, i) => ` w${i % 97}`);
      const long = syntheticTrace({ tokens: words, heads: [["previous", "first", "previous", "local"]], headDim: 16, sharpness: 14 }); // biome-ignore format: one trace
      await page.evaluate(() => (globalThis as any).qkv.store.change({ view: "map" }));
      await drop(page, "long.safetensors", writeTrace(long));
      await page.waitForSelector('qkv-tiles-view[data-ready="1"]');
      const ink = (where: string): Promise<number> =>
        page.evaluate((q) => {
          const canvas = document.querySelector(q) as HTMLCanvasElement;
          const copy = Object.assign(document.createElement("canvas"), { width: 400, height: 400 });
          const g = copy.getContext("2d", { willReadFrequently: true })!;
          g.drawImage(canvas, 0, 0, 400, 400);
          return new Set(new Uint32Array(g.getImageData(0, 0, 400, 400).data.buffer)).size; // colours there are
        }, where);
      expect(await page.locator("qkv-tiles-view canvas.cells").isHidden()).toBe(true);
      await eventually(() => ink("qkv-tiles-view canvas.picture")).toBeGreaterThan(20);
      await page.evaluate(() =>
        (globalThis as any).qkv.store.change({ view: "lines", least: 0.01, heads: [0, 1, 2, 3] }),
      );
      await page.waitForSelector("qkv-lines-view canvas.picture");
      await eventually(() => ink("qkv-lines-view canvas.picture")).toBeGreaterThan(20);
    } finally {
      await page.evaluate(() => { HTMLCanvasElement.prototype.getContext = (globalThis as any).ownContext; }); // biome-ignore format: one line
    }
  });

  test("storage refused: a page whose every store throws draws, changes and shares all the same", async () => {
    const context = await e.browser().newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (x) => complaints.push(x.message));
    page.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
    await page.addInitScript(() => {
      const refuse = (): never => {
        throw new DOMException("The operation is insecure.", "SecurityError");
      };
      for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"])
        Object.defineProperty(globalThis, name, { get: refuse, configurable: true });
      Object.defineProperty(document, "cookie", { get: refuse, set: refuse });
      history.pushState = refuse as typeof history.pushState;
      history.replaceState = refuse as typeof history.replaceState;
    });
    await page.goto(`http://127.0.0.1:${e.server().port}/#v=1&text=The+whale+rose+and+the+sea&view=map`);
    await page.locator("canvas.picture").waitFor();
    await page.fill("#text", "Another text");
    await eventually(async () => (await choice(page))["text"]).toBe("Another text");
    await page.getByRole("tab", { name: "Text" }).click();
    await eventually(() => page.locator(".token").count()).toBeGreaterThan(1);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("cross-attention is a rectangle in every view, beside the encoder's and the decoder's own maps", async () => {
    const maps = (Lq: number, Lk: number) =>
      tensor(
        Float32Array.from({ length: 2 * Lq * Lk }, (_, n) =>
          n % Lk === Math.floor(n / Lk) % Lk ? 0.6 : 0.4 / (Lk - 1),
        ),
        [1, 2, Lq, Lk],
      );
    const [source, target] = [
      ["the", " red", " house", "."],
      ["<pad>", "das", " rote", " Haus", " ", "."],
    ];
    const both = new Trace({
      info: { model: "made", architecture: "t5", sequences: [{ ids: [0, 1, 2, 3, 4, 5], tokens: target }], sources: [{ ids: [0, 1, 2, 3], tokens: source }], provenance: { engine: "a test" } },
      records: [new MapRecord({ kind: "encoder", layer: 0 }, maps(4, 4)), new MapRecord({ kind: "decoder", layer: 0 }, maps(6, 6)), new MapRecord({ kind: "cross", layer: 0 }, maps(6, 4))],
    }); // biome-ignore format: one trace
    const page = await e.open();
    await drop(page, "t5.safetensors", writeTrace(both));
    expect(await page.locator("#kind option").allTextContents()).toEqual(["encoder", "decoder", "cross"]);
    await page.selectOption("#kind", "cross");
    for (const view of ["text", "lines", "map", "heads", "types", "compare", "neuron", "flow"]) {
      await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
      await page.waitForFunction(
        () =>
          document.querySelector("#stage .waiting") === null &&
          (document.querySelector("#stage canvas") !== null || // a picture says little in words
            (document.querySelector("#stage")?.textContent?.trim().length ?? 0) > 20),
      );
      expect(await page.locator("#stage .failure").count(), view).toBe(0);
    }
    await page.evaluate(() => (globalThis as any).qkv.store.change({ view: "text", query: 2 }));
    await eventually(() => page.locator("#text-lead").textContent()).toMatch(/rote looks most at house 0\.6000/);
  });

  test("a link with a model, page or view that is not here still opens", async () => {
    const page = await e.open("model=nowhere&view=nonsense&layer=99&head=77&kind=cross");
    await eventually(() => page.locator("[role=tab][aria-selected=true]").textContent()).toBe("Text");
    await eventually(() => page.locator(".token").count()).toBeGreaterThan(3);
    await eventually(() => page.locator(".notice").textContent()).toContain(
      "“nowhere”, is not open here: this is Bundled GPT",
    );
    await page.evaluate(() => { location.hash = "v=1&view=nonsense"; }); // biome-ignore format: one line
    await eventually(() => page.locator(".notice").textContent()).toContain(
      "There is no view “nonsense”: this is the text.",
    );
    await page.evaluate(() => { location.hash = "v=1&page=no-such-page"; }); // biome-ignore format: one line
    await eventually(() => page.locator("main").textContent()).toContain("There is no page “no-such-page”.");
    await page.getByRole("button", { name: "To the explorer" }).click();
    await page.waitForSelector("#text");
  });

  test("a page that may store nothing works: it keeps nothing but its link", async () => {
    const page = await e.open("", { storageState: { cookies: [], origins: [] } });
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([
      0,
      0,
      "",
    ]);
    await page.close();
  });
});
