/**
 * @file Where golden numbers are: a fitting subset in this repository, and the complete sets in a folder beside it when
 * that is present (`../shared/goldens`, or the folder named by QKV_GOLDENS).
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root: string = resolve(here, "../..");
const own = join(here, "data");
const large = process.env["QKV_GOLDENS"] ?? resolve(root, "../shared/goldens");

export interface GoldenCase {
  /** "sdpa/gqa-causal" */
  id: string;
  folder: string;
  /** case.json: tensors with role and tolerance, notes, the oracle and its version. */
  about: any; // biome-ignore lint/suspicious/noExplicitAny: birth certificates differ by set
}

/** The folder of the complete data, or undefined where only the repository's own subset is here. */
export const completeGoldens: string | undefined = existsSync(large) ? large : undefined;

/** A file or folder of the complete data if present, else of the subset, else undefined. */
export function golden(path: string): string | undefined {
  return [large, own].map((d) => join(d, path)).find((p) => existsSync(p));
}

/** Every case of a set ("sdpa"), from the complete data where present, else from the subset. */
export function goldenSets(set: string): GoldenCase[] {
  const folder = golden(set);
  if (!folder) return [];
  return readdirSync(folder)
    .filter((n) => statSync(join(folder, n)).isDirectory() && existsSync(join(folder, n, "case.json")))
    .map((n) => ({
      id: `${set}/${n}`,
      folder: join(folder, n),
      about: JSON.parse(readFileSync(join(folder, n, "case.json"), "utf8")),
    }));
}
