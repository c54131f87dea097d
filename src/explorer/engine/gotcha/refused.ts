/** @file A run that a mistake cannot be shown on: no error, but an answer that says plainly why. */

export class NotHere extends Error {}

/** @param why  a sentence: what there is instead, and where to look */
export const notHere = (why: string): NotHere => new NotHere(why);
