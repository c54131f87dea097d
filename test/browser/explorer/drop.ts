// biome-ignore-all lint/suspicious/noExplicitAny: the page hands its own state over, which has no types on this side
/** @file Files dropped on the page, as a hand would drop them. */
import type { Page } from "playwright-core";
import { ready } from "./open.js";

export async function drop(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page.evaluate(
    ([file, text]) =>
      new Promise<void>((over) => {
        const raw = Uint8Array.from(atob(text!), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([raw], file!));
        // "Reading …" is said first; it goes when the file is open, or an error stands in its place.
        let dropped = false;
        const stop = (globalThis as any).qkv.store.notice.subscribe((notice: { tone: string } | null) => {
          if (!dropped || notice?.tone === "info") return;
          queueMicrotask(() => stop());
          over();
        });
        dropped = true;
        document
          .querySelector("qkv-app")!
          .dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
      }),
    [name, Buffer.from(bytes).toString("base64")],
  );
  await ready(page);
  // A file that was opened is also the one that is shown.
  await page.waitForFunction(() => {
    const { store } = (globalThis as unknown as { qkv: { store: { choice: { peek(): { model: string } }; shown: { peek(): { model: { id: string } } | undefined }; notice: { peek(): { tone: string } | null } } } }).qkv;
    return store.notice.peek()?.tone === "error" || store.shown.peek()?.model.id === store.choice.peek().model || store.choice.peek().model === "";
  }); // biome-ignore format: one question
}
