/**
 * @file A mechanism with its options, as the `attention` of a layer: `longformer({ window: 128 })` is a function
 * (q, k, v, options) → output, and what the layer is told at each call (padding, causal) stands beside its own options.
 */
import { kernelInForce, ops } from "../../kernels/current.js";
import { OptionError, type Tensor, type TensorLike } from "../../tensor/index.js";

type Operand = Tensor | TensorLike;

/** What a layer calls. */
export interface BoundAttention {
  (q: Operand, k: Operand, v: Operand, options?: object): Tensor;
  readonly mechanism: string;
  /** Calls so far whose slopes were wanted. May be set, so that a resumed run goes on with the features it left. */
  recorded: number;
}

/** Rules of `attention()` that hold for every mechanism; the others would be dropped without a word, so they are refused. */
const understood = new Set(["scale", "causal", "keyPadding", "keyLengths", "seed"]);

/**
 * @param redraw see `PerformerOptions.redraw`: the seed moves on by one after so many recorded calls
 * @throws {OptionError} at the call, for a rule that the mechanism does not know
 */
export function bound<O extends { seed?: number; redraw?: number | undefined }>(
  name: string,
  call: (q: Operand, k: Operand, v: Operand, options: O) => Tensor,
  { redraw, ...own }: O,
): BoundAttention {
  if (redraw !== undefined) checkRedraw(name, redraw, "projection" in own);
  const attend = (q: Operand, k: Operand, v: Operand, given: object = {}): Tensor => {
    const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    refuseUnknown(name, told, own);
    // Drawn in the first pass, and anew before the (redraw + 1)th; what is only read uses what the last pass learned with.
    const recorded = isRecorded();
    const pass = recorded ? self.recorded : Math.max(0, self.recorded - 1);
    const drawn = redraw === undefined ? {} : { seed: (own.seed ?? 0) + Math.floor(pass / redraw) };
    const output = call(q, k, v, { ...own, ...told, ...drawn } as O);
    if (recorded) self.recorded++;
    return output;
  };
  const self: BoundAttention = Object.assign(attend, { mechanism: name, recorded: 0 });
  return self;
}

/** Whether slopes will be asked for: a recorder works over the kernel that does the arithmetic. */
function isRecorded(): boolean {
  return (ops() as unknown) !== kernelInForce();
}

function checkRedraw(where: string, redraw: number, projected: boolean): void {
  if (!(Number.isInteger(redraw) && redraw > 0)) {
    throw new OptionError({
      where,
      argument: "options.redraw",
      got: `is ${redraw}`,
      expected: "a whole number of at least 1: training passes between two draws of features",
    });
  }
  if (!projected) return;
  throw new OptionError({
    where,
    argument: "options.redraw",
    got: `is ${redraw} beside a projection`,
    expected: "one of them: what is given cannot be drawn anew",
  });
}

function refuseUnknown(where: string, told: object, own: object): void {
  for (const [name, value] of Object.entries(told)) {
    const idle = value === false || value === 0 || value === "zeros"; // causal: false, dropout: 0, onEmptyRow: "zeros"
    if (idle || understood.has(name) || name in own || name === "window") continue;
    throw new OptionError({
      where,
      argument: `options.${name}`,
      got: "is given",
      expected: `only ${[...understood].filter((n) => n !== "seed").join(", ")} of the rules of attention()`,
      fix: "leave it out, or use exact attention in this layer",
    });
  }
}
