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
  // A file that was opened is also the one that is shown.
  await page.waitForFunction(() => {
    const { store } = (globalThis as unknown as { qkv: { store: { choice: { peek(): { model: string } }; shown: { peek(): { model: { id: string } } | undefined }; notice: { peek(): { tone: string } | null } } } }).qkv;
    return store.notice.peek()?.tone === "error" || store.shown.peek()?.model.id === store.choice.peek().model || store.choice.peek().model === "";
  }); // biome-ignore format: one question
}
