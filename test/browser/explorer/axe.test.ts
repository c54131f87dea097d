// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { pages } from "../../../src/explorer/pages.js";
import { violations } from "./axe.js";
import { tooFaint } from "./contrast.js";
import { cannot, explorer, views } from "./open.js";
import { enlarge, show, staysWithin, turnTo } from "./turn.js";

describe.skipIf(cannot)("every view, chapter and lab", () => {
  const e = explorer();

  const each = async (page: Page, look: (what: string) => Promise<void>): Promise<void> => {
    for (const view of views) {
      await show(page, view);
      await look(view);
    }
    for (const { id } of pages) {
      await turnTo(page, id);
      await look(id);
    }
  };
  const theme = async (page: Page, name: string): Promise<void> => {
    const set = await page.evaluate((t) => {
      (globalThis as any).qkv.store.change({ theme: t });
      return document.documentElement.dataset["theme"];
    }, name);
    expect(set).toBe(name);
  };
  /** Thirty pages: more than a test is given on a busy machine. */
  const long = 360_000;

  test(
    "item 30: axe finds nothing at 1280 pixels, and no text is faint in any theme",
    async () => {
      const page = await e.open("theme=light&q=5&k=2", { viewport: { width: 1280, height: 800 } });
      await each(page, async (what) => {
        expect(await violations(page), what).toEqual([]);
        for (const name of ["dark", "contrast", "light"]) {
          await theme(page, name);
          expect(await tooFaint(page), `${what}, ${name}`).toEqual([]);
        }
        await staysWithin(page, 1280, what);
      });
      // What is held against faint texts finds one.
      await page.evaluate(() => document.documentElement.style.setProperty("--ink", "#aaa"));
      expect((await tooFaint(page)).length).toBeGreaterThan(5);
      await page.context().close();
    },
    long,
  );

  test(
    "item 30, 32: axe finds nothing at 360 pixels, and nothing sticks out, with text at twice its size neither",
    async () => {
      const page = await e.open("theme=light&q=5&k=2", { viewport: { width: 360, height: 740 }, hasTouch: true });
      await each(page, async (what) => {
        expect(await violations(page, "color-contrast"), what).toEqual([]);
        expect(await tooFaint(page), what).toEqual([]);
        await staysWithin(page, 360, what);
      });
      await enlarge(page);
      await each(page, (what) => staysWithin(page, 360, `${what}, large text`));
      await page.context().close();
    },
    long,
  );
});
