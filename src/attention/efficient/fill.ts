/** @file Typed arrays from a function of the index. Plain loops: `TypedArray.from({ length }, f)` is ten times slower. */
type Rule = (n: number) => number;

export function ints(length: number, rule: Rule): Int32Array {
  return filled(new Int32Array(length), rule);
}

export function bytes(length: number, rule: Rule): Uint8Array {
  return filled(new Uint8Array(length), rule);
}

export function floats(length: number, rule: Rule): Float32Array {
  return filled(new Float32Array(length), rule);
}

function filled<A extends Int32Array | Uint8Array | Float32Array>(array: A, rule: Rule): A {
  for (let n = 0; n < array.length; n++) array[n] = rule(n);
  return array;
}
