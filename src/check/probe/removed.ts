/** @file Hidden keys equal removed keys: does the softmax still count them? */
import { number } from "../report/picture.js";
import { notTested, type Outcome } from "../rule.js";
import { base, isPlain } from "./base.js";
import { showMaps } from "./evidence.js";
import { huge } from "./huge.js";
import type { Lab } from "./lab.js";
import { pathNames, pathSays, pathVerdict } from "./masking.js";

/**
 * Weights masked after softmax and then renormalised are right until a hidden score is much larger than the seen ones:
 * then every seen weight has vanished before the renormalisation.
 */
export async function removedKeys(lab: Lab): Promise<Outcome> {
  const known = await base(lab);
  if (!isPlain(known)) return notTested("the output without a mask is wrong already");
  for (const path of pathNames) {
    if ((await pathVerdict(lab, path)).status !== "right") continue;
    const r = await huge(lab, path, known.tolerance > 1e-3 ? 200 : 1000, "masked up");
    if (!r || (r.status !== "NaN" && r.status !== "wrong")) continue;
    const open = await huge(lab, path, 0, "masked up");
    if (open?.status !== "right") continue;
    const shown = showMaps(r.problem, r.expected, r.weights, lab);
    return {
      message: `Hidden keys still take part in the softmax before they are removed (${pathSays[path]}).`,
      evidence: `A hidden key whose score lies ${number(r.offset)} above those of the seen keys leaves the seen ones no weight; removing that key gives the expected map.\n${shown.evidence}`,
      probe: shown.probe,
    };
  }
  return "clear";
}
