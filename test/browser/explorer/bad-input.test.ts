// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
/** @file What a hand can put in wrong: files that are not what they say, links that make no sense, far too much text. */
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { drop } from "./drop.js";
import { cannot, choice, eventually, explorer, ready, sentence, views } from "./open.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A link typed into the address bar of the page that is open. */
async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate((h) => { location.hash = h; }, hash); // biome-ignore format: one line
  await page.waitForTimeout(300);
  await ready(page);
}

describe.skipIf(cannot)("what a hand can put in wrong is said in the page, and nothing is lost", () => {
  const e = explorer();

  test("files that are not what they say are refused in words; the text and its picture stay", async () => {
    const page = await e.open();
    for (const [name, content, says] of [
      ["empty.safetensors", "", /empty\.safetensors.*(empty|0 bytes|8 bytes)/s],
      ["letter.safetensors", "Dear reader, this is a letter and not a tensor.\n".repeat(20), /letter\.safetensors/],
      ["foreign.json", '{"kind":"FeatureCollection","features":[]}', /foreign\.json/],
      ["broken.json", '{"q":[1,2', /broken\.json/],
    ] as const) {
      await drop(page, name, bytes(content));
      await eventually(() => page.locator(".notice.error").textContent()).toMatch(says);
      expect(await page.locator(".notice.error").textContent(), name).toMatch(/Fix: |expected/);
      expect((await choice(page))["text"], name).toBe(sentence);
      expect(await page.locator(".token").count(), name).toBeGreaterThan(3);
      await page.locator(".notice button").click();
      await eventually(() => page.locator(".notice").count()).toBe(0);
    }
  });

  test("a folder without a model in it is refused by name", async () => {
    const page = await e.open();
    await page.evaluate(() => {
      const file = { isFile: true, isDirectory: false, name: "notes.txt", fullPath: "/holiday/notes.txt", file: (done: (f: File) => void) => done(new File(["sun"], "notes.txt")) }; // biome-ignore format: one entry
      let read = false;
      const folder = { isFile: false, isDirectory: true, name: "holiday", fullPath: "/holiday", createReader: () => ({ readEntries: (done: (all: unknown[]) => void) => { const all = read ? [] : [file]; read = true; done(all); } }) }; // biome-ignore format: one entry
      const event = new Event("drop", { bubbles: true });
      Object.assign(event, { dataTransfer: { items: [{ kind: "file", webkitGetAsEntry: () => folder }], files: [], types: ["Files"] } }); // biome-ignore format: one drop
      document.querySelector("qkv-app")!.dispatchEvent(event);
    });
    await eventually(() => page.locator(".notice.error").textContent()).toContain("holiday/notes.txt");
    await eventually(() => page.locator(".notice.error").textContent()).toContain("holds no trace and no model");
  });

  test("links of garbage, of another version and of huge numbers open every view all the same", async () => {
    const page = await e.open();
    const text = `text=${encodeURIComponent(sentence)}`;
    const extra = { layerB: "1e9", headB: "-5", with: "nobody", temperature: "hot", count: "1e99", mass: "abc", residual: "7", upTo: "-3", groups: "1e9", discard: "zzz", sort: "__proto__", typeX: "constructor", fusion: "toString", circuit: "9", strip: "x", lines: "sideways", arcs: "x" }; // biome-ignore format: one link
    const links = [
      "%E0%A4%A&v=1&&&=&view=%00&layer=NaN&head=-1",
      `v=99&${text}&view=map`,
      `v=1&${text}&layer=9999999&head=9999999&q=9999999&k=9999999&least=1e9&heads=999999999.3&at=1e300,1e300,1e300&together=max.999`,
      `v=1&${text}&x=${encodeURIComponent(JSON.stringify(extra))}`,
      `v=1&${text}&z=not-deflated&edits=${encodeURIComponent('[{"layer":"a"}]')}&x=[1]`,
    ];
    for (const link of links) {
      await visit(page, link);
      for (const view of views) {
        await page.evaluate((v) => (globalThis as any).qkv.store.change({ view: v }), view);
        await page.waitForFunction(() => document.querySelector("#stage .waiting") === null);
        expect(await page.locator("#stage .failure").allTextContents(), `${link} ${view}`).toEqual([]);
      }
    }
  });

  test("a link of another version is said to be one", async () => {
    const page = await e.open();
    await visit(page, `v=99&text=${encodeURIComponent(sentence)}&view=map`);
    await eventually(() => page.locator(".notice").textContent()).toContain("version 99");
  });

  test("a megabyte pasted is refused in words, and the text that was there stays", async () => {
    const page = await e.open();
    await page.focus("#text");
    const refused = await page.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text", "the whale rose and the sea ".repeat(40_000));
      return !document.querySelector("#text")!.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })); // biome-ignore format: one paste
    });
    expect(refused).toBe(true);
    await eventually(() => page.locator(".notice.error").textContent()).toContain("1,080,000 characters");
    expect(await page.locator("#text").inputValue()).toBe(sentence);
    expect(await page.locator(".token").count()).toBeGreaterThan(3);
  });
});
