import { expect, test } from "vitest";
import { check } from "../../src/check/index.js";
import { styles, float16Loops, type Quirks, type Style } from "./styles.js";

const quirks: Record<string, Quirks> = {
  "scale-missing": { scale: (_D, _H, g) => g ?? 1 },
  "scale-d_model": { scale: (D, H, g) => g ?? 1 / Math.sqrt(D * H) },
  "scale-by-heads": { scale: (_D, H, g) => g ?? 1 / Math.sqrt(H) },
  "mask-inverted": {
    visible: (p) => p.causal(p.i, p.j) && (!p.options.mask || !p.mask(p.b, p.h, p.i, p.j)) && p.pad(p.b, p.j),
  },
  "mask-multiplied-before-softmax": { hide: { how: "multiply" } },
  "mask-constant-wrong": { hide: { how: "fill", value: 1e-9 } },
  "mask-after-softmax": { hide: { how: "after" } },
  "causal-off-by-one": {
    visible: (p) =>
      (!p.options.causal || p.j <= p.i + 1 + p.Lk - p.Lq) && p.mask(p.b, p.h, p.i, p.j) && p.pad(p.b, p.j),
  },
};
for (const [name, style] of Object.entries({ ...styles, float16Loops }) as [string, Style][]) {
  test(`${name}: right`, async () => {
    const r = await check(style());
    expect(r.findings).toEqual([]);
  });
  for (const [rule, q] of Object.entries(quirks))
    test(`${name}: ${rule}`, async () => {
      const r = await check(style(q));
      expect(
        r.findings.map((f) => f.rule).concat(r.findings[0]?.rule === rule ? [] : [JSON.stringify(r.findings[0])]),
      ).toEqual([rule]);
    });
}
