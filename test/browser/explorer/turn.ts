// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
/** @file From view to view and page to page, each waited for until it stands; and whether what stands there fits. */
import type { Page } from "playwright-core";
import { eventually } from "./open.js";

/** A view of the stage. */
export async function show(page: Page, view: string): Promise<void> {
  await page.evaluate((v) => (globalThis as any).qkv.store.change({ page: "explore", view: v }), view);
  await page.waitForFunction(() => document.querySelector("#stage .waiting") === null);
}

/** A chapter or a lab. */
export async function turnTo(page: Page, id: string): Promise<void> {
  await page.evaluate((p) => (globalThis as any).qkv.store.change({ page: p }), id);
  await page.waitForFunction(
    (p) => (globalThis as any).qkv.store.choice.peek().page === p && document.querySelector("main.page article h2") !== null && document.querySelector("main.page .waiting") === null,
    id,
  ); // biome-ignore format: one question
}

/** Text at twice its size; set before a view is turned to, since pictures are drawn as large as the text is then. */
export const enlarge = (page: Page): Promise<void> => page.evaluate(() => { document.documentElement.style.fontSize = "200%"; }); // biome-ignore format: one line

/** Nothing sticks out of a page so many pixels wide; what is drawn to measure follows in the next frame. */
export function staysWithin(page: Page, width: number, what: string): Promise<void> {
  return eventually(async () => {
    const found = await page.evaluate(() => document.documentElement.scrollWidth);
    return found <= width ? "within" : `${what}: ${found} pixels`;
  }).toBe("within");
}
