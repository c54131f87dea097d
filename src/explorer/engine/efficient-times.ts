/** @file What a mechanism and exact attention take on this machine, length by length to 10,000 tokens, on normal numbers. */
import { attention, onWarning } from "../../attention/index.js";
import { normals } from "../../tensor/random.js";
import { OptionError, tensor, type Tensor } from "../../tensor/index.js";
import { measuredLengths, mechanisms } from "./efficient.js";
import type { LabCall } from "./labs.js";

export interface TimesAsked {
  mechanism: string;
  size: number;
  headDim: number;
  causal: boolean;
}

/** Of one head at one length; undefined = not run, since it took too long at the length before. */
export interface TimesStep {
  length: number;
  exact: number | undefined;
  own: number | undefined;
}

/** What took longer than this is not run at the next length. */
const tooLong = 1500;
/** Runs of one go on for so long, and are at least one; what is quick is warmed first. */
const patience = 120;

/** The lab call "efficientTimes": a step for each length, the median of what was measured. */
export const efficientTimes: LabCall = async (asked, { signal, onStep }, { breathe }) => {
  const { mechanism, size, headDim, causal } = asked as TimesAsked;
  const m = mechanisms[mechanism];
  if (!m)
    throw new OptionError({
      where: "efficient lab",
      argument: "mechanism",
      got: `is "${mechanism}"`,
      expected: Object.keys(mechanisms).join(", "),
    });
  const hides = causal && !m.sideways;
  const before = onWarning(() => {}); // a padded length was told with the picture
  try {
    let [exact, own]: (number | undefined)[] = [0, 0];
    for (const length of measuredLengths) {
      const [q, k, v] = [1, 2, 3].map((seed) => operand(length, headDim, seed)) as [Tensor, Tensor, Tensor];
      const options = { causal: hides, ...m.options(size, length) };
      const keys = m.shared ? q : k;
      if (exact !== undefined && exact < tooLong)
        exact = await median(() => attention(q, keys, v, { causal: hides }), breathe);
      else exact = undefined;
      signal?.throwIfAborted();
      if (own !== undefined && own < tooLong) own = await median(() => m.run(q, keys, v, options), breathe);
      else own = undefined;
      signal?.throwIfAborted();
      onStep?.({ length, exact, own } satisfies TimesStep);
    }
  } finally {
    onWarning(before);
  }
  return undefined;
};

function operand(length: number, width: number, seed: number): Tensor {
  return tensor(normals(seed, length * width), [1, 1, length, width]);
}

async function median(run: () => unknown, breathe: () => Promise<void>): Promise<number> {
  const timed = (): number => {
    const begin = performance.now();
    run();
    return performance.now() - begin;
  };
  const first = timed();
  await breathe();
  if (first > patience) return first;
  const times: number[] = [];
  for (let total = 0; total < patience && times.length < 9; ) {
    times.push(timed());
    total += times.at(-1)!;
    await breathe();
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}
