/** @file Files written whole or not at all. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/**
 * Writes beside the target and renames, so that a full disk or an interrupted run never leaves half a file under the
 * name that was asked for.
 * @param write puts the contents at the path it is given
 */
export function writeSafely(path: string, write: (temporary: string) => void): void {
  const target = resolve(path);
  makeFolder(dirname(target));
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  try {
    write(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Makes a folder and what is missing above it, one at a time: Node's own recursive form never ends where a file system
 * takes no folders (/proc on Linux).
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
}
