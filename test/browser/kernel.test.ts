/** @file The kernel in Chromium: on a plain page, on a cross-origin isolated one, and with threads in a worker. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error plain JavaScript, without types
import { findBrowser, launchBrowser } from "../../scripts/shared/browser.mjs";
import type { Report } from "./kernel-in-page.js";

const executablePath = findBrowser() as string | undefined;
if (!executablePath) console.warn("SKIPPED: no browser found; install chromium or set QKV_BROWSER to its path.");

/** Mean of 150 numbers of size 1.7, sums of 40 products: some 20 roundings. */
const CLOSE = 5e-6;

async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL("kernel-in-page.ts", import.meta.url));
  const built = await build({
    configFile: false,
    logLevel: "silent",
    build: { write: false, minify: false, lib: { entry, formats: ["es"], fileName: "kernel" } },
  });
  const output = (Array.isArray(built) ? built[0] : built) as { output: { code: string }[] };
  return output.output[0]!.code;
}

/** "/" plain, "/isolated" with the headers that shared memory needs. */
function serve(code: string): Server {
  const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  return createServer(({ url }, response) => {
    const script = url === "/kernel.js";
    const headers = { "Content-Type": script ? "text/javascript" : "text/html", ...(url !== "/" && isolation) };
    response
      .writeHead(200, headers)
      .end(script ? code : '<!doctype html><script type="module" src="/kernel.js"></script>');
  }).listen(0, "127.0.0.1");
}

describe.skipIf(!executablePath)("in Chromium", () => {
  let browser: Browser;
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    server = serve(await bundle());
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  async function open(path: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(origin + path);
    await page.waitForFunction(() => "report" in globalThis);
    return page;
  }
  const onPage = (page: Page): Promise<Report> =>
    page.evaluate(() => (globalThis as unknown as { report(): Promise<Report> }).report());
  const inWorker = (page: Page): Promise<Report> =>
    page.evaluate(
      () =>
        new Promise<Report>((resolve, reject) => {
          const worker = new Worker("/kernel.js", { type: "module" });
          worker.onmessage = (event) => resolve(event.data as Report);
          worker.onerror = (event) => reject(new Error(event.message));
        }),
    );

  test("a plain page computes on one thread, in memory that is not shared", async () => {
    const got = await onPage(await open("/"));
    expect(got).toMatchObject({ name: "relaxed", isolated: false, ready: 1, sameBits: true });
    expect(got.error).toBeLessThan(CLOSE);
  });

  test("the main thread of an isolated page computes on one thread: it may not wait", async () => {
    const got = await onPage(await open("/isolated"));
    expect(got).toMatchObject({ isolated: true, ready: 1, sameBits: true });
    expect(got.error).toBeLessThan(CLOSE);
  });

  test("a worker of an isolated page starts threads, and the bits stay the same", async () => {
    const got = await inWorker(await open("/isolated"));
    expect(got).toMatchObject({ isolated: true, ready: 2, sameBits: true });
    expect(got.error).toBeLessThan(CLOSE);
  });
});
