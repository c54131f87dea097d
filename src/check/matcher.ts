/**
 * @file The check inside a test: a matcher for vitest and jest, an assertion for node:test and everything else.
 *
 * @example
 * import { attentionMatchers } from "qkv/check";
 * expect.extend(attentionMatchers);
 * await expect(myAttention).toBeAttention();
 *
 * import { assertAttention } from "qkv/check";
 * test("my attention", () => assertAttention(myAttention));
 */
import type { Model } from "../models/index.js";
import { isLoadedModel } from "./candidate/candidate.js";
import { check, checkModel, checkModule } from "./check.js";
import { toText } from "./report/text.js";
import type { AttentionFunction, CandidateModel, CheckOptions, MultiHeadModule, Report } from "./types.js";

export interface MatcherOptions extends CheckOptions {
  /** Warnings fail too; default false. */
  strict?: boolean;
}

type Subject = AttentionFunction | CandidateModel | Model | MultiHeadModule;

async function judge(
  subject: unknown,
  { strict, ...options }: MatcherOptions,
): Promise<{ pass: boolean; report: Report }> {
  const it = subject as Partial<CandidateModel & MultiHeadModule>;
  const report =
    typeof subject === "function"
      ? await check(subject as AttentionFunction, options)
      : it?.config?.vocabSize !== undefined || isLoadedModel(subject)
        ? await checkModel(subject as CandidateModel, options)
        : it?.heads !== undefined
          ? await checkModule(subject as MultiHeadModule, options)
          : await check(subject as AttentionFunction, options);
  return { report, pass: report.ok && !(strict && report.findings.some((f) => f.severity === "warning")) };
}

/** For `expect.extend` of vitest and jest. */
export const attentionMatchers = {
  async toBeAttention(
    subject: unknown,
    options: MatcherOptions = {},
  ): Promise<{ pass: boolean; message: () => string }> {
    const { pass, report } = await judge(subject, options);
    return {
      pass,
      message: () => (pass ? "expected an attention with a mistake, and found none" : `\n${toText(report)}`),
    };
  },
};

/** Rejects with the report when there is an error (with `strict`, also a warning). @throws {Error} whose message is the report */
export async function assertAttention(subject: Subject, options: MatcherOptions = {}): Promise<Report> {
  const { pass, report } = await judge(subject, options);
  if (pass) return report;
  const error = new Error(`\n${toText(report)}`);
  error.name = "AssertionError";
  throw error;
}
