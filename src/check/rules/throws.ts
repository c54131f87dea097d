/** @file The candidate throws, hangs, dies or gives back something else than an output. */
import { base } from "../probe/base.js";
import { callText } from "../probe/evidence.js";
import { type PathVerdict, pathNames, pathSays, pathVerdict } from "../probe/masking.js";
import { moduleOutcome } from "../probe/module-outcome.js";
import { rule } from "../rule.js";

export const throws = rule({
  id: "throws",
  says: "The candidate throws an error, or gives back something that is not an output.",
  why: "A call that a caller may make does not work.",
  severity: "error",
  fix: "Take q [B, H, Lq, D], k [B, H, Lk, D], v [B, H, Lk, Dv] as { data, shape } and give back [B, H, Lq, Dv] as { data, shape }; take mask, causal, scale and keyPadding",
  reference: "the checker's manual, docs/check/README.md",
  wrong: "const [L, D] = q.shape; // of [B, H, L, D]",
  right: "const [B, H, L, D] = q.shape;",
  mustCatch: ["always", "with a mask", "gives nothing", "wrong size"],
  mustPass: ["only as many queries as keys", "one key head for each query head", "nested arrays of float32"],
  explains: ["mask-ignored"],
  probe: async (lab) => {
    const known = await base(lab);
    if (
      known.status === "fails" &&
      !known.answer.ok &&
      (known.answer.kind === "throws" || known.answer.kind === "type" || known.answer.kind === "shape")
    ) {
      return {
        message:
          known.answer.kind === "throws"
            ? `A plain call throws: ${known.answer.message}`
            : `A plain call ${known.answer.message}.`,
        evidence: `${callText(known.problem)}; tensors of rank 3 and 2 were tried as well.`,
      };
    }
    const refused: PathVerdict[] = [];
    for (const path of pathNames) {
      const v = await pathVerdict(lab, path);
      if (v.status === "fails") refused.push(v);
    }
    const masks = pathNames.filter((n) => n.startsWith("mask"));
    const whole = refused.filter(
      (v) => !v.path.startsWith("mask") || masks.every((m) => refused.some((r) => r.path === m)),
    );
    if (whole.length === 0 && refused.length > 0) {
      const v = refused[0]!;
      return {
        severity: "info",
        message: `Masks are taken in some shapes only; ${refused.map((r) => pathSays[r.path]).join("; ")}: ${v.message}`,
        evidence: callText(v.problem, lab),
      };
    }
    if (whole.length === 0) return "clear";
    const v = whole[0]!;
    return {
      message: `A call with ${[...new Set(whole.map((w) => (w.path.startsWith("mask") ? "a mask" : pathSays[w.path])))].join(", ")} fails: ${v.message}`,
      evidence: callText(v.problem, lab),
    };
  },
  probeModule: (lab) => moduleOutcome(lab, "throws"),
  probeModel: async (lab) => {
    const ids = [lab.ids(5, 21)];
    const answer = await lab.ask(ids);
    if (answer.ok || (answer.kind !== "throws" && answer.kind !== "shape")) return "clear";
    const { onlyShape } = lab.config;
    if (onlyShape)
      return { notTested: `it reads ids of the shape ${onlyShape} only; export it with dynamic axes to test it` };
    return {
      fix: "Take ids and attentionMask as number[][] and give back logits [B, L, V], hidden states [B, L, d] or a pooled [B, d]",
      message: `A plain call fails: ${answer.message.replace(/\.+$/, "")}.`,
      evidence: `ids ${JSON.stringify(ids)}, attentionMask of ones`,
    };
  },
});
