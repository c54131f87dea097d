/**
 * @file The same shapes in a real browser, in a worker of a cross-origin isolated page, beside onnxruntime-web: one thread
 * and two. `node scripts/bench.mjs --browser` runs it; results join those of the Node versions.
 */
import { once } from "node:events";
import { createReadStream, existsSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, extname, join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "vite";
// @ts-expect-error a script without types
import { findBrowser } from "../scripts/shared/browser.mjs";
import { conditions } from "./shared/conditions.js";
import type { Asked } from "./shared/in-page.js";
import { type Answer, print } from "./shared/question.js";

const require = createRequire(import.meta.url);

/** @param results folder of the results   @param seconds for each table */
export async function main(results: string, seconds = 3): Promise<void> {
  const executablePath = findBrowser() as string | undefined;
  if (!executablePath) return console.log("no browser found: install chromium or set QKV_BROWSER to its path");
  const server = serve(await bundle());
  await once(server, "listening");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    for (const threads of [1, 2]) {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const asked: Asked = { about: conditions(threads, `Chromium ${browser.version()}`), seconds };
      const { answers, failed } = await page.evaluate(
        (question) =>
          new Promise<{ answers?: Answer[]; failed?: string }>((resolve) => {
            const worker = new Worker("/worker.js", { type: "module" });
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => resolve({ failed: message });
            worker.postMessage(question);
          }),
        asked,
      );
      await page.close();
      if (!answers) throw new Error(failed);
      for (const answer of answers) console.log(`${print(answer)}\n`);
      writeFileSync(join(results, `chromium-threads${threads}.json`), `${JSON.stringify(answers, null, 1)}\n`);
    }
  } finally {
    await browser.close();
    server.close();
  }
}

async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: false,
      lib: { entry: join(import.meta.dirname, "shared/in-page.ts"), formats: ["es"], fileName: "worker" },
      rollupOptions: {
        external: ["onnxruntime-web", "onnxruntime-node"],
        output: { paths: { "onnxruntime-web": "/ort/ort.wasm.min.mjs" } },
      },
    },
  });
  const output = (Array.isArray(built) ? built[0] : built) as { output: { code: string }[] };
  return output.output[0]!.code;
}

/** "/" an empty page, "/worker.js" the bundle, "/ort/…" onnxruntime-web; isolated, so that memory can be shared. */
function serve(code: string): Server {
  const ort = dirname(require.resolve("onnxruntime-web"));
  const types: Record<string, string> = { ".mjs": "text/javascript", ".wasm": "application/wasm" };
  return createServer(({ url = "/" }, response) => {
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    const name = /^\/ort\/([\w.-]+)$/.exec(url)?.[1];
    if (name && existsSync(join(ort, name))) {
      response.setHeader("Content-Type", types[extname(name)] ?? "application/octet-stream");
      createReadStream(join(ort, name)).pipe(response);
    } else if (url === "/worker.js") response.setHeader("Content-Type", "text/javascript").end(code);
    else response.setHeader("Content-Type", "text/html").end("<!doctype html><title>bench</title>");
  }).listen(0, "127.0.0.1");
}
