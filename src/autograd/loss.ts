/**
 * @file A number to be made smaller, and the slopes of weights that say how: what an optimiser asks of a model.
 */
import { kernelInForce, ops, withOperations } from "../kernels/current.js";
import { Tensor } from "../tensor/index.js";
import { Recorder } from "./recorder.js";

export type Weights = Readonly<Record<string, Tensor>>;

/**
 * Value and slopes in one pass, all intermediate memory given back before it returns.
 * @param body computes a tensor of one number through `ops()`
 * @param weights whose slopes are wanted
 * @param into sums to add the slopes to (micro-batches); default: fresh tensors
 * @param factor on the slopes: 1/n for the mean over n micro-batches
 */
export function valueAndGradients(
  body: () => Tensor,
  weights: Weights,
  { into, factor = 1 }: { into?: Record<string, Tensor>; factor?: number } = {},
): { value: number; gradients: Record<string, Tensor> } {
  const kernel = kernelInForce();
  const gradients: Record<string, Tensor> = into ?? {};
  const value = kernel.scope(() => {
    const recorder = new Recorder(kernel, Object.values(weights));
    const loss = withOperations(recorder, body);
    const upstream = kernel.empty(loss.shape);
    upstream.data.fill(factor);
    const slopes = recorder.backward([[loss, upstream]]);
    for (const [name, weight] of Object.entries(weights)) {
      const slope = slopes.take(weight);
      if (into) {
        if (slope) kernel.addInPlace(into[name]!, slope);
      } else
        gradients[name] = new Tensor({ array: slope ? slope.data.slice() : weight.data.slice().fill(0) }, weight.shape);
    }
    return loss.data[0]!;
  });
  return { value, gradients };
}

/**
 * The loss of a model. Nothing is computed until it is asked for, and a training step that asks for `backward()` first
 * pays one forward only. Both belong to the weights as they are when asked.
 */
export class Loss {
  readonly #body: () => Tensor;
  readonly #weights: () => Weights;
  #value: number | undefined;

  constructor(body: () => Tensor, weights: () => Weights) {
    this.#body = body;
    this.#weights = weights;
  }

  /** The loss as a number. */
  get value(): number {
    this.#value ??= ops().scope(() => this.#body().data[0]!);
    return this.#value;
  }

  /** Slopes by the names of the weights. */
  backward(): Record<string, Tensor> {
    const { value, gradients } = valueAndGradients(this.#body, this.#weights());
    this.#value = value;
    return gradients;
  }
}
