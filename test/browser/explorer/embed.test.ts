// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile } from "svelte/compiler";
import { build } from "vite";
import { syntheticTrace } from "../../../src/explorer/engine/synthetic.js";
import { writeTrace } from "../../../src/trace/index.js";
import { root } from "../../goldens/where.js";
import { app, cannot, eventually, explorer } from "./open.js";

const examples = join(root, "examples/embed");
const trace = writeTrace(syntheticTrace({ tokens: ["a", " b", " a", " b"], heads: [["previous", "first", "self"], ["first", "previous", "self"]], headDim: 8 })); // biome-ignore format: one trace

/** A bundle of an example as a page would have it. */
async function bundled(entry: string): Promise<string> {
  const result = (await build({
    configFile: false,
    logLevel: "error",
    root,
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [
      {
        name: "svelte-files",
        transform: (source, id) => (id.endsWith(".svelte") ? { code: compile(source, { filename: id, generate: "client", css: "injected" }).js.code, map: null } : null), // biome-ignore format: one line
      },
    ],
    build: { write: false, minify: false, lib: { entry, formats: ["es"] } },
  })) as any;
  return (Array.isArray(result) ? result[0] : result).output[0].code;
}

describe.skipIf(cannot)("item 27: <attention-view> in other people's pages", () => {
  const e = explorer();
  let files: Record<string, string | Buffer>;
  beforeAll(async () => {
    files = {
      "/attention-view.js": readFileSync(join(app, "attention-view.js")),
      "/run.safetensors": Buffer.from(trace),
      "/plain.html": readFileSync(join(examples, "plain.html")),
      "/react.html": `<!doctype html><html lang="en"><title>react</title><div id="root"></div><script type="module" src="/attention-view.js"></script><script type="module" src="/react.js"></script></html>`,
      "/react.js": await bundled(join(examples, "react.mjs")),
      "/svelte.html": `<!doctype html><html lang="en"><title>svelte</title><div id="root"></div><script type="module" src="/attention-view.js"></script><script type="module" src="/svelte.js"></script></html>`,
      "/svelte.js": await bundled(join(examples, "svelte.mjs")),
    }; // biome-ignore format: a table
  }, 120_000);
  const opened: Page[] = [];
  afterAll(() => Promise.all(opened.map((p) => p.context().close())));

  async function open(name: string, block: RegExp = /^$/): Promise<Page> {
    const page = await (await e.browser().newContext()).newPage();
    opened.push(page);
    await page.route("http://embed.test/**", (route) => {
      const { pathname } = new URL(route.request().url());
      const body = files[pathname];
      if (body === undefined || block.test(pathname)) return route.fulfill({ status: 404, body: "" });
      const type = { html: "text/html", js: "text/javascript", safetensors: "application/octet-stream" }[pathname.split(".").at(-1)!]!; // biome-ignore format: one table
      return route.fulfill({ contentType: type, body });
    });
    await page.goto(`http://embed.test/${name}`);
    return page;
  }
  const drawn = (page: Page, which = "attention-view") =>
    page.waitForFunction((s) => document.querySelector(s)?.shadowRoot?.querySelector("canvas") != null, which);

  test("plain HTML: two on a page, one cursor; the image inside shows until the element is there", async () => {
    const page = await open("plain.html");
    await drawn(page, "#a");
    await drawn(page, "#b");
    await page.locator("#a canvas").press("ArrowDown");
    await eventually(() => page.locator("#said").textContent()).toMatch(/^1 looks at 0: [\d.]+$/);
    expect(await page.locator("#b").evaluate((x: any) => x.query)).toBe(1);
    expect(await page.locator("img").isVisible()).toBe(false);
    const without = await open("plain.html", /attention-view\.js/);
    expect(await without.locator("img").isVisible()).toBe(true);
    expect(await without.locator("img").getAttribute("alt")).toBe("Attention of layer 0, head 0");
  });

  for (const name of ["react", "svelte"]) {
    test(`${name}: state sets properties, events set state`, async () => {
      const page = await open(`${name}.html`);
      await drawn(page);
      expect(await page.locator("attention-view").evaluate((x: any) => [x.layer, x.head])).toEqual([1, 0]);
      await page.click("#next");
      await eventually(() => page.locator("attention-view").evaluate((x: any) => x.head)).toBe(1);
      await page.locator("attention-view canvas").press("ArrowDown");
      await eventually(() => page.locator("#said").textContent()).toMatch(/^1 → \d: [\d.]+$/);
    });
  }

  test("a notebook shows the one-file page in a frame without a network", async () => {
    const python = ["python3", "python"].find((p) => { try { execFileSync(p, ["--version"]); return true; } catch { return false; } }); // biome-ignore format: one question
    if (!python) return;
    const folder = await mkdtemp(join(tmpdir(), "qkv-notebook-"));
    mkdirSync(folder, { recursive: true });
    const { onePage } = await import("../../../src/explorer/share/page.js");
    writeFileSync(join(folder, "attention.html"), onePage({ element: String(files["/attention-view.js"]), trace: Buffer.from(trace).toString("base64"), title: "a & b", about: "made", layer: 1, head: 0, view: "map", query: -1, key: -1 })); // biome-ignore format: one page
    const cell = execFileSync(python, ["-c", "import sys; sys.path.insert(0, sys.argv[1]); from notebook import notebook_html; sys.stdout.write(notebook_html(sys.argv[2])._repr_html_())", examples, join(folder, "attention.html")], { maxBuffer: 1e8 }).toString(); // biome-ignore format: one call
    files["/cell.html"] = `<!doctype html><html lang="en"><meta charset="utf-8"><title>notebook</title>${cell}</html>`;
    const page = await open("cell.html");
    const frame = page.frameLocator("iframe");
    await frame.locator("attention-view canvas").waitFor();
    await frame.locator("attention-view canvas").press("ArrowDown");
    await eventually(() => frame.locator("attention-view .read").textContent()).toMatch(/looks at/);
  });
});
