/** @file Arguments that are numbers or ranges, refused in one line when they are not. */
import { OptionError } from "../../tensor/index.js";

/** A parser for commander: a whole number of at least `least`. */
export function whole(name: string, least = 0): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isInteger(n) || n < least || text.trim() === "") {
      throw new OptionError({
        where: "qkv",
        argument: name,
        got: `is "${text}"`,
        expected: `a whole number of at least ${least}`,
      });
    }
    return n;
  };
}

/** A parser for commander: "3:10" is [3, 10), ":10" starts at 0; the end may be left out ("3:"), which is ∞. */
export function range(name: string): (text: string) => [number, number] {
  return (text) => {
    const match = /^(\d*):(\d*)$/.exec(text.trim());
    const from = Number(match?.[1] || 0);
    const to = match?.[2] ? Number(match[2]) : Number.POSITIVE_INFINITY;
    if (!match || to <= from) {
      throw new OptionError({ where: "qkv", argument: name, got: `is "${text}"`, expected: "FROM:TO, such as 3:10" });
    }
    return [from, to];
  };
}

/** A parser for commander: a number ≥ 0. */
export function decimal(name: string): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!(n >= 0 && Number.isFinite(n)) || text.trim() === "") {
      throw new OptionError({ where: "qkv", argument: name, got: `is "${text}"`, expected: "a number ≥ 0" });
    }
    return n;
  };
}
