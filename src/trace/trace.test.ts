import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AttentionCall, AttentionRule } from "../kernels/kernel.js";
import { defaultKernel } from "../kernels/index.js";
import { tensor, type Tensor, writeSafetensors } from "../tensor/index.js";
import { MapRecord, type QkRecord, Recorder, readTrace, Trace, type TraceInfo, writeTrace, headsOf } from "./index.js";

// Every axis another prime, so that two swapped axes cannot pass; grouped heads.
const [B, Hk, H, L, D] = [2, 3, 6, 7, 5];
const info: TraceInfo = {
  model: "made up",
  architecture: "none",
  sequences: Array.from({ length: B }, () => ({ ids: [...Array(L).keys()], tokens: [..."abcdefg"] })),
  provenance: { engine: "qkv" },
};

function numbers(shape: number[], seed: number): Tensor {
  let s = seed;
  const next = (): number => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 31 - 1;
  };
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape);
}

const causal = (queries: number, keys: number): AttentionRule => ({
  perBatch: false,
  first: new Int32Array(queries),
  end: Int32Array.from({ length: queries }, (_, i) => keys - queries + i + 1),
});

function call(seed: number, extra: Partial<AttentionCall> = {}): AttentionCall {
  return {
    batch: B,
    heads: H,
    keyHeads: Hk,
    queries: L,
    keys: L,
    headDim: D,
    valueDim: D, // biome-ignore format: sizes
    q: headsOf(numbers([B, H, L, D], seed)),
    k: headsOf(numbers([B, Hk, L, D], seed + 1)),
    v: headsOf(numbers([B, Hk, L, D], seed + 2)),
    scale: D ** -0.5,
    rule: causal(L, L),
    ...extra,
  };
}

/** A trace of two layers recorded as a model would be. */
function recorded(...calls: AttentionCall[]): Trace {
  const recorder = new Recorder({ values: true });
  calls.forEach((c, layer) => recorder.after({ kind: "self", layer }, c, defaultKernel().attention(c)));
  return new Trace({ info, records: recorder.records });
}

describe("maps on demand", () => {
  const trace = recorded(call(1), call(9));
  const whole = trace.weights({ layer: 1 });

  test("rows sum to one and nothing is seen ahead", () => {
    expect(whole.shape).toEqual([B, H, L, L]);
    for (let r = 0; r < B * H * L; r++) {
      const row = whole.data.subarray(r * L, (r + 1) * L);
      expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(row.subarray((r % L) + 1).every((w) => w === 0)).toBe(true);
    }
  });

  test("any part is that part of the whole, bit for bit", () =>
    fc.assert(
      fc.property(
        fc.nat(B - 1),
        fc.nat(H - 1),
        fc.nat(L - 1),
        fc.nat(L - 1),
        fc.nat(L - 1),
        fc.nat(L - 1),
        (batch, head, r1, r2, c1, c2) => {
          const rows = [Math.min(r1, r2), Math.max(r1, r2) + 1] as const;
          const columns = [Math.min(c1, c2), Math.max(c1, c2) + 1] as const;
          const part = trace.weights({ layer: 1, batch, head, rows, columns });
          expect(part.shape).toEqual([1, 1, rows[1] - rows[0], columns[1] - columns[0]]);
          let at = 0;
          for (let i = rows[0]; i < rows[1]; i++) {
            for (let j = columns[0]; j < columns[1]; j++) {
              expect(part.data[at++]).toBe(whole.data[((batch * H + head) * L + i) * L + j]);
            }
          }
        },
      ),
    ));

  test("a weight is e^(score − lse) of the numbers shown for its pair", () => {
    const record = trace.record(1) as QkRecord;
    const pair = record.pair(1, 4, 5, 2);
    expect(pair.q).toHaveLength(D);
    expect(Math.exp(pair.score - pair.lse)).toBeCloseTo(pair.weight, 6);
    const ahead = record.pair(1, 4, 2, 5);
    expect([ahead.masked, ahead.score, ahead.weight]).toEqual([true, -Infinity, 0]);
  });

  test("a layer that was not recorded is refused with those that were", () =>
    expect(() => trace.weights({ layer: 7 })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: trace: layer is 7; expected one of the layers recorded for "self": 0, 1.]`,
    ));
  test("a kind that was not recorded likewise", () =>
    expect(() => trace.weights({ layer: 0, kind: "cross" })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: trace: kind is "cross"; expected one of the kinds recorded: self.]`,
    ));
  test("a head that is not there", () =>
    expect(() => trace.weights({ layer: 0, head: 6 })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: weights: head is 6; expected 0 to 5.]`,
    ));
  test("rows past the end", () =>
    expect(() => trace.weights({ layer: 0, rows: [2, 9] })).toThrowErrorMatchingInlineSnapshot(
      `[OptionError: weights: rows is [2, 9]; expected [from, to] with 0 ≤ from ≤ to ≤ 7.]`,
    ));
});

describe("a cached generation", () => {
  test("token by token gives the record of the whole text at once", () => {
    const full = call(3);
    const whole = recorded(full).weights({ layer: 0 });
    const recorder = new Recorder();
    const step = (from: number, to: number): void => {
      const c: AttentionCall = {
        ...full,
        queries: to - from,
        keys: to,
        q: { ...full.q, offset: from * D },
        rule: causal(to - from, to),
      };
      recorder.after({ kind: "self", layer: 0 }, c, defaultKernel().attention(c));
    };
    step(0, 4);
    for (let t = 4; t < L; t++) step(t, t + 1);
    const grown = new Trace({ info, records: recorder.records }).weights({ layer: 0 });
    expect(grown.shape).toEqual(whole.shape);
    grown.data.forEach((w, i) => expect(Math.abs(w - whole.data[i]!)).toBeLessThanOrEqual(2e-7)); // the last bit: sums of another length
  });

  test("a bias by distance grows along", () => {
    const table = numbers([H, 2 * L - 1], 77);
    const full = call(5, { bias: { tensor: table, offset: L - 1, strides: [0, 2 * L - 1, -1, 1] } });
    const whole = recorded(full).weights({ layer: 0 });
    const recorder = new Recorder();
    for (let t = 0; t < L; t++) {
      const bias = { tensor: table, offset: L - 1 - t, strides: [0, 2 * L - 1, -1, 1] as const };
      const c: AttentionCall = {
        ...full,
        queries: 1,
        keys: t + 1,
        q: { ...full.q, offset: t * D },
        rule: causal(1, t + 1),
        bias,
      };
      recorder.after({ kind: "self", layer: 0 }, c, defaultKernel().attention(c));
    }
    const grown = new Trace({ info, records: recorder.records }).weights({ layer: 0 });
    grown.data.forEach((w, i) => expect(Math.abs(w - whole.data[i]!)).toBeLessThanOrEqual(2e-7));
  });
});

describe("the trace file", () => {
  const rule: AttentionRule = {
    perBatch: true,
    first: Int32Array.from({ length: B * L }, (_, i) => (i < L ? 0 : 1)),
    end: new Int32Array(B * L).fill(L),
    keyMask: { data: Uint8Array.from({ length: B * L }, (_, i) => Number(i % 5 !== 3)), batchStride: L },
    mask: { data: Uint8Array.from({ length: L * L }, (_, i) => Number(i % 3 !== 1)), strides: [0, 0, L, 1] },
    blocks: { data: Uint8Array.from([1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1]), size: 2, strides: [0, 0, 4, 1] },
  };
  const rich = recorded(
    call(1),
    call(2),
    call(3, {
      rule,
      softcap: 3,
      sinks: numbers([H], 5),
      alibi: { slopes: Float32Array.from({ length: H }, (_, h) => 2 ** -h), queryOffset: 0 },
    }),
  );
  const bytes = writeTrace(rich);

  test("what is written is read back: the same maps, bit for bit, and the same bytes again", () => {
    const back = readTrace(bytes);
    for (const layer of [0, 1, 2]) expect(back.weights({ layer }).data).toEqual(rich.weights({ layer }).data);
    expect((back.record(2) as QkRecord).values!.data).toEqual((rich.record(2) as QkRecord).values!.data);
    expect(writeTrace(back)).toEqual(bytes);
  });

  test("it grows with the length, not with its square", () => {
    const size = (n: number): number => {
      const q = headsOf(numbers([1, 1, n, D], 1));
      const c: AttentionCall = {
        ...call(1),
        batch: 1,
        heads: 1,
        keyHeads: 1,
        queries: n,
        keys: n,
        q,
        k: q,
        v: q,
        rule: causal(n, n),
      };
      const recorder = new Recorder();
      recorder.after({ kind: "self", layer: 0 }, c, defaultKernel().attention(c));
      return writeTrace(new Trace({ info, records: recorder.records })).length;
    };
    expect(size(512) - size(256)).toBeLessThanOrEqual(256 * (4 * (2 * D + 1) + 8) + 64); // q, k, lse and two integers a token
  });

  test("a finished map is kept as it is", () => {
    const map = new MapRecord({ kind: "encoder", layer: 0 }, tensor([0.5, 0.5, 0, 0], [1, 1, 2, 2]));
    const back = readTrace(writeTrace(new Trace({ info, records: [map] })));
    expect([...back.weights({ kind: "encoder", layer: 0 }).data]).toEqual([0.5, 0.5, 0, 0]);
    expect(back.emptyRows({ kind: "encoder", layer: 0 })).toEqual([[0, 1]]);
  });

  const message = (data: Uint8Array): string => {
    try {
      readTrace(data, "run.safetensors");
      return "no error";
    } catch (error) {
      return (error as Error).message;
    }
  };
  test("a model's weights are no trace", () =>
    expect(message(writeSafetensors([{ name: "w", value: tensor([1]) }]))).toMatchInlineSnapshot(
      `"readTrace: run.safetensors is a safetensors file without a trace in it. Fix: open a file written by \`qkv trace\`."`,
    ));
  test("a file of a later version", () =>
    expect(message(writeSafetensors([], { qkv: '{"format":9}' }))).toMatchInlineSnapshot(
      `"readTrace: run.safetensors is of trace format 9; expected format 1 or older. Fix: update qkv."`,
    ));
  test("a description with parts missing", () =>
    expect(message(writeSafetensors([], { qkv: '{"format":1,"records":[]}' }))).toMatchInlineSnapshot(
      `"readTrace: run.safetensors has a description with parts missing. Fix: open a file written by \`qkv trace\`."`,
    ));
  test("any damaged file: an error of ours or a reading, never anything else", () =>
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, byte) => {
        const bad = bytes.slice();
        bad[at] = byte;
        expect(message(bad)).toMatch(/^(readTrace|safetensors|no error)/);
      }),
      { numRuns: 200 },
    ));
});
