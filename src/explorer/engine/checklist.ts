/**
 * @file The checklist as tests: its four points measured on the run that is open, then every rule of `qkv check` for models
 * asked of the model itself.
 */
import { type AttentionListener, withListener } from "../../attention/index.js";
import { candidateOf } from "../../check/candidate/loaded.js";
import { checkModel } from "../../check/check.js";
import { ruleOf } from "../../check/rules/index.js";
import type { Model, ModelInputs } from "../../models/index.js";
import { QkRecord, type Trace, visibleWeights } from "../../trace/index.js";
import type { LabCall } from "./labs.js";
import type { Kind } from "./protocol.js";
import { inputsOf } from "./reading.js";

export interface ChecklistItem {
  id: "projections" | "scale" | "mask" | "heads";
  name: string;
  ok: boolean;
  /** What was measured, with its number. */
  says: string;
}
export interface ChecklistShown {
  items: ChecklistItem[];
  /** Absent for a recorded trace, which cannot be asked. */
  report?: {
    ok: boolean;
    findings: { rule: string; severity: string; message: string; fix: string }[];
    tested: { id: string; says: string }[];
    notTested: { id: string; reason: string }[];
  };
}

/**
 * The scale that the weights betray: ln(w₁/w₂) − (b₁ − b₂) = scale·(q·k₁ − q·k₂), by least squares over the pairs of head 0,
 * b what the model adds to a score. Undefined with a soft cap, where the ratio holds more than that.
 */
function fittedScale(record: QkRecord): number | undefined {
  if (record.call.softcap) return undefined;
  let [top, bottom] = [0, 0];
  for (let i = 0; i < record.queries; i++) {
    const row = visibleWeights(record, { head: 0, rows: [i, i + 1] });
    const seen = [...row.keys()].filter((j) => row[j]! > 1e-6).map((j) => record.pair(0, 0, i, j));
    for (const { dot, bias, weight } of seen.slice(1)) {
      const gap = dot - seen[0]!.dot;
      const ratio = Math.log(weight / seen[0]!.weight) - (bias - seen[0]!.bias);
      top += gap * ratio;
      bottom += gap * gap;
    }
  }
  return bottom > 0 ? top / bottom : undefined;
}

function items(trace: Trace, model: Model | undefined): ChecklistItem[] {
  const several = trace.kinds.length > 1;
  return trace.kinds.flatMap((kind) =>
    itemsOf(trace, model, kind).map((i) => (several ? { ...i, name: `${i.name}: ${kind}` } : i)),
  );
}

function itemsOf(trace: Trace, model: Model | undefined, kind: Kind): ChecklistItem[] {
  const layers = trace.layers(kind);
  const record = trace.record(layers[0]!, kind);
  const list: ChecklistItem[] = [];
  const width = (trace.hiddenStates[0] ?? trace.encoderHiddenStates[0])?.shape.at(-1);
  if (record instanceof QkRecord) {
    const { heads, keyHeads, headDim } = record.call;
    list.push({
      id: "projections",
      name: "Projections fit",
      ok: heads % keyHeads === 0,
      says: `${heads} query heads of ${headDim}, ${keyHeads} key heads of ${headDim}${width === undefined ? "" : `, from tokens of ${width} numbers`}: each head has its own projection`,
    });
    const scale = fittedScale(record);
    const usual = 1 / Math.sqrt(headDim);
    const usualHere = scale !== undefined && Math.abs(scale / usual - 1) < 1e-3;
    // A graph or a recording may hold q and k with the scale in them already: another one says nothing there.
    if (scale !== undefined && (model || usualHere)) {
      list.push({
        id: "scale",
        name: usualHere ? "Scores are divided by √d" : "Scores are not divided by √d",
        ok: usualHere || Math.abs(scale / record.call.scale - 1) < 1e-3,
        says: `read from the weights themselves: ${scale.toFixed(5)}; 1/√${headDim} is ${usual.toFixed(5)}${usualHere ? "" : `; this model was trained with ${record.call.scale.toFixed(5)}`}`,
      });
    }
  }
  let [worst, hidden, pairs] = [0, 0, 0];
  for (const layer of layers) {
    const r = trace.record(layer, kind);
    for (let head = 0; head < r.heads; head++) {
      const seen = visibleWeights(r, { head });
      const raw = r.weights({ head, batch: 0 }).data;
      for (let i = 0; i < r.queries; i++) {
        let sum = 0;
        for (let j = 0; j < r.keys; j++) {
          const w = raw[i * r.keys + j]!;
          sum += w;
          if (!Number.isNaN(seen[i * r.keys + j]!)) continue;
          pairs++;
          hidden = Math.max(hidden, Math.abs(w));
        }
        worst = Math.max(worst, sum === 0 ? 0 : Math.abs(sum - 1));
      }
    }
  }
  list.push({
    id: "mask",
    name: "The mask holds",
    ok: hidden === 0 && worst < 2e-5,
    says: `${pairs === 0 ? "every token may see every other" : `largest weight on ${pairs.toLocaleString("en")} hidden pairs: ${hidden}`}; rows sum to 1 within ${worst.toExponential(1)}`,
  });
  const off =
    model && record instanceof QkRecord && record.values ? mergedError(model, inputsOf(trace.info), record) : undefined;
  if (off !== undefined) {
    list.push({
      id: "heads",
      name: "Heads are merged in order",
      ok: off < 1e-4,
      says: `each head's Σ weight·value against its own part of the merged row: off by ${off.toExponential(1)} of its length`,
    });
  }
  return list;
}

/** How far the part of a merged row that belongs to a head is from that head's own Σ weight·value, first layer. */
function mergedError(model: Model, inputs: ModelInputs, record: QkRecord): number | undefined {
  let worst: number | undefined;
  const look: AttentionListener = {
    after(site, c, result) {
      if (site.kind !== record.site.kind || site.layer !== record.site.layer || c.queries !== record.queries)
        return result;
      const merged = c.outputLayout === "merged";
      const D = c.valueDim;
      const i = c.queries - 1;
      for (let h = 0; h < c.heads; h++) {
        const w = record.weights({ head: h, batch: 0, rows: [i, i + 1] }).data;
        const group = Math.floor((h * c.keyHeads) / c.heads);
        const at = D * (merged ? i * c.heads + h : h * c.queries + i);
        let [e, s] = [0, 0];
        for (let d = 0; d < D; d++) {
          let own = 0;
          for (let j = 0; j < c.keys; j++) own += w[j]! * c.v.tensor.data[c.v.offset + group * c.v.strides[1] + j * c.v.strides[2] + d]!; // biome-ignore format: one sum
          e += (own - result.output.data[at + d]!) ** 2;
          s += own ** 2;
        }
        worst = Math.max(worst ?? 0, s > 0 ? Math.sqrt(e / s) : 0);
      }
      return result;
    },
  };
  withListener(look, () => model.forward(inputs));
  return worst;
}

/** The lab call "checklist". */
export const checklist: LabCall = async (asked, options, context) => {
  const { run } = asked as { run: number };
  const { result, source } = context.run(run);
  const model = source.model as Model | undefined;
  const list = items(result.trace, model);
  if (!model) return { items: list } satisfies ChecklistShown;
  const candidate = candidateOf(model);
  const report = await checkModel(
    {
      config: candidate.config,
      async forward(ids, mask, past, extra) {
        await context.breathe();
        options.signal?.throwIfAborted();
        return candidate.forward(ids, mask, past, extra);
      },
    },
    { name: model.name, onProgress: (done, total, rule) => options.onProgress?.(done, total, rule) },
  );
  return {
    items: list,
    report: {
      ok: report.ok,
      findings: report.findings.map(({ rule, severity, message, fix }) => ({ rule, severity, message, fix })),
      tested: report.tested.map((id) => ({ id, says: ruleOf(id)?.says ?? id })),
      notTested: report.notTested.map(({ rule, reason }) => ({ id: rule, reason })),
    },
  } satisfies ChecklistShown;
};
