/**
 * @file From a simulated mistake to a finding: "was the candidate explained by this rule?"
 */
import { number } from "../report/picture.js";
import { type Found, notTested, type Outcome } from "../rule.js";
import { base } from "./base.js";
import { shrink } from "./evidence.js";
import type { Lab } from "./lab.js";
import { type PathName, type PathVerdict, pathNames, pathProblem, pathSays, pathVerdict } from "./masking.js";
import { problem } from "./problem.js";

/** Was the unmasked output explained by a mistake of this rule? */
export async function baseOutcome(lab: Lab, id: string): Promise<Outcome> {
  const known = await base(lab);
  if (known.status === "fails") return notTested("the function gave no output to look at");
  const mistake = known.mistakes.find((m) => m.rule === id);
  if (!mistake)
    return known.status === "unexplained" ? notTested("the output is not attention of any kind known here") : "clear";
  const shown = await shrink(
    lab,
    (shape) => problem(shape, lab.seed),
    (p) => ({ scale: lab.meantScale(p.D) }),
    known.tolerance,
  );
  return {
    message: `The function ${mistake.says}.`,
    evidence: [
      `The output of a call without a mask equals, to ${number(known.error)}, what attention gives that ${known.mistakes.map((m) => m.says).join(" and ")}; on two problems of different shapes.`,
      ...(shown ? [shown.evidence] : []),
    ].join("\n"),
    ...(shown ? { probe: shown.probe } : {}),
  };
}

/** Which paths were explained by a mistake of this rule? */
export async function pathOutcome(lab: Lab, id: string, paths: readonly PathName[] = pathNames): Promise<Outcome> {
  const verdicts: PathVerdict[] = [];
  for (const path of paths) verdicts.push(await pathVerdict(lab, path));
  const guilty = verdicts.filter((v) => v.pair?.rule === id || v.mechanism?.rule === id);
  if (guilty.length === 0) {
    if (verdicts.every((v) => v.status === "base")) return notTested("the output without a mask is wrong already");
    if (verdicts.every((v) => v.status === "fails"))
      return notTested(`the function does not take ${pathSays[paths[0]!]}: ${verdicts[0]!.message}`);
    return "clear";
  }
  return describe(lab, guilty, id);
}

async function describe(lab: Lab, guilty: PathVerdict[], id: string): Promise<Found> {
  const first = guilty[0]!;
  const says = first.pair?.rule === id ? first.pair.says : first.mechanism!.says;
  const shown = await shrinkPath(lab, first.path);
  const severities = guilty.map((v) => (v.pair?.rule === id ? v.pair.severity : undefined));
  const milder = severities.every((s) => s !== undefined) ? severities[0] : undefined;
  return {
    message: `${capital(says)} (${guilty.map((v) => pathSays[v.path]).join("; ")}).`,
    evidence: shown?.evidence ?? `The weights equal those of this mistake at ${pathSays[first.path]}.`,
    ...(shown ? { probe: shown.probe } : {}),
    ...(milder ? { severity: milder } : {}),
  };
}

/** The smallest call on a path whose weights are not the expected ones. */
export async function shrinkPath(lab: Lab, path: PathName) {
  const known = await base(lab);
  return shrink(
    lab,
    // Two queries cannot tell a frontier that is off by one from no frontier.
    (shape) => (path === "causal" && shape.Lk < 3 ? undefined : pathProblem(path, shape, lab.seed)),
    (p) => known.recipe(p),
    known.tolerance,
  );
}

export const capital = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);

/** Is a path right, so that finer questions about it make sense? The reason when it is not. */
export async function unsound(lab: Lab, path: PathName): Promise<string | undefined> {
  const v = await pathVerdict(lab, path);
  if (v.status === "right") return undefined;
  if (v.status === "base") return "the output without a mask is wrong already";
  if (v.status === "fails") return `the function does not take ${pathSays[path]}: ${v.message}`;
  const name = v.pair?.rule ?? v.mechanism?.rule ?? (v.constant ? "mask-constant-wrong" : "not explained");
  return `${pathSays[path]} is wrong already (${name})`;
}
