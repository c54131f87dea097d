/**
 * @file What a rule is: one mistake, how to see it, how to mend it.
 *
 * A rule that can be simulated declares the mistake itself (`base`, `pairs`, `mechanisms`); its probe asks whether the
 * candidate was explained by it. Other rules ask a question of their own. One file a rule, one page a rule.
 */
import type { BaseMistake } from "./probe/base.js";
import type { Lab } from "./probe/lab.js";
import type { MechanismMistake, PairMistake } from "./probe/masking.js";
import type { ModelLab } from "./probe/model-lab.js";
import type { ModuleLab } from "./probe/module-lab.js";
import type { CandidateKind, ProbeRecord, Severity } from "./types.js";

export interface Found {
  message: string;
  evidence: string;
  severity?: Severity;
  fix?: string;
  probe?: ProbeRecord;
}

/** What a probe came to. */
export type Outcome = "clear" | { notTested: string } | Found;

export interface Rule {
  id: string;
  aliases?: readonly string[];
  /** The mistake in one sentence, as a heading. */
  says: string;
  /** Why it matters: what a person sees who has made it. */
  why: string;
  severity: Severity;
  fix: string;
  reference: string;
  /** The mistake and its mending, a few lines of code each. */
  wrong: string;
  right: string;
  /** Rules whose findings follow from this one: they are folded under it. */
  explains?: readonly string[];
  /**
   * Planted mistakes it must name, as titled in test/check: of functions, and after "module: " and "model: " of those. A
   * test holds the list equal to what is planted.
   */
  mustCatch: readonly string[];
  /** Right implementations that come near the mistake: it must have tested them and found nothing. */
  mustPass: readonly string[];
  /** A map of five queries and keys as it should be and as the mistake makes it, for the page of the rule. */
  picture?: { expected: string; found: string };
  base?: readonly BaseMistake[];
  pairs?: readonly PairMistake[];
  mechanisms?: readonly MechanismMistake[];
  probe?: (lab: Lab) => Promise<Outcome>;
  probeModule?: (lab: ModuleLab) => Promise<Outcome>;
  probeModel?: (lab: ModelLab) => Promise<Outcome>;
}

/** Declares a rule; the identity, for its types. */
export function rule(r: Rule): Rule {
  return r;
}

/** The candidates a rule has a probe for. */
export function kindsOf(r: Rule): CandidateKind[] {
  const kinds: CandidateKind[] = [];
  if (r.probe) kinds.push("function");
  if (r.probeModule) kinds.push("multi-head");
  if (r.probeModel) kinds.push("model");
  return kinds;
}

export const notTested = (reason: string): Outcome => ({ notTested: reason });
