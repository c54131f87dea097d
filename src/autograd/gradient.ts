/**
 * @file `gradient`: the slopes of a layer or a function.
 */
import { kernelInForce, withOperations } from "../kernels/current.js";
import type { Kernel } from "../kernels/kernel.js";
import { float64Tensor } from "../kernels/reference/allocate.js";
import { asTensor, OptionError, Tensor, type TensorLike } from "../tensor/index.js";
import { filled } from "./broadcast.js";
import { keyOf } from "./gradients.js";
import { Recorder } from "./recorder.js";

/** Whatever computes: a function of tensors, or a layer. */
export type Differentiable = ((...inputs: never[]) => unknown) | Layer;
interface Layer {
  forward(...inputs: any[]): unknown;
  parameters?(): Record<string, Tensor>;
}

export interface GradientResult<Output = Tensor> {
  /** What the forward gave. */
  output: Output;
  /** One slope for each position of the inputs; undefined where the input is not a tensor (ids, nothing). */
  inputs: Tensor[];
  /** Slopes of the layer's weights, by the names of `load()`; zeros where the output does not depend on one. */
  parameters: Record<string, Tensor>;
}

/**
 * Slopes of ⟨output, dOut⟩ with respect to inputs and weights, by reverse accumulation.
 * @param layerOrFunction a layer (`forward`, and `parameters` if it has weights) or a function of tensors
 * @param inputs its arguments. A tensor given at two positions counts as two inputs, each with its own slope
 * @param dOut upstream slope, in the shape of the output; for a result with several tensors a record with the same keys,
 *   of which any may be left out (= 0). Left out altogether = 1 everywhere: the slope of the sum
 * @param options the last argument of `forward`
 * @throws {ShapeError} when dOut is not in the shape of the output
 * Cost: about three forwards, and the memory of every intermediate result of one.
 * @example
 * const x = tensor([1, 2, 3]);
 * gradient((t) => ops().unary("square", t), [x]).inputs[0].data  // 2, 4, 6
 */
export function gradient<Output = any>(
  layerOrFunction: Differentiable,
  inputs: readonly unknown[],
  dOut?: unknown,
  options?: unknown,
): GradientResult<Output> {
  const kernel = kernelInForce();
  const layer = typeof layerOrFunction === "function" ? undefined : layerOrFunction;
  const forward = layer
    ? (...args: unknown[]) => layer.forward(...args)
    : (layerOrFunction as (...args: unknown[]) => unknown);
  const weights = layer?.parameters?.() ?? {};
  const given = distinct(inputs.map((input) => (isTensorLike(input) ? take(kernel, input, "inputs") : input)));
  const tensors = given.filter((x): x is Tensor => x instanceof Tensor);
  const recorder = new Recorder(kernel, [...tensors, ...Object.values(weights)]);
  return kernel.scope(() => {
    const args = options === undefined ? given : [...given, options];
    const output = withOperations(recorder, () => forward(...args));
    const gradients = recorder.backward(seeds(kernel, output, dOut));
    const slope = (t: Tensor): Tensor => kept(gradients.take(t) ?? filled(kernel, t.shape, 0));
    return {
      output: keptOutput(output) as Output,
      inputs: given.map((x) => (x instanceof Tensor ? slope(x) : undefined)) as Tensor[],
      parameters: Object.fromEntries(Object.entries(weights).map(([name, t]) => [name, slope(t)])),
    };
  });
}

/** A copy that outlives the scope it was computed in. */
function kept(t: Tensor): Tensor {
  return new Tensor({ array: t.data.slice() }, t.shape);
}

function keptOutput(output: unknown): unknown {
  if (output instanceof Tensor) return kept(output);
  if (typeof output !== "object" || output === null) return output;
  return Object.fromEntries(Object.entries(output).map(([k, v]) => [k, v instanceof Tensor ? kept(v) : v]));
}

/** Numbers given at several positions become several inputs: each position then has a slope of its own. */
function distinct(inputs: readonly unknown[]): unknown[] {
  const seen = new Set<object>();
  return inputs.map((x) => {
    if (!(x instanceof Tensor)) return x;
    const first = !seen.has(keyOf(x));
    seen.add(keyOf(x));
    return first ? x : new Tensor({ array: x.data }, x.shape);
  });
}

/** Pairs every tensor of the output with its upstream slope. */
function seeds(kernel: Kernel, output: unknown, dOut: unknown): [Tensor, Tensor][] {
  const ones = (t: Tensor): Tensor => filled(kernel, t.shape, 1);
  if (output instanceof Tensor) {
    return [[output, dOut === undefined ? ones(output) : take(kernel, dOut as TensorLike, "dOut")]];
  }
  const parts = Object.entries((output ?? {}) as object).filter((e): e is [string, Tensor] => e[1] instanceof Tensor);
  if (parts.length === 0) {
    throw new OptionError({
      where: "gradient",
      argument: "layerOrFunction",
      got: "gives no tensor",
      expected: "a tensor, or an object whose values are tensors",
    });
  }
  if (dOut === undefined) return parts.map(([, t]) => [t, ones(t)]);
  const upstream = dOut as Record<string, TensorLike | undefined>;
  const names = parts.map(([name]) => name);
  for (const name of Object.keys(upstream)) {
    if (!names.includes(name)) {
      throw new OptionError({
        where: "gradient",
        argument: "dOut",
        got: `has "${name}", which the output has not`,
        expected: names.map((n) => `"${n}"`).join(", "),
      });
    }
  }
  return parts.flatMap(([name, t]) => (upstream[name] ? [[t, take(kernel, upstream[name], `dOut.${name}`)]] : []));
}

function isTensorLike(x: unknown): x is TensorLike {
  const { data, shape, dims } = (x ?? {}) as Partial<TensorLike>;
  return x instanceof Tensor || (data !== undefined && (shape ?? dims) !== undefined && !isWhole(data));
}

/** Ids and masks are no input that has a slope. */
function isWhole(data: ArrayLike<number>): boolean {
  return ArrayBuffer.isView(data) && !(data instanceof Float32Array || data instanceof Float64Array);
}

/** As a tensor; float64 numbers stay float64 for a kernel that computes in it. */
function take(kernel: Kernel, value: Tensor | TensorLike, argument: string): Tensor {
  if (kernel.precision === "float64" && !(value instanceof Tensor) && value.data instanceof Float64Array) {
    return float64Tensor(value.data, value.shape ?? value.dims ?? [value.data.length]);
  }
  return asTensor(value, "gradient", argument);
}
