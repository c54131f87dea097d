import type { Found } from "../rule.js";
import type { ModelLab } from "./model-lab.js";
export async function cacheFacts(_lab: ModelLab): Promise<{ reason: string } | { future?: Found; history?: Found }> {
  return { reason: "" };
}
