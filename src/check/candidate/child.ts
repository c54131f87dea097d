/**
 * @file The program of the child process in which a candidate's module runs.
 *
 * It is one function without anything from outside, because its text is handed to `node -e`: so it runs the same from
 * source, from the built package and from a bundle, and needs no file of its own.
 *
 * Messages in: { id, op: "load" | "call" | "forward" | "model", args, fixedRandom }. Messages out: { id, ok, value,
 * changed, overwrote } or { id, error }. A model's `past` stays here; the parent holds its number.
 */

/** What a message asks. */
export interface Request {
  id: number;
  op: "load" | "call" | "forward" | "model";
  args: unknown[];
  fixedRandom?: boolean;
}

export interface Reply {
  id: number;
  value?: unknown;
  error?: string;
  /** Arguments the candidate wrote into, with their new numbers. */
  changed?: Record<string, ArrayLike<number>>;
  /** The candidate wrote its new output into the one it had given before. */
  overwrote?: boolean;
}

/** What a loaded module is. */
export interface Loaded {
  kind: "function" | "multi-head" | "model" | "nothing";
  name?: string;
  heads?: number;
  weights?: Record<string, unknown>;
  config?: Record<string, unknown>;
  exports?: string[];
}

export function childProgram(require: any, file: string, jitiPath: string): void {
  type Any = any;
  let subject: Any;
  const pasts: Any[] = [];
  const isView = (x: Any): boolean => ArrayBuffer.isView(x);
  const own = Math.random;

  /** Numbers and names only: methods and getters do not pass between processes. */
  const plain = (x: Any, depth: number): Any => {
    if (x === null || typeof x !== "object") return typeof x === "function" || typeof x === "symbol" ? undefined : x;
    if (isView(x)) return Float64Array.from(x as ArrayLike<number>, Number);
    if (depth > 5) return undefined;
    if (Array.isArray(x)) return x.map((y) => plain(y, depth + 1));
    const out: Any = {};
    // Of a tensor its numbers and axes: what else it holds may be a library's whole memory.
    const names = isView(x.data) && (x.shape || x.dims) ? [] : Object.keys(x);
    for (const key of ["data", "shape", "dims", ...names]) {
      if (key === "past" || key === "pastKeyValues" || key === "past_key_values" || key === "cache") continue;
      if (key in x && typeof x[key] !== "function") out[key] = plain(x[key], depth + 1);
    }
    for (const key of ["past", "pastKeyValues", "past_key_values", "cache"])
      if (x[key] !== undefined && x[key] !== null) out.past = { handle: pasts.push(x[key]) - 1 };
    return out;
  };

  const load = async (): Promise<Any> => {
    const { createJiti } = require(jitiPath);
    const jiti = createJiti(file, { interopDefault: false, moduleCache: true, fsCache: false });
    const module = await jiti.import(file);
    const main = module.default ?? module;
    const model = [module, main, main?.default].find(
      (m: Any) => m && typeof m === "object" && m.config && typeof m.forward === "function",
    );
    if (model) {
      subject = model;
      return { kind: "model", config: plain(model.config, 0), name: model.config.name };
    }
    const multi = [main, module].find((m: Any) => m && typeof m === "object" && typeof m.forward === "function");
    if (multi) {
      subject = multi;
      return {
        kind: "multi-head",
        heads: multi.heads ?? multi.numHeads ?? multi.config?.heads,
        weights: plain(multi.weights ?? {}, 0),
      };
    }
    const f = [module.default, main?.default, module.attention, module.selfAttention].find(
      (x: Any) => typeof x === "function",
    );
    if (!f) return { kind: "nothing", exports: Object.keys(module) };
    subject = f;
    return { kind: "function", name: f.name };
  };

  let last: { raw: Any; numbers: number[] } | undefined;
  const numbersOf = (raw: Any): Any => (isView(raw) ? raw : (raw?.data ?? raw?.output?.data ?? raw?.output));
  const overwritten = (): boolean => {
    const now = last && numbersOf(last.raw);
    return (
      !!now &&
      isView(now) &&
      now.length === last!.numbers.length &&
      !last!.numbers.every((x, n) => Object.is(x, Number(now[n])))
    );
  };

  const answer = async (m: Any): Promise<Any> => {
    if (m.op === "load") return { value: await load() };
    const tensors: Any = { q: m.args[0], k: m.args[1], v: m.args[2] };
    if (m.op === "call")
      for (const [name, o] of Object.entries<Any>(m.args[3] ?? {})) if (o?.data) tensors["options." + name] = o;
    if (m.op === "forward") for (const key of ["k", "v"]) delete tensors[key];
    const before: Any = {};
    if (m.op !== "model")
      for (const [name, t] of Object.entries<Any>(tensors))
        if (t?.data && isView(t.data)) before[name] = t.data.slice();
    if (m.op === "model") {
      const past = m.args[2];
      const rest = m.args[3] === undefined ? [] : [m.args[3]];
      const ids = JSON.stringify([m.args[0], m.args[1]]);
      const raw = await subject.forward(
        m.args[0],
        m.args[1],
        past && typeof past === "object" && "handle" in past ? pasts[past.handle] : past,
        ...rest,
      );
      const changed = ids !== JSON.stringify([m.args[0], m.args[1]]) ? { ids: [1] } : undefined;
      return { value: plain(raw, 0), changed };
    }
    const raw = m.op === "call" ? await subject(...m.args) : await subject.forward(...m.args);
    let changed: Any;
    for (const name of Object.keys(before)) {
      const now = tensors[name].data;
      if (!before[name].every((x: number, n: number) => Object.is(x, now[n]))) (changed ??= {})[name] = now;
    }
    const overwrote = overwritten() && last!.raw !== raw;
    const same = last && numbersOf(last.raw) && numbersOf(last.raw) === numbersOf(raw);
    const numbers = numbersOf(raw);
    last = numbers && isView(numbers) ? { raw, numbers: Array.from(numbers as ArrayLike<number>, Number) } : undefined;
    return { value: plain(raw, 0), changed, overwrote: overwrote || !!same };
  };

  process.on("message", (m: Any) => {
    if (m.fixedRandom) {
      let state = 12345;
      Math.random = () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return state / 4294967296;
      };
    }
    answer(m)
      .then((r) => process.send!({ id: m.id, ...r }))
      .catch((e: Any) => process.send!({ id: m.id, error: String(e?.message ?? e) }))
      .finally(() => {
        Math.random = own;
      });
  });
  process.on("disconnect", () => process.exit(0));
}
