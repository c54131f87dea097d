// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
/**
 * @file The explorer in a real browser: the built page served by its own server, a fresh profile each time. Whatever a test
 * does, the page must not log an error, break its CSP or ask another origin for anything: that is checked at the end.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";
// @ts-expect-error a script without types
import { findBrowser, launchBrowser } from "../../../scripts/shared/browser.mjs";
import { type ExplorerServer, serveExplorer } from "../../../src/explorer/index.js";
import { root } from "../../goldens/where.js";

/** QKV_PAGE names a page built elsewhere: `npx vite build -c src/explorer/app/vite.config.ts --outDir FOLDER`. */
export const app = process.env["QKV_PAGE"] ?? join(root, "dist/explorer/app");
export const browserPath: string | undefined = findBrowser();
/** Why the tests of this folder cannot run here; said once, loudly. */
export const cannot: string | undefined = !browserPath
  ? "no Chrome, Chromium or Edge was found; install one or set QKV_BROWSER to its path"
  : existsSync(join(app, "index.html"))
    ? undefined
    : "the page is not built; npm run build";
if (cannot) console.warn(`\n!! Explorer tests in a browser are SKIPPED: ${cannot}\n`);

/** Every view of the explorer, by its name in a link. */
export const views = ["text", "lines", "map", "heads", "neuron", "types", "whatif", "timeline", "compare", "lens", "flow", "circuits"]; // biome-ignore format: one list

/** The text most tests read: a sentence said twice, so that repeats can be seen. */
export const sentence = "The whale rose and the sea rose with the whale.";

export interface Explorer {
  server(): ExplorerServer;
  browser(): Browser;
  /** A page on the explorer, ready to be looked at. `hash` is what stands after "#v=1&". */
  open(hash?: string, options?: BrowserContextOptions): Promise<Page>;
}

/** Starts the server and the browser before the file's tests, and holds every page to the rules after them. */
export function explorer(models: string[] = []): Explorer {
  let server: ExplorerServer;
  let browser: Browser;
  let shared: Page | undefined;
  const complaints: string[] = [];
  beforeAll(async () => {
    if (cannot) return;
    server = await serveExplorer({ app, models });
    browser = await launchBrowser("--disable-gpu-rasterization");
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    expect(complaints, "what pages complained of").toEqual([]);
  });
  return {
    server: () => server,
    browser: () => browser,
    async open(hash = "", options = {}) {
      const asked = new URLSearchParams(hash);
      if (!asked.has("text")) asked.set("text", sentence);
      const alone = Object.keys(options).length > 0;
      if (!alone && shared && !shared.isClosed()) {
        await goTo(shared, `v=1&${asked}`);
        return shared;
      }
      const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        reducedMotion: "reduce",
        ...options,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(patience);
      watch(page, server.port, complaints);
      await page.goto(`http://127.0.0.1:${server.port}/#v=1&${asked}`);
      await ready(page);
      if (!alone) {
        shared = page;
        page.close = async () => {}; // the next test goes on in it; the browser closes it
      }
      return page;
    },
  };
}

/** What a page may take on a busy machine before a test gives up; nothing is expected to take so long. */
const patience = 90_000;

/** As `expect.poll`, with patience. */
export function eventually(look: () => unknown): ReturnType<typeof expect.poll> {
  return expect.poll(look, { timeout: patience, interval: 100 });
}

/** The same page at another link, as if it had been typed into the address bar: waits until the page has read it. */
async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate(
    (h) =>
      new Promise<void>((read) => {
        const { store } = (globalThis as any).qkv;
        let went = false;
        const stop = store.choice.subscribe(() => {
          if (!went) return;
          queueMicrotask(() => stop());
          read();
        });
        if (location.hash === `#${h}`) history.replaceState(null, "", "#");
        addEventListener("popstate", () => { went = true; }, { capture: true, once: true });
        location.hash = h;
      }),
    hash,
  ); // biome-ignore format: one question
  await ready(page);
}

export function watch(page: Page, port: number, complaints: string[]): void {
  page.on("console", (m) => {
    if (/GPU stall due to ReadPixels|willReadFrequently/.test(m.text())) return; // a test that looks at pixels is to blame
    if (m.type() === "error" || m.type() === "warning") complaints.push(`${m.type()}: ${m.text()}`);
  });
  page.on("pageerror", (e) => complaints.push(`error: ${e.message}`));
  page.on("request", (r) => {
    const { origin, protocol } = new URL(r.url());
    if (origin !== `http://127.0.0.1:${port}` && protocol !== "blob:" && protocol !== "data:")
      complaints.push(`asked ${r.url()}`);
  });
}

/** Waits for the numbers of the run. */
export async function ready(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const store = (globalThis as unknown as { qkv?: { store: { run: { peek(): { state: string } } } } }).qkv?.store;
    return store?.run.peek().state === "ready" || store?.run.peek().state === "failed";
  });
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))); // and the pointer has found what lies under it now
}

/** Numbers straight from the engine, to hold against what the page shows. */
export async function engine<T>(page: Page, method: string, asked: object): Promise<T> {
  return page.evaluate(
    async ([name, given]) => {
      const { store } = (globalThis as unknown as { qkv: { store: any } }).qkv;
      const run = store.shown.peek();
      const result = await store.engine[name as string]({ run: run.id, kind: run.kinds[0].kind, ...(given as object) });
      return JSON.parse(
        JSON.stringify(result, (_, x) =>
          ArrayBuffer.isView(x)
            ? Array.from(x as Float32Array, (y) => (Number.isNaN(y) ? null : y === -Infinity ? "-inf" : y))
            : x,
        ),
      );
    },
    [method, asked] as const,
  ) as Promise<T>;
}

/** The choice as the page holds it. */
export async function choice(page: Page): Promise<Record<string, unknown>> {
  return page.evaluate(() => (globalThis as unknown as { qkv: { store: any } }).qkv.store.choice.peek());
}

/** A call of the labs on the page's run; arrays of numbers come over as plain ones. */
export function lab<T>(page: Page, name: string, asked: object): Promise<T> {
  return page.evaluate(
    async ([n, given]) => {
      const { store } = (globalThis as any).qkv;
      const run = store.shown.peek();
      const result = await store.engine.lab(n, { run: run.id, kind: run.kinds[0].kind, ...(given as object) });
      return JSON.parse(JSON.stringify(result, (_, x) => (ArrayBuffer.isView(x) ? Array.from(x as any) : x)));
    },
    [name, asked] as const,
  );
}
