/** @file Queries that see nothing: found by their lse of −∞, told as an error or a warning. */
import { OptionError, type Tensor } from "../tensor/index.js";
import type { AttentionOptions } from "./options.js";
import { warn } from "./warnings.js";

/** @param lse [B, H, Lq] */
export function checkEmptyRows(where: string, lse: Tensor, options: AttentionOptions): void {
  const fails = options.onEmptyRow === "error";
  if (!fails && options.mask === undefined && options.keyPadding === undefined) return; // no list that could be upside down
  const data = lse.data;
  let [count, first] = [0, -1];
  for (let r = 0; r < data.length; r++) {
    if (data[r] !== Number.NEGATIVE_INFINITY) continue;
    if (first < 0) first = r;
    count++;
  }
  if (count === 0) return;
  const [, heads, queries] = lse.shape;
  const place = `batch ${Math.floor(first / (heads * queries))}, head ${Math.floor(first / queries) % heads}, query ${first % queries}`;
  const seen = `${count} of ${data.length} rows, first at ${place}`;
  if (fails) {
    throw new OptionError({
      where,
      argument: 'options.onEmptyRow "error"',
      got: `met ${seen}, that may attend to nothing`,
      expected: "a key for every query",
      fix: 'let each query see itself, or take zeros for such rows with onEmptyRow: "zeros"',
    });
  }
  warn({
    where,
    argument: options.mask !== undefined ? "mask" : "options.keyPadding",
    got: `leaves no key in ${seen}; they give zeros`,
    fix: "if true meant padding, pass the negation: here true = may attend",
  });
}
