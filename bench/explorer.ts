/**
 * @file Does the explorer stay smooth on long texts? Pans, zooms and hovers over maps of 1,000, 4,000 and 10,000 tokens in a
 * real browser, and counts frames and long tasks. Also: when the first picture stands after the page is asked for, by a browser that
 * is open and idle.
 *
 *     npx jiti bench/explorer.ts            all of it, about three minutes on a quiet machine
 *     npx jiti bench/explorer.ts 4000       one length
 *
 * Software rendering on two cores is the floor that is meant; the load of the machine is printed, since it decides. What others
 * do on the machine stretches frames and tasks; the last column, the processor time of the page's longest task, says what is its own.
 */
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
// @ts-expect-error a script without types
import { launchBrowser } from "../scripts/shared/browser.mjs";
import { serveExplorer } from "../src/explorer/index.js";
import { syntheticTrace } from "../src/explorer/engine/synthetic.js";
import { writeTrace } from "../src/trace/index.js";

const root = join(import.meta.dirname, "..");
const lengths = process.argv[2] ? [Number(process.argv[2])] : [1000, 4000, 10_000];
const browser: Browser = await launchBrowser();
const server = await serveExplorer({ app: join(root, "dist/explorer/app") });
const at = (q: number, list: number[]): number =>
  [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))]!;
const ms = (x: number): string => `${x.toFixed(1).padStart(7)} ms`;

console.log(
  `explorer · ${cpus()[0]!.model.trim()}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}, ${browser.version()}`,
);

const first: number[] = [];
for (let n = 0; n < 7; n++) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  await page.waitForTimeout(1000); // the window's own work
  await page.goto(`http://127.0.0.1:${server.port}/`);
  await page.waitForFunction(() => performance.getEntriesByName("qkv-first-picture").length > 0);
  first.push(await page.evaluate(() => performance.getEntriesByName("qkv-first-picture")[0]!.startTime));
  await page.context().close();
}
console.log(
  `first picture, bundled model, fresh profile   median ${ms(at(0.5, first))}   best ${ms(Math.min(...first))}   load ${loadavg()[0]!.toFixed(1)}`,
);
console.log(
  "\ntokens    tiles ready   gesture   frames    median       p95     worst   tasks > 50 ms   load   longest task's own time",
);

for (const tokens of lengths) {
  const trace = syntheticTrace({
    tokens: Array.from({ length: tokens }, (_, i) => ` w${i % 997}`),
    heads: [["previous", "broad"]],
    headDim: 64,
    sharpness: 14,
  });
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  await page.goto(`http://127.0.0.1:${server.port}/#v=1&view=map`);
  await page.waitForSelector("canvas.picture");
  const start = performance.now();
  await give(page, writeTrace(trace));
  await page.waitForFunction(
    () => document.querySelector('qkv-tiles-view[data-ready="1"], qkv-map-view canvas.picture'),
    null,
    { timeout: 120_000 },
  );
  const ready = performance.now() - start;
  await page.waitForTimeout(3000); // head types and checks of the run are done meanwhile
  for (const gesture of ["hover", "pan", "zoom"] as const) {
    const { frames, tasks, own } = await watched(page, () => play(page, gesture));
    console.log(
      `${String(tokens).padStart(6)} ${ms(ready).padStart(14)}   ${gesture.padEnd(7)} ${String(frames.length).padStart(6)} ${ms(at(0.5, frames))}${ms(at(0.95, frames))}${ms(Math.max(...frames))} ${String(tasks).padStart(10)}        ${loadavg()[0]!.toFixed(1)} ${ms(own)}`,
    );
  }
  await page.context().close();
}
await browser.close();
await server.close();

/** Hands a trace to the page as a drop does, without the round about a base64 string. */
async function give(page: Page, bytes: Uint8Array): Promise<void> {
  await page.route("**/given.safetensors", (route) =>
    route.fulfill({ body: Buffer.from(bytes), contentType: "application/octet-stream" }),
  );
  await page.evaluate(async () => {
    const raw = await (await fetch("/given.safetensors")).blob();
    const data = new DataTransfer();
    data.items.add(new File([raw], "long.safetensors"));
    document
      .querySelector("qkv-app")!
      .dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await page.waitForFunction(() => location.hash.includes("trace%3Along"));
}

/** Processor time in ms of the longest task of the page's main thread meanwhile. */
async function watched<T>(page: Page, act: () => Promise<T>): Promise<T & { own: number }> {
  const wire = await browser.newBrowserCDPSession();
  const events: { name: string; pid: number; tid: number; tdur?: number }[] = [];
  wire.on("Tracing.dataCollected", ({ value }) => events.push(...(value as unknown as typeof events)));
  await wire.send("Tracing.start", { traceConfig: { includedCategories: ["toplevel", "blink.user_timing"] } });
  await page.evaluate(() => performance.mark("qkv-bench"));
  const result = await act();
  const ended = new Promise<void>((done) => wire.once("Tracing.tracingComplete", () => done()));
  await wire.send("Tracing.end");
  await ended;
  await wire.detach();
  const main = events.find((e) => e.name === "qkv-bench");
  const tasks = events.filter((e) => e.pid === main?.pid && e.tid === main.tid && /RunTask$/.test(e.name));
  return { ...result, own: Math.max(0, ...tasks.map((e) => e.tdur ?? 0)) / 1000 };
}

/** 180 frames of a gesture, moved by the page itself, so that no message between processes is in the time. */
async function play(page: Page, gesture: "hover" | "pan" | "zoom"): Promise<{ frames: number[]; tasks: number }> {
  return page.evaluate(async (what) => {
    const canvas = document.querySelector<HTMLCanvasElement>("canvas.picture")!;
    const box = canvas.getBoundingClientRect();
    let tasks = 0;
    const watch = new PerformanceObserver((list) => {
      tasks += list.getEntries().length;
    });
    watch.observe({ entryTypes: ["longtask"] });
    const send = (type: string, x: number, y: number, more: object = {}): void => {
      const init = {
        clientX: box.left + x,
        clientY: box.top + y,
        pointerId: 1,
        bubbles: true,
        cancelable: true,
        ...more,
      };
      canvas.dispatchEvent(type === "wheel" ? new WheelEvent(type, init) : new PointerEvent(type, init));
    };
    canvas.setPointerCapture = () => {}; // made-up pointers cannot be captured
    const [w, h] = [box.width, Math.min(box.height, 600)];
    if (what === "pan") {
      for (let n = 0; n < 12; n++) send("wheel", w / 2, h / 2, { deltaY: -200 });
      await new Promise((ok) => setTimeout(ok, 1500));
      send("pointerdown", w / 2, h / 2);
    }
    const frames: number[] = [];
    let last = 0;
    await new Promise<void>((done) => {
      const frame = (now: number): void => {
        if (last > 0) frames.push(now - last);
        last = now;
        const n = frames.length;
        if (n >= 180) return done();
        const angle = (n / 60) * Math.PI;
        if (what === "zoom") send("wheel", w * 0.6, h * 0.6, { deltaY: n < 90 ? -24 : 24 });
        else send("pointermove", w / 2 + Math.cos(angle) * w * 0.3, h / 2 + Math.sin(angle) * h * 0.3);
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    if (what === "pan") send("pointerup", w / 2, h / 2);
    watch.disconnect();
    return { frames, tasks };
  }, gesture);
}
