import type { Outcome } from "../rule.js";
import type { ModelLab } from "./model-lab.js";
export async function dropoutOfModel(_lab: ModelLab): Promise<Outcome> {
  return "clear";
}
export async function memoryOfModel(_lab: ModelLab): Promise<Outcome> {
  return "clear";
}
