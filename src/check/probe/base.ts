/**
 * @file What a candidate computes when nothing is masked: its scale, its softmax, its axes.
 *
 * Every rule that can show here brings its mistake as a departure from the recipe. All combinations of departures, the
 * fewest first, are simulated, and those that reproduce the candidate's output on two problems of different prime
 * shapes are what it does. Where none does, the scale is fitted freely; then the candidate is "not attention".
 */
import { distance, finite, holdsInBrain, holdsInHalf, precisions } from "./compare.js";
import type { Answer, Lab } from "./lab.js";
import type { Layout } from "./layout.js";
import { type Problem, problem, type Shape, shapeOf } from "./problem.js";
import { fittedScale } from "./fitted-scale.js";
import { rawScores, type Recipe, type SoftmaxAxis, simulate } from "./simulate.js";

/** One way to be wrong without any mask. Each sets exactly one part of the recipe (`weightFactor` may come with `scale`). */
export interface BaseMistake {
  rule: string;
  /** "divides by √(H·D), the width of the model" */
  says: string;
  scale?: (s: Shape) => number;
  weightFactor?: (s: Shape) => number;
  softmax?: SoftmaxAxis;
  operands?: NonNullable<Recipe["operands"]>;
  layout?: Layout;
}

export interface Base {
  /** "right", "explained" by `mistakes`, "unexplained", or "fails": no output to compare. */
  status: "right" | "explained" | "unexplained" | "fails";
  mistakes: BaseMistake[];
  precision: "float64" | "float32" | "float16" | "bfloat16";
  tolerance: number;
  /** The distance that was found, under the mistakes named. */
  error: number;
  /** The scale was fitted to the heads of `problem`; of other sizes nothing is known. */
  fittedFor?: number;
  /** The recipe that reproduces the candidate, for problems without a mask. */
  recipe(p: Problem): Recipe;
  /** What was asked and what came, for the report. */
  problem: Problem;
  answer: Answer;
}

/** Two shapes, every axis a different prime within each; then powers of two for candidates that take nothing else. */
const shapes = [
  [shapeOf({ B: 2, H: 3, Lk: 5, D: 7 }), shapeOf({ B: 3, H: 2, Lk: 7, D: 11 })],
  [shapeOf({ B: 2, H: 2, Lk: 4, D: 8 }), shapeOf({ B: 1, H: 4, Lk: 8, D: 16 })],
] as const;

export function base(lab: Lab): Promise<Base> {
  return lab.once("base", async () => {
    const failed: Base[] = [];
    for (const rank of [4, 3, 2] as const) {
      lab.rank = rank;
      for (const pair of shapes) {
        const problems = pair.map((s) => problem(lab.fit({ ...s }), lab.seed)) as [Problem, Problem];
        const answers = [await lab.ask(problems[0]), await lab.ask(problems[1])] as const;
        if (answers[0].ok && answers[1].ok)
          return identify(lab, problems, [answers[0].output, answers[1].output], answers[0]);
        const bad = answers[0].ok ? 1 : 0;
        failed.push({ ...nothing, status: "fails", problem: problems[bad], answer: answers[bad]! });
        if (lab.stuck.length > 0) break;
      }
      if (lab.stuck.length > 0) break;
    }
    lab.rank = 4;
    return failed[0]!;
  });
}

const nothing = {
  mistakes: [],
  precision: "float32" as const,
  tolerance: precisions[0].tolerance,
  error: Number.POSITIVE_INFINITY,
  recipe: () => ({}),
};

interface Hypothesis {
  mistakes: BaseMistake[];
  error: number;
}

async function identify(
  lab: Lab,
  problems: [Problem, Problem],
  outputs: [Float64Array, Float64Array],
  answer: Answer,
): Promise<Base> {
  const common = { problem: problems[0], answer };
  const right = (p: Problem): Recipe => ({ scale: p.scale ?? lab.meantScale(p.D) });
  const own = Math.max(...problems.map((p, n) => distance(outputs[n]!, simulate(p, right(p)).output)));
  const precision = precisions.find((x) => own <= x.tolerance);
  if (precision && (precision.name === "float32" || plausiblyHalf(lab, problems, outputs, own))) {
    return {
      ...common,
      ...nothing,
      ...rounding(precision.name, own, outputs),
      status: "right",
      error: own,
      recipe: right,
    };
  }
  const found = outputs.every(finite) ? hypotheses(lab, problems, outputs) : undefined;
  const fitted = !found && outputs.every(finite) ? await fittedBase(lab, problems) : undefined;
  if (fitted) {
    const recipe = (p: Problem): Recipe => ({ scale: p.scale ?? fitted.scale!(p) });
    const error = Math.max(...problems.map((p, n) => distance(outputs[n]!, simulate(p, recipe(p)).output)));
    const level = precisions.find((x) => error <= x.tolerance);
    if (level)
      return {
        ...common,
        ...nothing,
        ...rounding(level.name, error, outputs),
        status: "explained",
        mistakes: [fitted],
        fittedFor: problems[0].D,
        error,
        recipe,
      };
  }
  if (!found) return { ...common, ...nothing, status: "unexplained", recipe: right, error: own };
  const level = precisions.find((x) => found.error <= x.tolerance)!;
  return {
    ...common,
    ...nothing,
    ...rounding(level.name, found.error, outputs),
    status: "explained",
    mistakes: found.mistakes,
    error: found.error,
    recipe: (p) => recipeOf(lab, found.mistakes, p),
  };
}

/** A scale that follows no law known here, read off the weights of both problems: one number, or a power of D. */
async function fittedBase(lab: Lab, problems: [Problem, Problem]): Promise<BaseMistake | undefined> {
  const used: number[] = [];
  for (const p of problems) {
    const got = await lab.weights(p);
    const scale = got.ok && finite(got.weights) ? fittedScale(p, got.weights) : undefined;
    if (scale === undefined) return undefined;
    used.push(scale);
  }
  const [a, b] = used as [number, number];
  const [D, E] = problems.map((p) => p.D) as [number, number];
  const one = Math.abs(a / b - 1) < 0.02;
  const power = one ? 0 : Math.log(b / a) / Math.log(E / D);
  const says = one
    ? `multiplies q·k by ${Number(a.toPrecision(4))} whatever the size of a head is`
    : `multiplies q·k by ${Number(a.toPrecision(4))} for heads of ${D} and by ${Number(b.toPrecision(4))} for heads of ${E}`;
  return { rule: "scale-by-heads", says, scale: (s) => (one ? (a + b) / 2 : a * (s.D / D) ** power) };
}

/** No more than the scale departs from attention: finer questions make sense. */
export const isPlain = (known: Base): boolean =>
  known.status === "right" || (known.status === "explained" && known.mistakes.every((m) => m.scale !== undefined));

/** An output that is off by 1 % is half precision only if no exact mistake explains it better. */
function plausiblyHalf(
  lab: Lab,
  problems: [Problem, Problem],
  outputs: [Float64Array, Float64Array],
  own: number,
): boolean {
  const other = hypotheses(lab, problems, outputs);
  return !other || other.error > own / 4;
}

function rounding(name: string, error: number, outputs: readonly Float64Array[]) {
  const precise = name === "float32" && error < 1e-12;
  const rough = error > 2e-6;
  const brain = rough && outputs.every(holdsInBrain);
  const half = rough && outputs.every(holdsInHalf);
  const precision = brain ? "bfloat16" : half ? "float16" : precise ? "float64" : (name as Base["precision"]);
  const tolerance = precisions.find((x) => x.name === (precise ? "float32" : precision))!.tolerance;
  return { precision, tolerance };
}

function recipeOf(lab: Lab, mistakes: BaseMistake[], p: Problem): Recipe {
  const recipe: Recipe = { scale: p.scale ?? lab.meantScale(p.D) };
  for (const m of mistakes) {
    if (m.scale && p.scale === undefined) recipe.scale = m.scale(p);
    if (m.weightFactor && p.scale === undefined) recipe.weightFactor = m.weightFactor(p);
    if (m.softmax) recipe.softmax = m.softmax;
    if (m.operands) recipe.operands = m.operands;
  }
  return recipe;
}

/** The fewest departures that reproduce both outputs; among equals the closest. */
function hypotheses(
  lab: Lab,
  problems: [Problem, Problem],
  outputs: [Float64Array, Float64Array],
): Hypothesis | undefined {
  const part = (has: (m: BaseMistake) => unknown) => lab.catalogue.base.filter(has);
  const layouts = [undefined, ...part((m) => m.layout)];
  const operands = [undefined, ...part((m) => m.operands)];
  const axes = [undefined, ...part((m) => m.softmax)];
  const scales = [undefined, ...part((m) => m.scale ?? m.weightFactor)];
  const found: Hypothesis[] = [];
  for (const layout of layouts)
    for (const operand of operands) {
      if (layout && operand) continue;
      const raws: (Float64Array | undefined)[] = [];
      for (const axis of axes)
        for (const scale of scales) {
          const mistakes = [layout, operand, axis, scale].filter((m) => m !== undefined);
          if (mistakes.length === 0 || (layout && axis)) continue;
          let error = 0;
          for (let n = 0; n < 2 && error <= 6e-2; n++)
            error = Math.max(error, apart(lab, mistakes, problems[n]!, outputs[n]!, raws, n));
          if (error <= 6e-2) found.push({ mistakes, error });
        }
    }
  for (const { tolerance } of precisions) {
    const fits = found.filter((f) => f.error <= tolerance);
    if (fits.length === 0) continue;
    const best = Math.min(...fits.map((f) => f.error));
    const close = fits.filter((f) => f.error <= Math.max(4 * best, 1e-6));
    return close.sort((a, b) => a.mistakes.length - b.mistakes.length || a.error - b.error)[0];
  }
  return undefined;
}

function apart(
  lab: Lab,
  mistakes: BaseMistake[],
  p: Problem,
  output: Float64Array,
  raws: (Float64Array | undefined)[],
  n: number,
): number {
  const layout = mistakes.find((m) => m.layout)?.layout;
  const asked = layout ? layout.before(p) : p;
  // The scale a candidate takes follows the shapes it believes in, and those are the ones of the problem it solves.
  const recipe = recipeOf(lab, mistakes, asked);
  raws[n] ??= rawScores(asked, recipe);
  const { output: made } = simulate(asked, recipe, raws[n]);
  return distance(output, layout ? layout.after(made, p) : made);
}
