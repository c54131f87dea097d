/** @file White space as Unicode has it. JavaScript's trim() also takes the byte-order mark, which is none. */

/** How many UTF-16 units of white space a text begins with. */
export function leadingSpace(text: string): number {
  return /^\p{White_Space}*/u.exec(text)![0].length;
}

/** How many UTF-16 units of white space a text ends with. */
export function trailingSpace(text: string): number {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.length - end;
}
