/** @file Long work that lets others speak: a worker's messages are heard between two steps. */

/** How long work may go on unheard, in ms: a stop button then answers at once, and a page draws what it has. */
const UNHEARD = 16;

/**
 * A function to await between steps; it gives way to the event loop when 16 ms have passed since it last did. A turn of
 * the loop takes a millisecond or more, as long as a small model's step, so not every step takes one.
 */
export function breather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < UNHEARD) return;
    await new Promise<void>((resume) => setTimeout(resume, 0));
    last = performance.now();
  };
}
