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

/** The state between two steps: h [B, H], and of an LSTM c [B, H]. */
export interface CellState {
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
  /** By layer, then direction. */
  readonly #weights: Weights[];

  constructor(gates: number, options: RecurrentOptions) {
    super();
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

  /**
   * One step.
   * @param x W_ih x + b_ih, [B, G·H]   @param hidden multiplies h: W_hh h + b_hh (+ what is given), [B, G·H]
   */
  protected abstract cell(x: Tensor, state: CellState, hidden: (h: Tensor, plus?: Tensor) => Tensor): CellState;

  /** Runs every layer and direction. States are [layers·directions, B, H]; zeros where not given. */
  protected run(
    where: string,
    input: Tensor | TensorLike,
    h0: Tensor | TensorLike | undefined,
    c0: Tensor | TensorLike | undefined,
    withCell: boolean,
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
    const cells = withCell ? this.#states(where, "c0", c0, batch) : undefined;
    const last: CellState[] = [];
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
    const stack = (pick: (s: CellState) => Tensor): Tensor =>
      ops().concat(
        last.map((s) => ops().reshape(pick(s), [1, batch, this.hiddenSize])),
        0,
      );
    const h = stack((s) => s.h);
    return { output: y, h, c: withCell ? stack((s) => s.c!) : h };
  }

  /** One layer in one direction: [B, L, …] → [B, L, H]. */
  #pass(w: Weights, x: Tensor, start: CellState, backwards: boolean): { outputs: Tensor; state: CellState } {
    const [batch, length] = x.shape as [number, number, number];
    const H = this.hiddenSize;
    const inputs = ops().permute(ops().linear(x, w.ih.weight, { bias: w.bih?.tensor }), [1, 0, 2]); // [L, B, G·H]
    const width = inputs.shape[2]!;
    const hidden = (h: Tensor, plus?: Tensor): Tensor =>
      ops().linear(h, w.hh.weight, { bias: w.bhh?.tensor, residual: plus });
    const outputs = new Array<Tensor>(length);
    let state = start;
    for (let step = 0; step < length; step++) {
      const t = backwards ? length - 1 - step : step;
      state = this.cell(ops().reshape(ops().slice(inputs, 0, t, t + 1), [batch, width]), state, hidden);
      outputs[t] = ops().reshape(state.h, [1, batch, H]);
    }
    return { outputs: ops().permute(ops().concat(outputs, 0), [1, 0, 2]), state };
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
    super(1, options);
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
    this.nonlinearity = nonlinearity;
  }

  /** @param x [B, L, inputSize]   @param h0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike): RecurrentResult {
    const { output, h } = this.run("RNN", x, h0, undefined, false);
    return { output, h };
  }

  protected cell(x: Tensor, { h }: CellState, hidden: (h: Tensor, plus?: Tensor) => Tensor): CellState {
    return { h: ops().unary(this.nonlinearity, hidden(h, x)) };
  }
}

/** A cell state c beside h, which forgetting and writing change by addition, so slopes survive many steps. */
export class LSTM extends Recurrent {
  constructor(options: RecurrentOptions) {
    super(4, options);
  }

  /** @param x [B, L, inputSize]   @param h0,c0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike, c0?: Tensor | TensorLike): RecurrentResult & { c: Tensor } {
    return this.run("LSTM", x, h0, c0, true);
  }

  protected cell(x: Tensor, { h, c }: CellState, hidden: (h: Tensor, plus?: Tensor) => Tensor): CellState {
    const o = ops();
    const gates = hidden(h, x); // [B, 4·H], in the order i f g o
    const gate = (n: number): Tensor => o.slice(gates, 1, n * this.hiddenSize, (n + 1) * this.hiddenSize);
    const kept = o.binary("multiply", o.unary("sigmoid", gate(1)), c!);
    const written = o.binary("multiply", o.unary("sigmoid", gate(0)), o.unary("tanh", gate(2)));
    const next = o.binary("add", kept, written);
    return { h: o.binary("multiply", o.unary("sigmoid", gate(3)), o.unary("tanh", next)), c: next };
  }
}

/** One state, moved part of the way to a new one. */
export class GRU extends Recurrent {
  constructor(options: RecurrentOptions) {
    super(3, options);
  }

  /** @param x [B, L, inputSize]   @param h0 [layers·directions, B, hiddenSize], default zeros */
  forward(x: Tensor | TensorLike, h0?: Tensor | TensorLike): RecurrentResult {
    const { output, h } = this.run("GRU", x, h0, undefined, false);
    return { output, h };
  }

  protected cell(x: Tensor, { h }: CellState, hidden: (h: Tensor, plus?: Tensor) => Tensor): CellState {
    const o = ops();
    const H = this.hiddenSize;
    const y = hidden(h); // [B, 3·H], in the order r z n
    const part = (of: Tensor, n: number): Tensor => o.slice(of, 1, n * H, (n + 1) * H);
    const gate = (n: number): Tensor => o.unary("sigmoid", o.binary("add", part(x, n), part(y, n)));
    const [r, z] = [gate(0), gate(1)];
    const n = o.unary("tanh", o.binary("add", part(x, 2), o.binary("multiply", r, part(y, 2))));
    return { h: o.binary("add", n, o.binary("multiply", z, o.binary("subtract", h, n))) }; // (1 − z) n + z h
  }
}
