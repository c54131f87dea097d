// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { readTrace } from "../../../src/trace/index.js";
import { root } from "../../goldens/where.js";
import { download } from "./download.js";
import { cannot, eventually, explorer, ready } from "./open.js";

const hostile = "A </script><img src=x onerror=alert(1)> whale \u202e \u{1F40B}";

describe.skipIf(cannot)("taking the picture along", () => {
  const e = explorer();

  test("item 25: a link opened in a fresh profile gives the same picture, pixel by pixel", async () => {
    const one = await e.open("view=map&layer=2&head=1&scale=cividis&as=log&q=6&k=2&theme=dark");
    await one.waitForSelector("canvas.picture");
    await one.mouse.move(0, 0);
    const link = one.url();
    const two = await (
      await e.browser().newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" })
    ).newPage();
    await two.goto(link);
    await ready(two);
    await two.waitForSelector("canvas.picture");
    const pixels = (page: Page): Promise<string> =>
      page.evaluate(
        () =>
          new Promise<string>((ok) =>
            requestAnimationFrame(() =>
              requestAnimationFrame(() => ok(document.querySelector<HTMLCanvasElement>("canvas.picture")!.toDataURL())),
            ),
          ),
      );
    await eventually(() => pixels(two)).toBe(await pixels(one));
    await one.close();
    await two.context().close();
  });

  test("back and forward walk through what was chosen", async () => {
    const page = await e.open();
    await page.getByRole("tab", { name: "Map" }).click();
    await page.getByRole("tab", { name: "Lines" }).click();
    await page.goBack();
    await eventually(() => page.getByRole("tab", { name: "Map" }).getAttribute("aria-selected")).toBe("true");
    await page.goForward();
    await eventually(() => page.getByRole("tab", { name: "Lines" }).getAttribute("aria-selected")).toBe("true");
    await page.close();
  });

  test("item 26: SVG, PNG, CSV, JSON, NPZ, Markdown and trace are the same bytes when asked again, and hostile tokens are inert in them", async () => {
    const page = await e.open(`view=map&layer=1&text=${encodeURIComponent(hostile)}`);
    await page.waitForSelector("canvas.picture");
    const made: Record<string, Buffer> = {};
    for (const name of ["svg", "csv", "json", "npz", "trace", "markdown", "png1", "png2", "png3", "png4"]) {
      made[name] = await download(page, name);
      expect((await download(page, name)).equals(made[name]!), name).toBe(true);
    }
    const svg = made["svg"]!.toString();
    expect(svg).not.toMatch(/<img|<script/);
    expect(svg).not.toContain("\u202e");
    expect(
      await page.evaluate(
        (s) => new DOMParser().parseFromString(s, "image/svg+xml").querySelector("parsererror") === null,
        svg,
      ),
    ).toBe(true);
    const width = (png: Buffer): number => png.readUInt32BE(16);
    for (const n of [2, 3, 4]) expect(width(made[`png${n}`]!)).toBe(n * width(made["png1"]!));
    const md = made["markdown"]!.toString();
    expect(md.replace(/```[\s\S]*?```/g, "")).not.toMatch(/<img|<script/); // a fenced line is text
    expect(md).not.toContain("\u202e");
    expect(md).toMatch(/^# Layer 1, head 0: Bundled GPT\n/);
    expect(md).toMatch(/Attention of layer 1, head 0 of Bundled GPT on .* computed by qkv/);
    const json = JSON.parse(made["json"]!.toString()) as { heads: number[][][]; queries: string[] };
    const trace = readTrace(new Uint8Array(made["trace"]!));
    const weights = trace.weights({ layer: 1, head: 3 }).data;
    const L = json.queries.length;
    for (let i = 0; i < L; i++)
      for (let j = 0; j <= i; j++) expect(json.heads[3]![i]![j]).toBeCloseTo(weights[i * L + j]!, 6);
    await page.close();
  });

  test("item 26: a one-file page opens from disk without a network, draws the trace and runs nothing a token says", async () => {
    const page = await e.open(`view=map&layer=1&head=2&text=${encodeURIComponent(hostile)}`);
    await page.waitForSelector("canvas.picture");
    const html = await download(page, "html");
    await page.close();
    const path = join(await mkdtemp(join(tmpdir(), "qkv-page-")), "attention.html");
    writeFileSync(path, html);
    const context = await e.browser().newContext({ offline: true });
    const alone = await context.newPage();
    const complaints: string[] = [];
    alone.on(
      "request",
      (r) => !r.url().startsWith("file:") && !r.url().startsWith("data:") && complaints.push(r.url()),
    );
    alone.on("console", (m) => m.type() === "error" && complaints.push(m.text()));
    alone.on("dialog", (d) => complaints.push(d.message()));
    await alone.goto(pathToFileURL(path).href);
    await alone.waitForFunction(
      () => document.querySelector("attention-view")?.shadowRoot?.querySelector("canvas") !== null,
    );
    await alone.locator("attention-view canvas").focus();
    await alone.keyboard.press("ArrowDown");
    expect(await alone.locator("attention-view .read").textContent()).toMatch(/looks at/);
    expect(complaints).toEqual([]);
    await context.close();
  });

  test("item 27: <attention-view>: attributes, properties and events, two on a page", async () => {
    const page = await e.open("view=map");
    const trace = (await download(page, "trace")).toString("base64");
    await page.close();
    const context = await e.browser().newContext();
    const plain = await context.newPage();
    const blank = `http://127.0.0.1:${e.server().port}/plain.html`;
    await plain.route(blank, (route) =>
      route.fulfill({ contentType: "text/html", body: "<!doctype html><title>plain</title>" }),
    );
    await plain.goto(blank);
    await plain.addScriptTag({ url: "/attention-view.js", type: "module" });
    const got = await plain.evaluate(async (file) => {
      await customElements.whenDefined("attention-view");
      const { body } = document;
      const make = (): any => {
        const x = document.createElement("attention-view");
        body.appendChild(x);
        return x;
      };
      const [a, b] = [make(), make()];
      const ready = Promise.all(
        [a, b].map(
          (x) => new Promise<any>((ok) => x.addEventListener("attention-ready", (ev: CustomEvent) => ok(ev.detail))),
        ),
      );
      const url = URL.createObjectURL(new Blob([Uint8Array.from(atob(file), (c) => c.charCodeAt(0))]));
      a.setAttribute("src", url);
      a.setAttribute("layer", "2");
      b.src = url;
      const [detail] = await ready;
      const selected = new Promise<any>((ok) =>
        b.addEventListener("attention-select", (ev: CustomEvent) => ok(ev.detail)),
      );
      await b.updateComplete;
      b.shadowRoot.querySelector("canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
      const choice = await selected;
      await b.updateComplete;
      return { layers: detail.layers, layer: a.layer, choice, reflected: b.getAttribute("query") };
    }, trace);
    expect(got.layers).toEqual([0, 1, 2, 3]);
    expect(got.layer).toBe(2);
    expect(got.choice).toMatchObject({ layer: 0, head: 0, query: 1, key: 0 });
    expect(got.choice.weight).toBeGreaterThan(0);
    expect(got.reflected).toBe("1");
    await context.close();
  });

  test("item 33: the command and the code that the page shows are run: the same bytes both, the page's numbers to rounding", async () => {
    const page = await e.open("view=map&layer=1&head=2&text=It%27s%20a%20whale");
    await page.locator("summary", { hasText: "Share" }).click();
    await page.locator("[data-share=command]").click();
    const text = await page.locator("dialog.command pre").textContent();
    expect(text).toContain("qkv view bundled 'It'\\''s a whale' --layer 1 --head 2");
    expect(text).toContain("trace.weights({ layer: 1, head: 2 })");
    await page.keyboard.press("Escape");
    const ours = (JSON.parse((await download(page, "json")).toString()) as { heads: (number | null)[][][] }).heads[2]!;
    const [command, , ...code] = text!.split("\n");
    const run = (line: string): string =>
      execFileSync("sh", ["-c", line], { cwd: root, encoding: "utf8", maxBuffer: 1e8 });
    const theirs = JSON.parse(
      run(`${command!.replace(/^qkv /, `'${process.execPath}' dist/cli/main.js `)} --json`),
    ) as { weights: (number | null)[][] };
    const file = join(await mkdtemp(join(tmpdir(), "qkv-snippet-")), "snippet.mjs");
    const last = code.at(-1)!.replace(/;.*$/, "");
    writeFileSync(
      file,
      `${code
        .slice(0, -1)
        .join("\n")
        .replace(
          '"qkv/models"',
          JSON.stringify(pathToFileURL(join(root, "dist/models/index.js")).href),
        )}\nconsole.log(JSON.stringify(Array.from(${last}.data)));`,
    );
    const flat = JSON.parse(run(`'${process.execPath}' '${file}'`)) as number[];
    const bytes = (numbers: number[]): Buffer => Buffer.from(Float32Array.from(numbers).buffer);
    expect(bytes(flat).equals(bytes(theirs.weights.flat().map((w) => w ?? 0)))).toBe(true);
    // The browser's kernel adds in another order than Node's: equal to rounding.
    ours.flat().forEach((w, n) => expect(Math.abs((w ?? 0) - flat[n]!)).toBeLessThan(2e-6));
    await page.close();
  });
});
