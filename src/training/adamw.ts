/** @file AdamW, as torch has it. */
import { kernelInForce } from "../kernels/current.js";
import type { Tensor } from "../tensor/index.js";
import { OptionError, ShapeError, show } from "../tensor/index.js";

/** Whatever has weights to change in place. */
export interface Trainable {
  parameters(): Record<string, Tensor>;
}

export interface AdamWOptions {
  /** Size of a step; a schedule may set `optimiser.learningRate` before each. Default 1e-3. */
  learningRate?: number;
  /** How slowly the means of slope and squared slope forget; default (0.9, 0.999). */
  betas?: readonly [number, number];
  /** Keeps the division finite; default 1e-8. */
  epsilon?: number;
  /** Share of a weight lost a step, times the learning rate; default 0.01. */
  weightDecay?: number;
  /** Which weights lose it; default all, as torch. `matricesOnly` leaves norms and biases alone. */
  decays?: (name: string, weight: Tensor) => boolean;
}

export const matricesOnly = (_name: string, weight: Tensor): boolean => weight.shape.length >= 2;

/** The running means of one weight. */
interface Moments {
  m: Tensor;
  v: Tensor;
}

/**
 * Adam with decay apart from the slope: p −= lr·decay·p, then p −= lr·m̂/(√v̂ + ε).
 * Loshchilov & Hutter 2019 (arXiv:1711.05101) alg. 2. Cost: three numbers of memory for each weight, one pass a step.
 */
export class AdamW {
  learningRate: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly #decays: (name: string, weight: Tensor) => boolean;
  readonly #moments = new Map<string, Moments>();
  #steps = 0;

  constructor(options: AdamWOptions = {}) {
    const { learningRate = 1e-3, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0.01 } = options;
    const whole = [learningRate, epsilon, weightDecay, ...betas];
    if (whole.some((x) => !(x >= 0)) || betas.some((b) => b >= 1)) {
      throw new OptionError({
        where: "AdamW",
        argument: "options",
        got: `are ${JSON.stringify({ learningRate, betas, epsilon, weightDecay })}`,
        expected: "numbers ≥ 0, and betas below 1",
      });
    }
    this.learningRate = learningRate;
    this.betas = betas;
    this.epsilon = epsilon;
    this.weightDecay = weightDecay;
    this.#decays = options.decays ?? (() => true);
  }

  /** Steps made so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Moves every weight that has a gradient, in place. @throws {OptionError} a gradient without a weight of its name */
  step(model: Trainable, gradients: Readonly<Record<string, Tensor>>): void {
    const kernel = kernelInForce();
    const weights = model.parameters();
    for (const name of Object.keys(gradients)) {
      if (!(name in weights)) {
        throw new OptionError({
          where: "AdamW.step",
          argument: `gradients["${name}"]`,
          got: "belongs to no weight of the model",
          expected: "names of model.parameters()",
        });
      }
    }
    this.#steps++;
    for (const [name, gradient] of Object.entries(gradients)) {
      const weight = weights[name]!;
      if (show(gradient.shape) !== show(weight.shape)) {
        throw new ShapeError({
          where: "AdamW.step",
          argument: `gradients["${name}"]`,
          got: `has shape ${show(gradient.shape)}`,
          expected: `${show(weight.shape)}, as the weight`,
        });
      }
      const { m, v } = this.#momentsOf(name, weight);
      kernel.adamWInPlace(weight, gradient, m, v, {
        learningRate: this.learningRate,
        beta1: this.betas[0],
        beta2: this.betas[1],
        epsilon: this.epsilon,
        weightDecay: this.#decays(name, weight) ? this.weightDecay : 0,
        step: this.#steps,
      });
    }
  }

  /** Everything a resumed run needs beside the weights. */
  state(): { steps: number; moments: Record<string, Tensor> } {
    const moments: Record<string, Tensor> = {};
    for (const [name, { m, v }] of this.#moments) {
      moments[`${name}.m`] = m;
      moments[`${name}.v`] = v;
    }
    return { steps: this.#steps, moments };
  }

  load({ steps, moments }: { steps: number; moments: Readonly<Record<string, Tensor>> }): void {
    this.#steps = steps;
    for (const name of Object.keys(moments)) {
      if (!name.endsWith(".m")) continue;
      const weight = name.slice(0, -2);
      const own = this.#momentsOf(weight, moments[name]!);
      own.m.data.set(moments[name]!.data);
      own.v.data.set(moments[`${weight}.v`]!.data);
    }
  }

  #momentsOf(name: string, weight: Tensor): Moments {
    let own = this.#moments.get(name);
    if (!own) {
      const zero = (): Tensor => {
        const t = kernelInForce().allocate(weight.shape);
        t.data.fill(0);
        return t;
      };
      own = { m: zero(), v: zero() };
      this.#moments.set(name, own);
    }
    return own;
  }
}
