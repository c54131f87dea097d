/** @file Long work that lets others speak: a worker's messages are heard between two steps. */

/** How long work may go on unheard, in ms: a stop button then answers at once, and a page draws what it has. */
const UNHEARD = 16;

/**
 * One turn of the event loop: what has come in by now is heard. A timer would sleep a millisecond (in browsers four) even
 * where nobody has anything to say.
 */
function turn(resume: () => void): void {
  if (typeof setImmediate === "function") {
    setImmediate(resume);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resume();
  };
  port2.postMessage(0);
}

/**
 * A function to await between steps; it gives way to the event loop when 16 ms have passed since it last did: a turn
 * costs a part of a small model's step, so not every step takes one.
 */
export function breather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < UNHEARD) return;
    await new Promise<void>(turn);
    last = performance.now();
  };
}
