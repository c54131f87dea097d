import { expect, test, vi } from "vitest";
import { breather } from "./pause.js";

const busy = (ms: number): void => {
  for (const begin = performance.now(); performance.now() - begin < ms; );
};

test("after 16 ms of work a message that has come in is heard before the work goes on", async () => {
  const { port1, port2 } = new MessageChannel();
  let heard = false;
  port1.onmessage = () => (heard = true);
  const breathe = breather();
  port2.postMessage("stop");
  await breathe(); // too early: no turn of the loop
  expect(heard).toBe(false);
  for (let step = 0; step < 3 && !heard; step++) {
    busy(20);
    await breathe();
  }
  port1.close();
  expect(heard).toBe(true);
});

test("a page without setImmediate takes its turn through a message", async () => {
  const { setImmediate } = globalThis;
  Reflect.deleteProperty(globalThis, "setImmediate");
  try {
    let due = false;
    const breathe = breather();
    setTimeout(() => (due = true), 0);
    for (let step = 0; step < 3 && !due; step++) {
      busy(20);
      await breathe();
    }
    expect(due).toBe(true);
  } finally {
    globalThis.setImmediate = setImmediate;
  }
});

test("a turn sets no timer: one sleeps a millisecond, in pages four, though nobody has anything to say", async () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  const breathe = breather();
  busy(20);
  await breathe();
  expect(timers).not.toHaveBeenCalled();
  timers.mockRestore();
});
