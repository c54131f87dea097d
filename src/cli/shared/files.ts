/** @file Files written whole or not at all. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Writes beside the target and renames, so that a full disk or an interrupted run never leaves half a file under the
 * name that was asked for.
 * @param write puts the contents at the path it is given
 */
export function writeSafely(path: string, write: (temporary: string) => void): void {
  const target = resolve(path);
  mkdirSync(dirname(target), { recursive: true });
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  try {
    write(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
