/**
 * @file RNN, LSTM and GRU with torch's weight names, gate order and two bias vectors: what attention is compared with.
 *
 *     RNN    h' = f(W_ih x + b_ih + W_hh h + b_hh)                 f = tanh or relu               Elman 1990
 *     LSTM   i, f, g, o = W_ih x + b_ih + W_hh h + b_hh            Hochreiter & Schmidhuber 1997, with the forget gate of
 *            c' = σ(f) c + σ(i) tanh(g)    h' = σ(o) tanh(c')      Gers et al. 2000
 *     GRU    r, z = σ(W_ih x + b_ih + W_hh h + b_hh)               Cho et al. 2014 (arXiv:1406.1078), torch's form: r is
 *            n = tanh(W_in x + b_in + r (W_hn h + b_hn))           applied after W_hn
 *            h' = (1 − z) n + z h
 *
 * B batch · L length · I, H input and hidden size · G gates (1, 4, 3). All inputs are multiplied at once before the loop
 * over time starts; the loop itself is the part that cannot be done in parallel.
 */
import { ops } from "../kernels/current.js";
import type { Cell } from "../kernels/kernel.js";
import { asTensor, OptionError, ShapeError, show, type Tensor, type TensorLike, zeros } from "../tensor/index.js";
import { uniform } from "./initialise.js";
import { Module, type Part } from "./module.js";
import { Parameter } from "./parameter.js";

export interface RecurrentOptions {
  inputSize: number;
  hiddenSize: number;
  /** Layers on top of one another; default 1. */
  layers?: number;
  /** A second pass from the end; outputs lie side by side. Default false. */
  bidirectional?: boolean;
  /** Default true. */
  bias?: boolean;
  /** Of the plain RNN; default "tanh". */
  nonlinearity?: "tanh" | "relu";
}

/** The state of a layer: h [B, H], and of an LSTM c [B, H]. */
interface State {
  h: Tensor;
  c?: Tensor | undefined;
}

interface Weights {
  ih: Parameter; // [G·H, I], or [G·H, directions·H] above the first layer
  hh: Parameter; // [G·H, H]
  bih: Parameter | undefined; // [G·H]
  bhh: Parameter | undefined; // [G·H]
}

export interface RecurrentResult {
  /** [B, L, directions·H], the states of the last layer. */
  output: Tensor;
  /** [layers·directions, B, H], the last state of each. */
  h: Tensor;
}

abstract class Recurrent extends Module {
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly directions: 1 | 2;
  readonly #cell: Cell;
  /** By layer, then direction. */
  readonly #weights: Weights[];

  constructor(cell: Cell, gates: number, options: RecurrentOptions) {
    super();
    this.#cell = cell;
    const { inputSize, hiddenSize, layers = 1, bidirectional = false, bias = true } = options;
    for (const [name, value] of Object.entries({ inputSize, hiddenSize, layers })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new OptionError({
          where: new.target.name,
          argument: name,
          got: `is ${value}`,
          expected: "a whole number ≥ 1",
        });
      }
    }
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.layers = layers;
    this.directions = bidirectional ? 2 : 1;
    const start = uniform(1 / Math.sqrt(hiddenSize)); // torch's for every weight
    const G = gates * hiddenSize;
    const vector = (): Parameter | undefined => (bias ? new Parameter([G], start) : undefined);
    this.#weights = Array.from({ length: layers * this.directions }, (_, n) => ({
      ih: new Parameter([G, n < this.directions ? inputSize : hiddenSize * this.directions], start),
      hh: new Parameter([G, hiddenSize], start),
      bih: vector(),
      bhh: vector(),
    }));
  }

  parts(): Record<string, Part> {
    const parts: Record<string, Part> = {};
    for (const [n, w] of this.#weights.entries()) {
      const of = `l${Math.floor(n / this.directions)}${n % this.directions === 1 ? "_reverse" : ""}`;
      parts[`weight_ih_${of}`] = w.ih;
      parts[`weight_hh_${of}`] = w.hh;
      parts[`bias_ih_${of}`] = w.bih;
      parts[`bias_hh_${of}`] = w.bhh;
    }
    return parts;
  }

  /** Runs every layer and direction. States are [layers·directions, B, H]; zeros where not given. */
  protected run(
    where: string,
    input: Tensor | TensorLike,
    h0: Tensor | TensorLike | undefined,
    c0: Tensor | TensorLike | undefined,
  ): { output: Tensor; h: Tensor; c: Tensor } {
    const x = asTensor(input, where, "x");
    if (x.shape.length !== 3 || x.shape[2] !== this.inputSize || x.shape[1] === 0) {
      throw new ShapeError({
        where,
        argument: "x",
        got: `has shape ${show(x.shape)}`,
        expected: `[batch, length ≥ 1, ${this.inputSize}]: batch first`,
      });
    }
    const batch = x.shape[0]!;
    const first = this.#states(where, "h0", h0, batch);
    const cells = this.#cell === "lstm" ? this.#states(where, "c0", c0, batch) : undefined;
    const last: State[] = [];
    let y = x;
    for (let layer = 0; layer < this.layers; layer++) {
      const sides: Tensor[] = [];
      for (let side = 0; side < this.directions; side++) {
        const n = layer * this.directions + side;
        const { outputs, state } = this.#pass(this.#weights[n]!, y, { h: first[n]!, c: cells?.[n] }, side === 1);
        sides.push(outputs);
        last.push(state);
      }
      y = sides.length === 1 ? sides[0]! : ops().concat(sides, 2); // [B, L, directions·H]
    }
    const stack = (pick: (s: State) => Tensor): Tensor =>
      ops().concat(
        last.map((s) => ops().reshape(pick(s), [1, batch, this.hiddenSize])),
        0,
      );
    const h = stack((s) => s.h);
    return { output: y, h, c: cells ? stack((s) => s.c!) : h };
  }

  /** One layer in one direction: [B, L, …] → [B, L, H]. All inputs are multiplied at once; the rest goes step by step. */
  #pass(w: Weights, x: Tensor, start: State, reversed: boolean): { outputs: Tensor; state: State } {
    const [batch, length] = x.shape as [number, number, number];
    const inputs = ops().linear(x, w.ih.weight, { bias: w.bih?.tensor }); // [B, L, G·H]
    const call = { cell: this.#cell, inputs, weight: w.hh.weight, bias: w.bhh?.tensor, ...start, reversed };
    const { output, cells } = ops().recurrent(call);
    const end = reversed ? 0 : length - 1;
    const last = (of: Tensor): Tensor => ops().reshape(ops().slice(of, 1, end, end + 1), [batch, this.hiddenSize]);
    return { outputs: output, state: { h: last(output), c: cells && last(cells) } };
  }

  /** The start of each layer and direction, [B, H]. */
  #states(where: string, argument: string, given: Tensor | TensorLike | undefined, batch: number): Tensor[] {
    const count = this.layers * this.directions;
    const H = this.hiddenSize;
    if (given === undefined || given === null) return Array.from({ length: count }, () => zeros([batch, H]));
    const t = asTensor(given, where, argument);
    if (show(t.shape) !== show([count, batch, H])) {
      throw new ShapeError({
        where,
        argument,
        got: `has shape ${show(t.shape)}`,
        expected: `${show([count, batch, H])}: layers · directions, batch, hiddenSize`,
      });
    }
    return Array.from({ length: count }, (_, n) => ops().reshape(ops().slice(t, 0, n, n + 1), [batch, H]));
  }
}

/** h' = f(W_ih x + b_ih + W_hh h + b_hh) */
export class RNN extends Recurrent {
  readonly nonlinearity: "tanh" | "relu";

  constructor(options: RecurrentOptions) {
    const { nonlinearity = "tanh" } = options;
    if (nonlinearity !== "tanh" && nonlinearity !== "relu") {
      const expected = '"tanh" or "relu"';
      throw new OptionError({
        where: "RNN",
        argument: "nonlinearity",
        got: `is ${JSON.stringify(nonlinearity)}`,
        expected,
      });
    }
    super(nonlinearity, 1, options);
    this.nonlinearity = nonlinearity;
  }

  /** @param x [B, L, inputSize]   @param h0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike): RecurrentResult {
    const { output, h } = this.run("RNN", x, h0, undefined);
    return { output, h };
  }
}

/** A cell state c beside h, which forgetting and writing change by addition, so slopes survive many steps. */
export class LSTM extends Recurrent {
  constructor(options: RecurrentOptions) {
    super("lstm", 4, options);
  }

  /** @param x [B, L, inputSize]   @param h0,c0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike, c0?: Tensor | TensorLike): RecurrentResult & { c: Tensor } {
    return this.run("LSTM", x, h0, c0);
  }
}

/** One state, moved part of the way to a new one. */
export class GRU extends Recurrent {
  constructor(options: RecurrentOptions) {
    super("gru", 3, options);
  }

  /** @param x [B, L, inputSize]   @param h0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike): RecurrentResult {
    const { output, h } = this.run("GRU", x, h0, undefined);
    return { output, h };
  }
}
