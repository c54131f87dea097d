/** @file Runs rules over a laboratory and folds what follows from a finding under it. */
import { OptionError } from "../tensor/index.js";
import { type Found, kindsOf, type Outcome, type Rule } from "./rule.js";
import { ruleOf, rules } from "./rules/index.js";
import type { CandidateKind, CheckOptions, Finding, NotTested, Report } from "./types.js";

/** The rules an options object asks for, of those that fit the kind of candidate. */
export function chosenRules(kind: CandidateKind, options: CheckOptions): Rule[] {
  const named = (ids: readonly string[] | undefined, option: string) =>
    ids?.map((id) => {
      const found = ruleOf(id);
      if (found) return found;
      const near = nearest(id);
      throw new OptionError({
        where: "check",
        argument: `options.${option}`,
        got: `names the rule "${id}", which does not exist`,
        expected: "an id of the catalogue",
        fix: `did you mean "${near}"? rules lists all of them`,
      });
    });
  const only = named(options.rules, "rules");
  const skip = new Set(named(options.skip, "skip"));
  return rules.filter((r) => kindsOf(r).includes(kind) && (!only || only.includes(r)) && !skip.has(r));
}

function nearest(id: string): string {
  const grams = (s: string) => new Set(Array.from({ length: s.length - 1 }, (_, n) => s.slice(n, n + 2)));
  const own = grams(id.toLowerCase());
  const score = (r: Rule) => [...grams(r.id.toLowerCase())].filter((g) => own.has(g)).length / r.id.length;
  return [...rules].sort((a, b) => score(b) - score(a))[0]!.id;
}

/** Asks every rule in turn. */
export async function runRules(
  list: readonly Rule[],
  options: CheckOptions,
  ask: (r: Rule) => Promise<Outcome>,
  soften: (r: Rule, found: Found) => Found = (_r, f) => f,
): Promise<Pick<Report, "ok" | "findings" | "tested" | "notTested">> {
  const findings: Finding[] = [];
  const tested: string[] = [];
  const notTested: NotTested[] = [];
  // What hangs or writes into its inputs shows during the other rules' calls, so those two are asked last.
  const late = (r: Rule) => r.id === "hangs" || r.id === "state-leak";
  const order = [...list.filter((r) => !late(r)), ...list.filter(late)];
  for (const [n, r] of order.entries()) {
    options.onProgress?.(n, list.length, r.id);
    const outcome = await ask(r);
    if (typeof outcome === "object" && "notTested" in outcome) {
      notTested.push({ rule: r.id, reason: outcome.notTested });
      continue;
    }
    tested.push(r.id);
    if (outcome !== "clear") findings.push(findingOf(r, soften(r, outcome)));
  }
  options.onProgress?.(list.length, list.length, "");
  const folded = fold(findings);
  return { ok: folded.every((f) => f.severity !== "error"), findings: folded, tested, notTested };
}

function findingOf(r: Rule, found: Found): Finding {
  return {
    rule: r.id,
    severity: found.severity ?? r.severity,
    message: found.message,
    evidence: found.evidence,
    fix: found.fix ?? r.fix,
    reference: r.reference,
    ...(found.probe ? { probe: found.probe } : {}),
  };
}

const weight = { error: 0, warning: 1, info: 2 } as const;

/** Root causes stay; a finding that another one explains becomes one of its consequences. */
function fold(findings: Finding[]): Finding[] {
  const roots: Finding[] = [];
  const place = (f: Finding) => rules.findIndex((r) => r.id === f.rule);
  const sorted = [...findings].sort((a, b) => weight[a.severity] - weight[b.severity] || place(a) - place(b));
  const under = (cause: Finding, f: Finding): boolean => {
    if (cause === f || cause.severity === "info") return false;
    const explains = ruleOf(cause.rule)?.explains ?? [];
    // "*": where the same call gives another answer, every other comparison means nothing.
    if (explains.includes("*"))
      return cause.severity === "error" && !ruleOf(f.rule)?.explains?.includes("*") && f.rule !== "throws";
    return explains.includes(f.rule);
  };
  for (const f of sorted) {
    const cause = sorted.find((c) => under(c, f) && !under(f, c));
    if (cause) (cause.consequences ??= []).push({ rule: f.rule, message: f.message });
    else roots.push(f);
  }
  return roots;
}
