/** @file A file taken from the Share menu, as its bytes. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";

export async function download(page: Page, name: string): Promise<Buffer> {
  await page.locator("summary", { hasText: "Share" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator(`[data-share=${name}]`).click()]);
  return readFileSync(await file.path());
}
