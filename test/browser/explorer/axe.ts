// biome-ignore-all lint/suspicious/noExplicitAny: axe has no types on the page's side
/** @file What axe-core finds on a page. Its CSP forbids injected scripts, so the checker is evaluated. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Rules of WCAG 2.2 A and AA and good practice, but for those left out. */
export async function violations(page: Page, ...without: string[]): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(source);
  return page.evaluate(async (left) => {
    const rules = Object.fromEntries(left.map((id) => [id, { enabled: false }]));
    const options = { resultTypes: ["violations"], selectors: false, preload: false, rules };
    const result = await (globalThis as any).axe.run(document, options);
    return result.violations.flatMap((v: { id: string; nodes: { html: string; failureSummary: string }[] }) =>
      v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} — ${n.failureSummary}`),
    );
  }, without);
}
