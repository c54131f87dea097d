import { afterEach, expect, test } from "vitest";
import { attention } from "../../src/attention/index.js";
import { defaultKernel, setDefaultKernel, useKernel as take } from "../../src/kernels/index.js";
import { UnavailableError } from "../../src/tensor/index.js";
import { assertAttention, attentionMatchers, check } from "../../src/check/index.js";

expect.extend(attentionMatchers);

const usual = defaultKernel();
afterEach(() => setDefaultKernel(usual));

test.each(["reference", "portable", "relaxed"] as const)(
  "this library's attention has no finding, in every option the checker knows: %s",
  async (name) => {
    try {
      take(name);
    } catch (error) {
      expect(error).toBeInstanceOf(UnavailableError); // a build this engine cannot run is refused, and says so
      return;
    }
    const report = await check(attention as any);
    expect(report.findings).toEqual([]);
    expect(report.tested).toContain("window-off-by-one");
    expect(report.tested).toContain("gqa-tile-for-repeat");
  },
);

test("expect(attention).toBeAttention() holds, and fails with the report", async () => {
  await (expect(attention) as any).toBeAttention({ rules: ["scale-missing", "future-leak"] });
  await expect((expect(() => new Float32Array(3)) as any).toBeAttention()).rejects.toThrow(/throws/);
  await expect(assertAttention(() => undefined)).rejects.toThrow(/gives? back|gave back/);
});
