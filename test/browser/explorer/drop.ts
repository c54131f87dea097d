/** @file Files dropped on the page, as a hand would drop them. */
import type { Page } from "playwright-core";
import { ready } from "./open.js";

export async function drop(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  const was = page.url();
  const data = await page.evaluateHandle(
    ([file, text]) => {
      const raw = Uint8Array.from(atob(text as string), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([raw], file as string));
      return transfer;
    },
    [name, Buffer.from(bytes).toString("base64")] as const,
  );
  await page.dispatchEvent("qkv-app", "drop", { dataTransfer: data });
  await page.waitForFunction(
    (before) =>
      location.href !== before ||
      (document.querySelector(".notice.error") !== null &&
        !document.querySelector(".notice")?.textContent?.startsWith("Reading")),
    was,
  );
  await ready(page);
}
