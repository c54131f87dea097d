/**
 * @file A candidate behind HTTP: each call is a POST of JSON, the messages of program.ts without their ids.
 * The endpoint is first asked { "op": "hello" }; one that does not know it is taken for an attention function.
 */
import { UnavailableError } from "../../tensor/index.js";
import type { CheckOptions, ModelConfig } from "../types.js";
import { type Candidate, CandidateFailure } from "./candidate.js";
import { pack, packOptions, unpack } from "./wire.js";

/** Opens an endpoint. @throws {UnavailableError} when nothing answers there */
export async function openEndpoint(url: string, limit: number): Promise<Candidate> {
  const post = async (message: object): Promise<Record<string, unknown>> => {
    let response: Response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(limit),
      });
    } catch (error) {
      const name = (error as Error).name;
      if (name === "TimeoutError") throw new CandidateFailure("hangs", `no answer within ${limit} ms`);
      throw new CandidateFailure(
        "dies",
        `no connection: ${(error as { cause?: Error }).cause?.message ?? (error as Error).message}`,
      );
    }
    const text = await response.text();
    let body: Record<string, unknown>;
    try {
      body = JSON.parse(text) as Record<string, unknown>;
    } catch {
      throw new Error(`the endpoint answered ${response.status} with no JSON: ${text.slice(0, 80)}`);
    }
    if (!response.ok || body["error"] !== undefined)
      throw new Error(String(body["error"] ?? `the endpoint answered ${response.status}`));
    return body;
  };
  let hello: Record<string, unknown> = {};
  try {
    hello = await post({ op: "hello" });
  } catch (error) {
    if (error instanceof CandidateFailure) {
      throw new UnavailableError({
        where: "check",
        argument: url,
        got: `does not answer (${error.message})`,
        expected: "an HTTP endpoint that takes POST with JSON",
        fix: "start the server first; examples/check-protocol has one",
      });
    }
  }
  const runtime = hello["runtime"] as CheckOptions["runtime"];
  const common = { name: url, ...(runtime ? { runtime } : {}) };
  const output = (body: Record<string, unknown>) => unpack("output" in body ? body["output"] : body);
  if (hello["kind"] === "model") {
    return {
      ...common,
      kind: "model",
      config: hello["config"] as ModelConfig,
      forward: async (ids, attentionMask, past, extra) =>
        output(await post({ op: "forward", ids, attentionMask, ...(past === undefined ? {} : { past }), ...extra })),
    };
  }
  return {
    ...common,
    kind: "function",
    call: async (q, k, v, options) =>
      output(await post({ op: "attention", q: pack(q), k: pack(k), v: pack(v), options: packOptions(options) })),
  };
}
