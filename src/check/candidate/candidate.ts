/**
 * @file A candidate as the checker calls it: something that answers, throws or hangs.
 *
 * In the same process a call is the function itself; from the command line it goes to a child process, an HTTP endpoint
 * or a program on the other side of a pipe. Probes see no difference.
 */
import type { Model } from "../../models/index.js";
import type { CandidateModel, CandidateOptions, CheckOptions, MultiHeadModule, Numbers } from "../types.js";

/** Why no result came. `hangs` and `dies` are found by the clock and by the process, not by the candidate. */
export type FailureKind = "throws" | "hangs" | "dies";

export class CandidateFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.name = "CandidateFailure";
    this.kind = kind;
  }
}

export interface AttentionCandidate {
  kind: "function";
  name: string;
  runtime?: CheckOptions["runtime"];
  /** Set where the candidate was seen to write a new output into one it had given before. */
  overwrote?: boolean;
  call(q: Numbers, k: Numbers, v: Numbers, options: CandidateOptions): Promise<unknown>;
  close?(): Promise<void> | void;
}

export interface ModuleCandidate {
  kind: "multi-head";
  name: string;
  heads: number;
  weights: MultiHeadModule["weights"];
  runtime?: CheckOptions["runtime"];
  forward(x: Numbers, options: CandidateOptions): Promise<unknown>;
  close?(): Promise<void> | void;
}

export interface ModelCandidate {
  kind: "model";
  name: string;
  config: CandidateModel["config"];
  /** Set where the candidate was seen to write into the ids or the mask it was given. */
  changedInputs?: boolean;
  runtime?: CheckOptions["runtime"];
  forward(
    ids: number[][],
    attentionMask: number[][],
    past?: unknown,
    extra?: Record<string, unknown>,
  ): Promise<unknown>;
  /** Runs `body` with the candidate's random numbers the same every time; undefined where that cannot be done. */
  withFixedRandom?<T>(body: () => Promise<T>): Promise<T>;
  close?(): Promise<void> | void;
}

export type Candidate = AttentionCandidate | ModuleCandidate | ModelCandidate;

/** Is it what `loadModel` gives? A duck's test, for a package that is there twice. */
export function isLoadedModel(x: unknown): x is Model {
  const it = x as Partial<Model> | null | undefined;
  return typeof it?.compute === "function" && typeof it.forward === "function" && typeof it.family === "string";
}

/** Waits for a result no longer than `limit` ms. What never yields cannot be interrupted here. */
export async function within<T>(limit: number, work: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      (async () => work())(),
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new CandidateFailure("hangs", `no answer within ${limit} ms`)), limit);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}

/** `Math.random` gives the same numbers in each run of `body`. */
export async function withFixedRandom<T>(body: () => Promise<T>): Promise<T> {
  const own = Math.random;
  let state = 12345;
  Math.random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 4294967296;
  };
  try {
    return await body();
  } finally {
    Math.random = own;
  }
}
