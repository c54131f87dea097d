/**
 * @file What every layer is: named weights, and parts that have some.
 *
 * A layer says what it is made of in `parts()`; names, loading, packing and initialising follow from that. Names are
 * torch's, joined by dots: "layers.0.self_attn.in_proj_weight".
 */
import { random } from "../tensor/random.js";
import type { WeightFormat, WeightRows } from "../kernels/kernel.js";
import { asTensor, nearestName, OptionError, type Tensor, type TensorLike } from "../tensor/index.js";
import type { Initialiser } from "./initialise.js";
import { cloneTensor, type Parameter } from "./parameter.js";

/** A part of a layer; `undefined` where an option left it out. */
export type Part = Parameter | Module | undefined;

/** Weights by name, or a file that gives them one by one (`readWeights`), so that no more than one is held twice. */
export type State =
  | Readonly<Record<string, Tensor | TensorLike>>
  | {
      readonly names: Iterable<string>;
      tensor(name: string): Tensor;
      /** A matrix to be read in parts: what is packed is then never held twice, however large. */
      rows?(name: string): WeightRows;
    };

export interface LoadOptions {
  /** Who loads, for errors; default the layer's class. */
  where?: string;
  /** What stands before every name in `state`: "transformer." */
  prefix?: string;
  /** Names in `state` that are no mistake though no weight here has them (buffers, tied copies). */
  ignore?: (name: string) => boolean;
  /** Packs a weight as soon as it is read; `undefined` keeps its numbers. */
  pack?: (name: string, parameter: Parameter) => WeightFormat | undefined;
}

export abstract class Module {
  /** This layer's weights and parts by torch's names, in torch's order. */
  abstract parts(): Record<string, Part>;

  /** Every weight with its full name; one that is used in two places is named once, where it comes first. */
  *named(prefix = "", seen = new Set<Parameter>()): Generator<[name: string, parameter: Parameter]> {
    for (const [name, part] of Object.entries(this.parts())) {
      if (part instanceof Module) yield* part.named(`${prefix}${name}.`, seen);
      else if (part && !seen.has(part)) {
        seen.add(part);
        yield [prefix + name, part];
      }
    }
  }

  /** The weights' own numbers, to read or to change in place; packed ones become plain numbers again. */
  parameters(): Record<string, Tensor> {
    return Object.fromEntries(Array.from(this.named(), ([name, p]) => [name, p.tensor]));
  }

  /** The weights' numbers to read or to write to a file; packed ones stay packed. */
  state(): Record<string, Tensor> {
    return Object.fromEntries(Array.from(this.named(), ([name, p]) => [name, p.copy()]));
  }

  /** How many numbers there are to train. */
  get parameterCount(): number {
    let n = 0;
    for (const [, p] of this.named()) n += p.shape.reduce((a, b) => a * b, 1);
    return n;
  }

  /**
   * Draws every weight anew. A weight depends on the seed and its own name only, so adding a layer moves no other.
   * @param choose another start for some weights, by name; undefined leaves the layer's own
   */
  initialise(
    seed: number,
    choose: (name: string, parameter: Parameter) => Initialiser | undefined = () => undefined,
  ): this {
    for (const [name, p] of this.named()) p.initialise(random(seed ^ hash(name)), choose(name, p));
    return this;
  }

  /** Lays the weight matrices out for the kernel in force; vectors and whatever `choose` leaves out stay numbers. */
  pack(choose: (name: string, parameter: Parameter) => WeightFormat | undefined = matrices): this {
    for (const [name, p] of this.named()) {
      const format = choose(name, p);
      if (format) p.pack(format);
    }
    return this;
  }

  /**
   * Takes weights by torch's names. Numbers of a record are copied, so training here changes nothing there.
   * @throws {OptionError} a missing or unknown name, with the nearest one   @throws {ShapeError} a wrong shape
   */
  load(state: State, options: LoadOptions = {}): this {
    const { where = `${this.constructor.name}.load`, prefix = "", ignore, pack } = options;
    const wanted = new Map(this.named());
    const reader = isReader(state) ? state : undefined;
    const names = new Set(reader ? reader.names : Object.keys(state));
    const strip = (name: string): string | undefined =>
      name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
    for (const name of wanted.keys()) {
      if (names.has(prefix + name)) continue;
      // The nearest that no weight has a claim on: the one meant, misspelt; layer 0's own is not layer 1's.
      const free = [...names].filter((n) => !wanted.has(strip(n) ?? n) && !ignore?.(n));
      missing(where, prefix + name, names.size, nearestName(prefix + name, free.length > 0 ? free : names));
    }
    for (const name of names) {
      const own = strip(name);
      if ((own === undefined || !wanted.has(own)) && !ignore?.(name)) unknown(where, name, prefix, wanted.keys());
    }
    for (const [name, parameter] of wanted) {
      const full = prefix + name;
      const format = pack?.(name, parameter);
      if (format && reader?.rows) {
        parameter.packRows(reader.rows(full), format, where, full);
        continue;
      }
      const value = reader
        ? reader.tensor(full)
        : cloneTensor(asTensor((state as Record<string, Tensor>)[full]!, where, `"${full}"`));
      parameter.set(value, where, full);
      if (format) parameter.pack(format);
    }
    return this;
  }
}

/** Whatever is [N, K]. */
const matrices = (_: string, p: Parameter): WeightFormat | undefined => (p.shape.length === 2 ? "f32" : undefined);

function isReader(state: State): state is Extract<State, { tensor(name: string): Tensor }> {
  return typeof (state as { tensor?: unknown }).tensor === "function";
}

function missing(where: string, name: string, count: number, nearest: string | undefined): never {
  throw new OptionError({
    where,
    argument: `"${name}"`,
    got: `is not among the ${count} weights given${nearest === undefined ? "" : `; nearest is "${nearest}"`}`,
    fix: nearest?.endsWith(`.${name}`)
      ? `{ prefix: "${nearest.slice(0, -name.length)}" }`
      : "give every weight that parameters() lists",
  });
}

function unknown(where: string, name: string, prefix: string, ours: Iterable<string>): never {
  const nearest = nearestName(
    name,
    Array.from(ours, (n) => prefix + n),
  );
  throw new OptionError({
    where,
    argument: `"${name}"`,
    got: `is no weight of this layer${nearest === undefined ? "" : `; nearest is "${nearest}"`}`,
    fix: "leave it out, or build the layer with the option that has this weight",
  });
}

/** FNV-1a over UTF-16 units (Fowler, Noll & Vo): a name as a seed. */
function hash(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h;
}

/** Parts numbered as torch's ModuleList and Sequential do: "0", "1", … under one name. */
export class ModuleList<M extends Module> extends Module {
  readonly items: readonly M[];
  constructor(items: readonly M[]) {
    super();
    this.items = items;
  }
  parts(): Record<string, Part> {
    return Object.fromEntries(this.items.map((m, i) => [String(i), m]));
  }
  [Symbol.iterator](): Iterator<M> {
    return this.items[Symbol.iterator]();
  }
  get length(): number {
    return this.items.length;
  }
}
