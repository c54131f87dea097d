/** @file Which way a text runs. */

const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** 1 from left to right, −1 from right to left, 0 where no letter says so. */
export function directionOf(text: string): -1 | 0 | 1 {
  const letter = /\p{L}/u.exec(text)?.[0];
  return letter === undefined ? 0 : rightToLeft.test(letter) ? -1 : 1;
}

/** Tokens that stand for no text: [CLS], <s>, <|endoftext|>. */
const marker = /^\s*(\[[A-Z]+\]|<\|?\/?\w+\|?>)\s*$/;

/** Whether a text runs from the right: its first letter does, markers of the tokenizer left aside. */
export const runsFromRight = (labels: readonly string[]): boolean =>
  directionOf(labels.filter((l) => !marker.test(l)).join("")) < 0;
