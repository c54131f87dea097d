/**
 * @file One file of the hub into the cache: resumed where it broke off, checked before it is used, whole or not there.
 *
 *     blobs/ETAG.incomplete   grows, survives a broken connection          blobs/ETAG.lock/   whoever has it downloads
 *     blobs/ETAG              renamed into place once size and checksum hold
 */
import { FileError, UnavailableError } from "../../../tensor/index.js";
import { type FileFacts, heard, openFile, refusal } from "./client.js";
import { withLock } from "./lock.js";
import type { Hub, HubId } from "./settings.js";

export type Progress = (done: number, total: number | undefined) => void;

/** Attempts at a file that breaks off; each one begins where the last ended. */
const attempts = 5;

/** Downloads running in this process, so that two callers share one. */
const running = new Map<string, Promise<void>>();

/** Makes sure that `blobs/ETAG` is there and right. */
export async function fetchBlob(
  hub: Hub,
  id: HubId,
  file: string,
  facts: FileFacts,
  blob: string,
  onProgress?: Progress,
): Promise<void> {
  const known = running.get(blob);
  if (known) return known;
  const work = withLock(
    `${blob}.lock`,
    () => isFile(blob),
    () => download(hub, id, file, facts, blob, onProgress),
    hub.signal,
  );
  running.set(blob, work);
  try {
    await work;
  } finally {
    running.delete(blob);
  }
}

async function download(
  hub: Hub,
  id: HubId,
  file: string,
  facts: FileFacts,
  blob: string,
  onProgress?: Progress,
): Promise<void> {
  const { rename, rm } = await import("node:fs/promises");
  const partial = `${blob}.incomplete`;
  for (let attempt = 1; ; attempt++) {
    const before = await sizeOf(partial);
    try {
      await append(hub, id, file, facts, partial, onProgress);
      await verify(partial, facts, `${file} of ${id.id}`);
      await rename(partial, blob);
      return;
    } catch (error) {
      if (isFull(error)) {
        await rm(partial, { force: true }); // half a file would only fill the disk further
        throw new FileError(
          {
            where: "get",
            argument: `${file} of ${id.id}`,
            got: `does not fit on the disk${facts.size === undefined ? "" : `: it has ${facts.size} bytes`}`,
            fix: `make room in ${hub.cacheDir}, or set HF_HUB_CACHE to a folder on another disk`,
          },
          { cause: error },
        );
      }
      if (error instanceof WrongChecksum) {
        await rm(partial, { force: true });
        // Bytes that were there before may be to blame; what was fetched in one go has no such excuse.
        if (before === 0 || attempt >= attempts) throw error;
        continue;
      }
      if (!(error instanceof BrokenOff) || attempt >= attempts) throw error;
      if ((await sizeOf(partial)) === before) await new Promise((r) => setTimeout(r, 200 * attempt));
    }
  }
}

/** The connection ended before the file did. */
class BrokenOff extends UnavailableError {}
class WrongChecksum extends FileError {}

async function append(
  hub: Hub,
  id: HubId,
  file: string,
  facts: FileFacts,
  partial: string,
  onProgress?: Progress,
): Promise<void> {
  const { open } = await import("node:fs/promises");
  let have = await sizeOf(partial);
  if (facts.size !== undefined && have > facts.size) have = 0;
  if (facts.size !== undefined && have === facts.size && have > 0) return;
  let response = await openFile(hub, id, file, have);
  if (response.status === 416) {
    await response.body?.cancel();
    have = 0;
    response = await openFile(hub, id, file, 0);
  }
  const what = `${file} of ${id.id}`;
  if (response.status >= 500) throw new BrokenOff(refusal(response, id, file));
  if (!response.ok || !response.body) throw refusal(response, id, file);
  const from = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  if (response.status !== 206)
    have = 0; // the server does not do ranges: from the beginning
  else if (from && Number(from[1]) !== have) {
    await response.body.cancel();
    const got = `was answered from byte ${from[1]} on`;
    throw new WrongChecksum({
      where: "get",
      argument: what,
      got,
      expected: `from byte ${have} on`,
      fix: "try again later",
    });
  }
  const handle = await open(partial, have > 0 ? "r+" : "w");
  try {
    await handle.truncate(have);
    for await (const chunk of chunks(hub, response, what)) {
      if (facts.size !== undefined && have + chunk.length > facts.size) {
        const expected = `${facts.size}, as the hub says`;
        throw new WrongChecksum({
          where: "get",
          argument: what,
          got: "has more bytes",
          expected,
          fix: "try again later",
        });
      }
      for (let at = 0; at < chunk.length; ) {
        const { bytesWritten } = await handle.write(chunk, at, chunk.length - at, have + at);
        at += bytesWritten;
      }
      have += chunk.length;
      onProgress?.(have, facts.size);
    }
  } finally {
    await handle.close();
  }
  if (facts.size !== undefined && have < facts.size) throw brokenOff(what, have, facts.size);
}

async function* chunks(hub: Hub, response: Response, what: string): AsyncGenerator<Uint8Array> {
  const reader = response.body!.getReader();
  try {
    for (;;) {
      let next: Awaited<ReturnType<typeof reader.read>>;
      try {
        next = await heard(hub, reader.read());
      } catch (cause) {
        throw hub.signal?.aborted ? cause : brokenOff(what, undefined, undefined, cause);
      }
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function brokenOff(what: string, have?: number, size?: number, cause?: unknown): BrokenOff {
  const got = have === undefined ? "broke off" : `broke off after ${have} of ${size} bytes`;
  const fix = "run the same again: it goes on where it broke off";
  return new BrokenOff({ where: "get", argument: what, got, fix }, { cause });
}

/** A 64-digit etag is the file's sha256; a 40-digit one is git's hash of it. Another says nothing of the contents. */
async function verify(path: string, { etag, size }: FileFacts, what: string): Promise<void> {
  const { createHash } = await import("node:crypto");
  const { createReadStream } = await import("node:fs");
  const length = await sizeOf(path);
  if (size !== undefined && length !== size) {
    throw new WrongChecksum({ where: "get", argument: what, got: `has ${length} bytes`, expected: `${size}` });
  }
  const kind = /^[0-9a-f]{64}$/.test(etag) ? "sha256" : /^[0-9a-f]{40}$/.test(etag) ? "sha1" : undefined;
  if (!kind) return;
  const hash = createHash(kind);
  if (kind === "sha1") hash.update(`blob ${length}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  const got = hash.digest("hex");
  if (got === etag) return;
  throw new WrongChecksum({
    where: "get",
    argument: what,
    got: `has the checksum ${got}`,
    expected: etag,
    fix: "it was damaged on the way and is thrown away; run the same again",
  });
}

function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes((error as { code?: string }).code ?? "");
}

async function sizeOf(path: string): Promise<number> {
  const { stat } = await import("node:fs/promises");
  return stat(path).then(
    (s) => s.size,
    () => 0,
  );
}

export async function isFile(path: string): Promise<boolean> {
  const { stat } = await import("node:fs/promises");
  return stat(path).then(
    (s) => s.isFile(),
    () => false,
  );
}
