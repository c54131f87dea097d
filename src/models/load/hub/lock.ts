/**
 * @file One process at a time: a lock that other processes see. It is a folder, since making one either succeeds or
 * fails, and holds a file that says whose it is.
 */

/** A lock nobody has touched for so long belongs to a process that is gone, or to another machine that is. */
const staleAfter = 15000;

/**
 * Runs `body` while holding a lock. Whoever waits looks again whether the work is done.
 * @throws the signal's reason, while waiting
 */
export async function withLock(
  lock: string,
  isDone: () => Promise<boolean>,
  body: () => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const { mkdir, rm, utimes, writeFile } = await import("node:fs/promises");
  const { hostname } = await import("node:os");
  const { join } = await import("node:path");
  for (;;) {
    if (await isDone()) return;
    signal?.throwIfAborted();
    const mine = await mkdir(lock).then(
      () => true,
      (error: { code?: string }) => {
        if (error.code === "EEXIST") return false;
        throw error;
      },
    );
    if (mine) break;
    if (!(await breakStale(lock))) await new Promise((r) => setTimeout(r, 100));
  }
  const beat = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => undefined), staleAfter / 5);
  try {
    await writeFile(join(lock, "owner"), `${process.pid} ${hostname()}`);
    if (!(await isDone())) await body();
  } finally {
    clearInterval(beat);
    await rm(lock, { recursive: true, force: true });
  }
}

/** Takes away a lock whose owner is gone. @returns whether it did */
async function breakStale(lock: string): Promise<boolean> {
  const { readFile, rename, rm, stat } = await import("node:fs/promises");
  const { hostname } = await import("node:os");
  const { join } = await import("node:path");
  const ownerOf = (folder: string): Promise<string> => readFile(join(folder, "owner"), "utf8").catch(() => "");
  const owner = await ownerOf(lock);
  const [pid, host] = owner.split(" ");
  const age = await stat(lock).then(
    (s) => Date.now() - s.mtimeMs,
    () => 0,
  );
  if (age <= staleAfter && !(host === hostname() && isGone(Number(pid)))) return false;
  // Of several that see a stale lock one moves it; the others may have moved the new one, and put it back.
  const aside = `${lock}.${crypto.randomUUID()}`;
  const moved = await rename(lock, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return false;
  if (
    (await ownerOf(aside)) !== owner &&
    (await rename(aside, lock).then(
      () => true,
      () => false,
    ))
  )
    return false;
  await rm(aside, { recursive: true, force: true });
  return true;
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0); // asks only
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}
