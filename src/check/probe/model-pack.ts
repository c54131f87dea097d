import { notTested, type Outcome } from "../rule.js";
import type { ModelLab } from "./model-lab.js";
export async function packFacts(_lab: ModelLab): Promise<Outcome> {
  return notTested("");
}
