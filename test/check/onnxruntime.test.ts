/** @file onnxruntime's Attention operator, as a function: no mistake is found, its known behaviours are conventions. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { check } from "../../src/check/index.js";
import type { CandidateOptions, Numbers } from "../../src/check/types.js";

// A graph of one node, in protobuf's wire format: (field << 3 | kind), then a varint, four bytes, or a length and bytes.
const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const bytes = (field: number, body: number[]): number[] => [
  ...varint((field << 3) | 2),
  ...varint(body.length),
  ...body,
];
const text = (field: number, s: string): number[] => bytes(field, [...new TextEncoder().encode(s)]);
const int = (field: number, n: number): number[] => [...varint(field << 3), ...varint(n)];
const float = (field: number, x: number): number[] => [
  ...varint((field << 3) | 5),
  ...new Uint8Array(new Float32Array([x]).buffer),
];

function graph(masked: boolean, attributes: { is_causal: number; scale?: number; softcap?: number }): Uint8Array {
  const port = (name: string, element: number) => {
    const dims = ["a", "b", "c", "d"].flatMap((d) => bytes(1, text(2, `${name}_${d}`)));
    return [...text(1, name), ...bytes(2, bytes(1, [...int(1, element), ...bytes(2, dims)]))];
  };
  const attribute = ([name, x]: [string, number]) =>
    bytes(
      5,
      name === "is_causal"
        ? [...text(1, name), ...int(3, x), ...int(20, 2)]
        : [...text(1, name), ...float(2, x), ...int(20, 1)],
    );
  const inputs = ["q", "k", "v", ...(masked ? ["m"] : [])];
  const node = [
    ...inputs.flatMap((i) => text(1, i)),
    ...text(2, "o"),
    ...text(4, "Attention"),
    ...Object.entries(attributes).flatMap(attribute),
  ];
  const body = [
    ...bytes(1, node),
    ...text(2, "attention"),
    ...inputs.flatMap((i) => bytes(11, port(i, i === "m" ? 9 : 1))),
    ...bytes(12, port("o", 1)),
  ];
  return Uint8Array.from([...int(1, 10), ...bytes(7, body), ...bytes(8, [...text(1, ""), ...int(2, 23)])]);
}

const sessions = new Map<string, Promise<InferenceSession>>();

async function attention(q: Numbers, k: Numbers, v: Numbers, o: CandidateOptions = {}): Promise<unknown> {
  const { causal, mask, scale, keyPadding, softcap, ...rest } = o as CandidateOptions & { softcap?: number };
  if (Object.keys(rest).length > 0) throw new Error(`the operator has no ${Object.keys(rest).join(", ")}`);
  const attributes = {
    is_causal: causal ? 1 : 0,
    ...(scale === undefined ? {} : { scale }),
    ...(softcap ? { softcap } : {}),
  };
  const masked = Boolean(mask ?? keyPadding);
  const key = JSON.stringify([masked, attributes]);
  const fresh =
    sessions.get(key) ??
    InferenceSession.create(graph(masked, attributes), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  sessions.set(key, fresh);
  const session = await fresh;
  const float32 = (t: Numbers) => new Tensor("float32", t.data, t.shape);
  const feeds: Record<string, Tensor> = { q: float32(q), k: float32(k), v: float32(v) };
  if (masked)
    feeds["m"] = new Tensor("bool", both(q, k, mask, keyPadding), [q.shape[0]!, q.shape[1]!, q.shape[2]!, k.shape[2]!]);
  const { o: out } = await session.run(feeds);
  return { data: out!.data, dims: out!.dims };
}

/** mask and keyPadding as one mask [B, H, Lq, Lk]. */
function both(
  q: Numbers,
  k: Numbers,
  mask: CandidateOptions["mask"],
  padding: CandidateOptions["keyPadding"],
): Uint8Array {
  const [B, H, Lq] = q.shape as [number, number, number];
  const Lk = k.shape[2]!;
  return Uint8Array.from({ length: B * H * Lq * Lk }, (_, n) => {
    const place = [Math.floor(n / (H * Lq * Lk)), Math.floor(n / (Lq * Lk)) % H, Math.floor(n / Lk) % Lq, n % Lk];
    const seen =
      !mask || mask.data[mask.shape.reduce((at, size, a) => at * size + (size === 1 ? 0 : place[a]!), 0)] === 1;
    return seen && (!padding || padding.data[place[0]! * Lk + place[3]!] === 1) ? 1 : 0;
  });
}

test("onnxruntime's Attention operator: conventions at most", async () => {
  const report = await check(attention, { runtime: "onnxruntime", name: "onnxruntime" });
  expect(report.findings.filter((f) => f.severity !== "info")).toEqual([]);
  expect(report.tested).toContain("gqa-tile-for-repeat");
  expect(report.tested).toContain("softcap-after-mask");
});
