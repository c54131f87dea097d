/** @file A subset of the ONNX goldens in onnxruntime-web inside a browser, with the library bundled as a page would have it. */
import { createServer, type Server } from "node:http";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
// @ts-expect-error a script without types
import { findBrowser, launchBrowser } from "../../scripts/shared/browser.mjs";
import type { AttentionKind } from "../../src/attention/listen.js";
import { openOnnx, type OutputTensor } from "../../src/onnx/index.js";
import { tensor } from "../../src/tensor/index.js";
import { mapsWrong, onnxCase, outputsWrong } from "../goldens/onnx-case.js";
import { goldenSets, root } from "../goldens/where.js";

const browserPath: string | undefined = findBrowser();
const cases = goldenSets("onnx-models")
  .filter((c) =>
    /bert-(torchscript-op17|packed|multihead|int8)|gpt2-cache-decode|llama-(groupquery.*decode|dynamo-op23)|modernbert|t5-decoder|vit/.test(
      c.id,
    ),
  )
  .map(onnxCase);
if (!browserPath) console.warn("No browser found: the ONNX goldens are NOT run in a browser. Set QKV_BROWSER to one.");

/** What the page hands back: plain data. */
interface FromPage {
  outputs: Record<string, { data: number[]; shape: number[] }>;
  maps: { kind: AttentionKind; layer: number; data: number[]; shape: number[]; empty: [number, number][] }[];
}

const page = `<!doctype html><script type="importmap">{"imports":{"onnxruntime-web":"/ort/ort.wasm.min.mjs"}}</script>
<script type="module">
import { openOnnx } from "/qkv/onnx.js";
window.look = async (path, feeds) => {
  const bytes = new Uint8Array(await (await fetch(path)).arrayBuffer());
  const model = await openOnnx(bytes, { session: { intraOpNumThreads: 1 } });
  const { outputs, trace } = await model.run(feeds);
  const plain = (t) => ({ data: Array.from(t.data, Number), shape: [...t.shape] });
  return {
    outputs: Object.fromEntries(Object.entries(outputs).map(([k, t]) => [k, plain(t)])),
    maps: model.attentions.map(({ kind, layer }) => ({ kind, layer, ...plain(trace.weights({ kind, layer })), empty: trace.emptyRows({ kind, layer }) })),
  };
};
window.ready = true;
</script>`;

describe.skipIf(!browserPath)("in a browser, with onnxruntime-web", () => {
  let server: Server;
  let browser: Browser;
  let folder: string;
  let tab: Page; // one for all: compiling onnxruntime takes longer than running the cases

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "qkv-browser-"));
    const { build } = await import("vite");
    await build({
      root,
      configFile: false,
      logLevel: "error",
      build: {
        outDir: folder,
        emptyOutDir: false,
        minify: false,
        lib: { entry: join(root, "src/onnx/index.ts"), formats: ["es"], fileName: "onnx" },
        rollupOptions: { external: [/^node:/, "onnxruntime-web"] },
      },
    });
    const types: Record<string, string> = {
      ".js": "text/javascript",
      ".mjs": "text/javascript",
      ".wasm": "application/wasm",
    };
    server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname);
      const [, place, ...rest] = path.split("/");
      const places: Record<string, string> = { qkv: folder, ort: join(root, "node_modules/onnxruntime-web/dist") };
      const file =
        place === "case"
          ? cases[Number(rest[0])]!.path
          : place && places[place]
            ? join(places[place]!, ...rest)
            : undefined;
      if (file && existsSync(file)) {
        response.setHeader("content-type", types[extname(file)] ?? "application/octet-stream");
        response.end(readFileSync(file));
      } else if (path === "/") response.setHeader("content-type", "text/html").end(page);
      else response.writeHead(404).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
    tab = await browser.newPage();
    const faults: string[] = [];
    tab.on("pageerror", (e) => faults.push(e.message));
    await tab.goto(address);
    await tab.waitForFunction("window.ready", undefined, { timeout: 60_000 }).catch(() => expect(faults).toEqual([]));
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(cases)("$id: maps equal Hugging Face's", async (c) => {
    const feeds = Object.fromEntries(
      Object.entries(c.feeds).map(([name, f]) => [
        name,
        { data: Array.from(f.data as ArrayLike<number>, Number), shape: f.shape },
      ]),
    );
    const result = (await tab.evaluate(
      ([path, f]) => (window as unknown as { look: (p: unknown, f: unknown) => Promise<unknown> }).look(path, f),
      [`/case/${cases.indexOf(c)}`, feeds] as const,
    )) as FromPage;
    const find = (kind: AttentionKind | undefined, layer: number) =>
      result.maps.find((m) => m.kind === kind && m.layer === layer)!;
    const trace = {
      weights: ({ kind, layer }: { kind?: AttentionKind; layer: number }) =>
        tensor(find(kind, layer).data, find(kind, layer).shape),
      emptyRows: ({ kind, layer }: { kind?: AttentionKind; layer: number }) => find(kind, layer).empty,
    };
    const model = await openOnnx(c.path);
    expect(mapsWrong(model, trace as never, c)).toEqual([]);
    expect(outputsWrong(result.outputs as unknown as Record<string, OutputTensor>, c)).toEqual([]);
  });
});
