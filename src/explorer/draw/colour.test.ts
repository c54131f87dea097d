import { lab, rgb } from "d3-color";
import { beforeAll, describe, expect, test } from "vitest";
import type { ScaleName } from "../state/choice.js";
import { colourAt, fetchRamp, headStyle, inkOn, type Mode, rampOf, type Rgb, signedRamp } from "./colour.js";

const modes: Mode[] = ["light", "dark", "contrast"];
const scales: ScaleName[] = ["ink", "cividis", "viridis", "greys"];
beforeAll(async () => {
  await fetchRamp("cividis");
});

const lightness = ([r, g, b]: Rgb): number => lab(rgb(r, g, b)).l;
const far = (a: Rgb, b: Rgb): number => {
  const [x, y] = [lab(rgb(...a)), lab(rgb(...b))];
  return Math.hypot(x.l - y.l, x.a - y.a, x.b - y.b); // ΔE*76
};

/** What three kinds of dichromats see: Viénot, Brettel & Mollon 1999 (protan, deutan), Brettel et al. 1997 (tritan, one plane), on linear RGB. */
const deficiencies: Record<string, number[]> = {
  protan: [0.11238, 0.88762, 0, 0.11238, 0.88762, 0, 0.00401, -0.00401, 1],
  deutan: [0.29275, 0.70725, 0, 0.29275, 0.70725, 0, -0.02234, 0.02234, 1],
  tritan: [1, 0.14461, -0.14461, 0, 0.85924, 0.14076, 0, 0.85924, 0.14076],
};
function seen([r, g, b]: Rgb, m: number[]): Rgb {
  const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const out = [0, 1, 2].map((i) => m[i * 3]! * linear[0]! + m[i * 3 + 1]! * linear[1]! + m[i * 3 + 2]! * linear[2]!);
  return out.map(
    (x) => 255 * (x <= 0.0031308 ? 12.92 * Math.max(0, x) : 1.055 * Math.min(1, x) ** (1 / 2.4) - 0.055),
  ) as unknown as Rgb;
}

describe("colour scales", () => {
  for (const scale of scales) {
    for (const mode of modes) {
      test(`${scale}, ${mode}: lightness runs one way`, () => {
        const ramp = rampOf(scale, mode);
        const steps = Array.from({ length: 33 }, (_, n) => lightness(colourAt(ramp, n / 32)));
        const rising = steps[32]! > steps[0]!;
        for (let n = 1; n < 33; n++)
          expect(rising ? steps[n]! - steps[n - 1]! : steps[n - 1]! - steps[n]!).toBeGreaterThan(-0.3);
      });
      test(`${scale}, ${mode}: legend steps stay ΔE ≥ 10 apart for three kinds of colour vision`, () => {
        const ramp = rampOf(scale, mode);
        const steps = [0, 0.25, 0.5, 0.75, 1].map((t) => colourAt(ramp, t));
        for (const [name, matrix] of Object.entries(deficiencies)) {
          for (let n = 1; n < steps.length; n++)
            expect(far(seen(steps[n]!, matrix), seen(steps[n - 1]!, matrix)), name).toBeGreaterThanOrEqual(10);
        }
      });
    }
  }

  test("the signed scale tells plus from minus for all of them", () => {
    for (const mode of modes) {
      for (const matrix of Object.values(deficiencies)) {
        for (const t of [0.25, 0.5, 1]) {
          const [plus, minus] = [colourAt(signedRamp(mode), (1 + t) / 2), colourAt(signedRamp(mode), (1 - t) / 2)];
          expect(far(seen(plus, matrix), seen(minus, matrix))).toBeGreaterThanOrEqual(10);
        }
      }
    }
  });

  test("numbers printed on a shade have a contrast of at least 4.5", () => {
    const luminance = ([r, g, b]: Rgb): number => {
      const l = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * l[0]! + 0.7152 * l[1]! + 0.0722 * l[2]!;
    };
    for (const scale of scales) for (const mode of modes) for (let n = 0; n <= 64; n++) {
      const shade = colourAt(rampOf(scale, mode), n / 64);
      const ink: Rgb = inkOn(shade) === "#000" ? [0, 0, 0] : [255, 255, 255];
      const [a, b] = [luminance(shade), luminance(ink)];
      expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThanOrEqual(4.5);
    } // biome-ignore format: three loops
  });

  test("32 heads have 32 different strokes", () => {
    for (const mode of modes) {
      const strokes = new Set(Array.from({ length: 32 }, (_, h) => JSON.stringify(headStyle(h, mode))));
      expect(strokes.size).toBe(32);
    }
  });
});
